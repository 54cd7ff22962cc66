#include "sim/run/client_fleet.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "sim/workload/http_client.h"
#include "sim/workload/library_client.h"
#include "sim/workload/multi_key_client.h"
#include "sim/workload/watch_client.h"

namespace quorate::sim {
namespace {

constexpr ChoiceSite kDeepClient("workload.deep_client");
constexpr ChoiceSite kNoise("workload.noise");
constexpr ChoiceSite kSurface("workload.surface");
constexpr ChoiceSite kCrash("workload.client_crash_ms");
constexpr ChoiceSite kCrashOfMachine("workload.client_loses_power");
constexpr ChoiceSite kDown("workload.client_down");
constexpr ChoiceSite kPause("workload.client_pause_ms");
constexpr ChoiceSite kPauseLength("workload.client_pause");

// How often a client fails that has the habit, at most.
constexpr uint64_t kFailuresMax = 3;
constexpr Duration kDownMax = Seconds(3);
constexpr Duration kPauseMax = Seconds(4);
constexpr size_t kLibraryOpenMax = 16;
// Such a client waits for few answers at a time. On slow links and disks it
// would lag behind a shorter interval, and go on long after the others.
constexpr Duration kSimpleInterval = Milliseconds(250);
// Longer than any run.
constexpr Duration kPatience = Seconds(24 * 3'600);
constexpr Duration kCalmLength = Seconds(3);
// The questions of a stop. Leaders give leaderships back within half a second.
constexpr Duration kStopLength = Milliseconds(1'500);
// A node may take the requests of one connection before those of others, and
// answer one in each round trip. Without faults no client waits for long. Over
// long links a thousand reads would take minutes.
constexpr uint64_t kKnownReadsMax = 40;
constexpr Duration kLongLink = Milliseconds(10);
constexpr const char* kImpostorAddress = "impostor:6379";

auto Violator(World* world) {
  return [world](std::string what) { world->Violate(std::move(what)); };
}

}  // namespace

ClientFleet::ClientFleet(World& world, const Cluster& cluster,
                         Recorder& recorder, const ClientFleetOptions& options)
    : world_(world), cluster_(cluster), recorder_(recorder), options_(options) {
  recorder_.SetSlots(cluster_.slots());
}

void ClientFleet::Start(ShapeDraw* draw) {
  const Shape& shape = options_.shape;
  for (uint32_t i = 0; i < shape.clients; ++i) {
    auto& member = members_.emplace_back(std::make_unique<Member>());
    member->machine =
        world_.AddMachine({.name = absl::StrCat("c", i + 1), .client = true});
    member->options = {.id = i + 1,
                       .servers = cluster_.resp_addresses(),
                       .cluster_servers = cluster_.resp_cluster_addresses(),
                       .habits = draw->DrawClient(i + 1),
                       .interval = Interval(),
                       .operations = OperationsOf(),
                       .session_open_window = shape.rules.sessions.open_window};
    if (!options_.shape.has_hash_slots())
      member->options.habits.cluster = false;
    member->options.operations.stale_reads = member->options.habits.stale_reads;
    member->options.reply_timeout =
        ReplyTimeout().value_or(member->options.reply_timeout);
    machines_.push_back(member->machine);
    world_.Start(member->machine, [this, member = member.get()](env::Env& env) {
      return Run(member, env);
    });
    if (!options_.failures) continue;
    for (uint64_t n = 0; n < kFailuresMax; ++n) {
      if (member->options.habits.crashes) PlanCrash(member.get(), n);
      if (member->options.habits.pauses) PlanPause(member.get(), n);
    }
  }
  StartOthers();
  // It wants an answer of each node, also of one that has left.
  if (!options_.shape.members &&
      world_.choices().Chance(kDeepClient, 0, 0, {1, 3})) {
    StartDeepClient();
  }
  if (world_.choices().Chance(kNoise, 0, 0, {1, 4})) StartNoiseClient();
  if (world_.choices().Chance(kSurface, 0, 0, {1, 4}) &&
      options_.shape.has_hash_slots()) {
    StartSurfaceClient();
  }
}

std::optional<Duration> ClientFleet::ReplyTimeout() const {
  if (options_.lossy) return std::nullopt;
  return kPatience;
}

Duration ClientFleet::Interval() const {
  const Shape& shape = options_.shape;
  return Seconds(1) * shape.clients /
         std::max<int64_t>(shape.operations_per_second, 1);
}

OperationOptions ClientFleet::OperationsOf() const {
  const Shape& shape = options_.shape;
  return {.keys = shape.keys,
          .tags = shape.tags,
          .slots = cluster_.slots(),
          .hot_keys = shape.hot_keys,
          .value_bytes_max = shape.value_bytes_max,
          .large_value_bytes = shape.large_value_bytes};
}

template <typename Program>
void ClientFleet::NoteSent(Program& program) {
  if (!options_.keep_sent) return;
  program.SetSendHook([this](SentOperation operation) {
    sent_.push_back(std::move(operation));
  });
}

std::shared_ptr<void> ClientFleet::Run(Member* member, env::Env& env) {
  auto program =
      std::make_shared<WorkloadClient>(env, member->options, &world_.choices(),
                                       &recorder_, std::move(member->note));
  NoteSent(*program);
  if (stopped_) program->StopIssuing();
  member->program = program.get();
  return program;
}

template <typename Make>
void ClientFleet::StartOther(std::string_view kind, Make make) {
  const MachineId machine = world_.AddMachine(
      {.name = absl::StrCat(std::string(kind), machines_.size() + 1),
       .client = true});
  machines_.push_back(machine);
  world_.Start(machine, [this, make](env::Env& env) {
    auto program = make(env);
    NoteSent(*program);
    others_.push_back(
        {.stop_issuing = [p = program.get()] { p->StopIssuing(); },
         .idle = [p = program.get()] { return p->idle(); },
         .describe = [p = program.get()] { return p->Describe(); }});
    return program;
  });
}

template <typename Client>
void ClientFleet::StartPlain(std::string_view kind, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    const PacedClientOptions options{
        .id = static_cast<uint32_t>(machines_.size() + 1),
        .servers = cluster_.resp_addresses()};
    StartOther(kind, [this, options](env::Env& env) {
      return std::make_shared<Client>(env, options, &world_.choices(),
                                      &recorder_,
                                      [this] { return world_.now(); });
    });
  }
}

SimpleClientOptions ClientFleet::NextSimpleClient() const {
  const auto id = static_cast<uint32_t>(machines_.size() + 1);
  SimpleClientOptions options{.id = id,
                              .interval = std::max(Interval(), kSimpleInterval),
                              .reply_timeout = ReplyTimeout(),
                              .operations = OperationsOf()};
  options.operations.stale_reads = id % 2 == 0;
  return options;
}

void ClientFleet::StartOthers() {
  const Shape& shape = options_.shape;
  for (uint32_t i = 0; i < shape.http_clients; ++i) {
    SimpleClientOptions client = NextSimpleClient();
    client.servers = cluster_.http_addresses();
    client.retries_writes = shape.http_idempotency_keys;
    client.operations.expiry = false;
    StartOther("http", [this, client](env::Env& env) {
      return std::make_shared<HttpClient>(env, client, &world_.choices(),
                                          &recorder_);
    });
  }
  const bool impostor =
      options_.lossy && shape.library_clients > 0 && shape.library_impostor;
  if (impostor) StartOne("impostor", &impostor_, kImpostorAddress);
  for (uint32_t i = 0; i < shape.library_clients; ++i) {
    SimpleClientOptions client = NextSimpleClient();
    client.servers = i % 2 == 0 ? cluster_.resp_cluster_addresses()
                                : cluster_.resp_addresses();
    client.retries_writes = shape.library_sessions;
    client.open_max = kLibraryOpenMax;
    if (impostor) client.servers.push_back(kImpostorAddress);
    LibraryClientOptions library{.common = client};
    if (shape.library_bounds_small) {
      library.waiting_max = 2;
      library.outstanding_max = 2;
      // A wrong port among the seeds: its node speaks another protocol.
      if (options_.lossy) {
        library.common.servers.push_back(cluster_.http_addresses()[0]);
      }
    }
    StartOther("library", [this, library](env::Env& env) {
      return std::make_shared<LibraryClient>(env, library, &world_.choices(),
                                             &recorder_);
    });
  }
  StartPlain<MultiKeyClient>("multi", shape.multi_key_clients);
  StartPlain<WatchClient>("watch", shape.watch_clients);
}

template <typename Program, typename... Arguments>
MachineId ClientFleet::StartOne(std::string_view name, Program** program,
                                Arguments... arguments) {
  const MachineId machine =
      world_.AddMachine({.name = std::string(name), .client = true});
  world_.Start(machine, [program, arguments...](env::Env& env) {
    auto started = std::make_shared<Program>(env, arguments...);
    *program = started.get();
    return started;
  });
  return machine;
}

void ClientFleet::StartDeepClient() {
  DeepClientOptions options{.servers = cluster_.resp_addresses()};
  if (!options_.lossy || options_.shape.link_latency > kLongLink) {
    options.reads_max = kKnownReadsMax;
  }
  options.on_no_memory = [this] { recorder_.OnNoMemory(0); };
  machines_.push_back(
      StartOne("deep", &deep_client_, std::move(options), Violator(&world_)));
}

void ClientFleet::StartNoiseClient() {
  StartOne("noise_client", &noise_client_, cluster_.all_addresses());
}

void ClientFleet::StartSurfaceClient() {
  SurfaceClientOptions options{.resp = cluster_.resp_addresses(),
                               .http = cluster_.http_addresses(),
                               .closes_others = options_.lossy};
  for (const std::string& address : cluster_.resp_cluster_addresses()) {
    options.resp.push_back(address);
  }
  StartOne("surface_client", &surface_client_, std::move(options),
           Violator(&world_));
}

// ---- Failures.

void ClientFleet::PlanCrash(Member* member, uint64_t number) {
  const ChoiceKey key{member->options.id, number};
  const uint64_t at_ms = world_.choices().SometimesUpTo(
      kCrash, key, {1, 2}, static_cast<uint64_t>(options_.failing_time.ms()));
  if (at_ms == 0) return;
  const CrashKind kind = world_.choices().Chance(kCrashOfMachine, key, {1, 3})
                             ? CrashKind::kMachine
                             : CrashKind::kProcess;
  const Duration down =
      world_.choices().Between(kDown, key, Milliseconds(1), kDownMax);
  world_.At(SimTime() + Milliseconds(static_cast<int64_t>(at_ms)),
            [this, member, kind, down] { Kill(member, kind, down); });
}

void ClientFleet::Kill(Member* member, CrashKind kind, Duration down) {
  if (stopped_ || member->program == nullptr) return;
  member->note = std::exchange(member->program, nullptr)->Die();
  world_.Crash(member->machine, kind);
  world_.At(world_.now() + down,
            [this, member] { world_.Restart(member->machine); });
}

void ClientFleet::PlanPause(Member* member, uint64_t number) {
  const ChoiceKey key{member->options.id, number};
  const uint64_t at_ms = world_.choices().SometimesUpTo(
      kPause, key, {1, 2}, static_cast<uint64_t>(options_.failing_time.ms()));
  if (at_ms == 0) return;
  const Duration length =
      world_.choices().Between(kPauseLength, key, Milliseconds(1), kPauseMax);
  world_.At(SimTime() + Milliseconds(static_cast<int64_t>(at_ms)),
            [this, member, length] {
              if (stopped_ || member->program == nullptr) return;
              world_.Pause(member->machine);
              world_.At(world_.now() + length,
                        [this, member] { world_.Resume(member->machine); });
            });
}

// ---- The end of a run.

void ClientFleet::Stop(const std::vector<std::string>& healthy) {
  stopped_ = true;
  if (noise_client_ != nullptr) noise_client_->Stop();
  if (surface_client_ != nullptr) surface_client_->Stop();
  if (impostor_ != nullptr) impostor_->Stop();
  for (const auto& member : members_) {
    if (member->program != nullptr) member->program->StopIssuing();
  }
  for (const Other& other : others_) other.stop_issuing();
  if (deep_client_ != nullptr) deep_client_->BeginLastRound(healthy);
}

bool ClientFleet::idle() const {
  return std::all_of(members_.begin(), members_.end(),
                     [](const std::unique_ptr<Member>& member) {
                       return member->program != nullptr &&
                              member->program->idle();
                     }) &&
         std::all_of(others_.begin(), others_.end(),
                     [](const Other& other) { return other.idle(); }) &&
         (deep_client_ == nullptr || deep_client_->last_round_done()) &&
         AskedAll() && (flush_client_ == nullptr || flush_client_->done());
}

std::string ClientFleet::Describe() const {
  std::string open;
  for (const auto& member : members_) {
    if (member->program == nullptr) {
      absl::StrAppend(&open, "client ", member->options.id, " is down\n");
    } else if (!member->program->idle()) {
      absl::StrAppend(&open, member->program->Describe(), "\n");
    }
  }
  for (const Other& other : others_) open += other.describe();
  if (deep_client_ != nullptr) open += deep_client_->Describe();
  if (!AskedAll()) {
    absl::StrAppend(&open, "calm client: ", calm_client_->Describe(), "\n");
  }
  if (flush_client_ != nullptr && !flush_client_->done()) {
    open += "flush client: the store is not empty\n";
  }
  return open;
}

bool ClientFleet::away(uint32_t client) const {
  if (client > members_.size()) return false;
  const Member& member = *members_[client - 1];
  return member.program == nullptr || world_.paused(member.machine) ||
         member.program->reads_late();
}

void ClientFleet::ReadAll(const std::vector<std::string>& keys) {
  members_[0]->program->ReadAll(keys);
}

std::vector<std::string> ClientFleet::NumberKeys() const {
  const std::vector<std::string> keys = recorder_.keys();
  std::vector<std::string> numbers;
  std::set<GroupId> groups;
  for (auto key = keys.rbegin(); key != keys.rend(); ++key) {
    if ((*key)[0] == 'n' && numbers.size() < 8 * options_.shape.groups) {
      numbers.push_back(*key);
      groups.insert(cluster_.OwnerOf(cluster_.slots()->SlotOf(*key)));
    }
  }
  uint64_t number = 0;
  AddKeysOfOthers(groups, &numbers, [this, &number] {
    std::string key;
    // Odd slots are those of keys that expire.
    do key = absl::StrCat("n.of_group", number++);
    while (cluster_.slots()->SlotOf(key).value() % 2 == 1);
    return key;
  });
  return numbers;
}

void ClientFleet::AddKeysOfOthers(const std::set<GroupId>& groups,
                                  std::vector<std::string>* keys,
                                  absl::FunctionRef<std::string()> next) const {
  std::set<GroupId> left;
  for (const GroupMembers& group : cluster_.stores()) {
    if (!group.slots.empty() && !groups.contains(group.group)) {
      left.insert(group.group);
    }
  }
  // Few slots of a group may be fit, or none.
  constexpr int kTries = 1 << 16;
  for (int i = 0; i < kTries && !left.empty(); ++i) {
    std::string key = next();
    if (left.erase(cluster_.OwnerOf(cluster_.slots()->SlotOf(key))) > 0) {
      keys->push_back(std::move(key));
    }
  }
}

void ClientFleet::AddToNumbers() {
  members_[0]->program->AddToEach(NumberKeys());
}

CalmClientOptions ClientFleet::QuestionsFor(
    const std::vector<NodeId>& nodes, const std::set<GroupId>& without) const {
  CalmClientOptions options;
  for (const NodeId node : nodes) {
    const size_t place = node.value() - 1;
    options.nodes.push_back({.resp = cluster_.resp_addresses()[place],
                             .http = cluster_.http_addresses()[place],
                             .writes = !recorder_.MayBeReadOnly(node)});
  }
  uint64_t number = 0;
  AddKeysOfOthers(without, &options.keys, [this, &number] {
    std::string key;
    // It removes them, which only those that expire may see in their slots.
    do key = CalmClient::KeyOf(number++);
    while (cluster_.division().partitioner == Partitioner::kLastCharacter &&
           cluster_.slots()->SlotOf(key).value() % 2 == 0);
    return key;
  });
  return options;
}

void ClientFleet::AskInCalm(const std::vector<NodeId>& nodes, Duration bound,
                            std::function<void(Duration)> answered) {
  CalmClientOptions options = QuestionsFor(nodes, /*without=*/{});
  options.bound = bound;
  options.length = kCalmLength;
  options.answered = std::move(answered);
  for (const NodeId node : nodes) {
    if (!options_.shape.has_hash_slots()) break;
    options.library_seeds.push_back(
        cluster_.resp_cluster_addresses()[node.value() - 1]);
  }
  StartOne("calm_client", &calm_client_, std::move(options), Violator(&world_));
}

void ClientFleet::AskDuringAStop(const std::vector<NodeId>& nodes,
                                 const std::set<GroupId>& without,
                                 Duration bound, NodeId late_reader_of) {
  CalmClientOptions options = QuestionsFor(nodes, without);
  // No slot of the other groups may be fit.
  if (options.keys.empty()) return;
  options.bound = bound;
  options.length = kStopLength;
  if (late_reader_of != NodeId()) {
    options.unread = cluster_.http_addresses()[late_reader_of.value() - 1];
  }
  StartOne("stop_client", &calm_client_, std::move(options), Violator(&world_));
}

void ClientFleet::AskWhileSlotsMove(const std::vector<NodeId>& nodes,
                                    Duration bound) {
  CalmClientOptions options = QuestionsFor(nodes, /*without=*/{});
  options.bound = bound;
  options.length = kCalmLength;
  StartOne("moves_client", &calm_client_, std::move(options),
           Violator(&world_));
}

void ClientFleet::Flush() {
  recorder_.log().OnFlush();
  StartOne("flush_client", &flush_client_, cluster_.resp_addresses(),
           Violator(&world_));
}

}  // namespace quorate::sim

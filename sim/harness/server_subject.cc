#include "sim/harness/server_subject.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "env/little_endian.h"
#include "lincheck/check/checker.h"
#include "sim/choices/time_text.h"
#include "sim/harness/history_lines.h"
#include "sim/harness/program_env.h"
#include "sim/harness/replica_sight.h"
#include "sim/harness/replica_views.h"

namespace quorate::sim {
namespace {

constexpr Duration kSupervisorDelay = Seconds(1);
// Between two looks of the operator at one node.
constexpr Duration kOperatorInterval = Milliseconds(50);
// How many disks are erased in a run whose members change.
constexpr uint32_t kDisksLost = 3;
// The limits of the search for an order of one object's requests.
constexpr lincheck::CheckOptions kSearch = {.nodes_max = 5'000'000,
                                            .bytes_max = 512 << 20,
                                            .minimise_nodes_max = 300'000};
// A request of a client. Zero: a tape leaves it out.
constexpr ChoiceSite kRequest("workload.request");
constexpr ChoiceSite kPeerStreams("shape.peer_streams");
constexpr ChoiceSite kMembers("members.change");
constexpr ChoiceSite kLate("members.late_node");
constexpr ChoiceSite kCrash("workload.client_crash_ms");
constexpr ChoiceSite kDown("workload.client_down");
constexpr ChoiceSite kPause("workload.client_pause_ms");
constexpr ChoiceSite kPauseLength("workload.client_pause");

// How often a client fails, at most, and by when.
constexpr uint64_t kFailuresMax = 3;
constexpr uint64_t kFailingMs = 40'000;
constexpr Duration kDownMax = Seconds(3);
constexpr Duration kPauseMax = Seconds(4);

std::string AddressOf(size_t index) {
  return absl::StrCat("n", index + 1, ":9001");
}

std::string ClientAddressOf(size_t index) {
  return absl::StrCat("n", index + 1, ":7001");
}

}  // namespace

// The process on the machine of a node.
class ServerSubject::Node {
 public:
  Node(env::Env& env, ServerSubject* subject, size_t index)
      : subject_(*subject),
        index_(index),
        env_(env, subject->peer_streams_,
             env.random.Fork("sim.peer_streams", index + 1)),
        server_(subject->test_->Start(
            env_.env(), subject->OptionsOf(index),
            [this](const absl::Status& status) { OnStarted(status); },
            [this](const absl::Status& why) { OnStopped(why); })) {
    subject_.nodes_[index_] = this;
    if (subject_.operator_.has_value()) subject_.operator_->OnBoot(index_);
    if (subject_.witness_.has_value()) {
      subject_.witness_->OnBoot(NodeId(index_ + 1));
    }
  }
  ~Node() {
    if (subject_.nodes_[index_] == this) subject_.nodes_[index_] = nullptr;
  }

  bool started() const { return started_; }
  bool has_host() const { return server_.host != nullptr; }
  void Command(std::string_view line, raft::Members::Reply reply) {
    if (server_.members != nullptr) {
      server_.members->Handle(line, reply);
    } else {
      subject_.world_.Violate(
          "members: the test returns no Server::members, but its options have "
          "runs whose members change");
    }
  }
  // Null: the server starts, or has none.
  const raft::Host* host() const { return started_ ? server_.host : nullptr; }
  // The server, once it has started.
  ServerTest::Running running() const {
    return {.node = NodeId(index_ + 1),
            .program = server_.program.get(),
            .host = server_.host};
  }
  const raft::Core* core(GroupId group) const {
    return host() != nullptr && host()->group_status(group).ok()
               ? host()->core(group)
               : nullptr;
  }

  void AfterTurn() {
    if (host() == nullptr) return;
    for (const GroupId group : host()->groups()) {
      subject_.checker_.OnReplicaNotStarted(
          NodeId(index_ + 1), group, host()->group_status(group), MayNotWork());
      if (core(group) != nullptr) Check(group, *core(group));
    }
  }

 private:
  struct Viewed {
    raft::LogPosition appended;
    raft::Index applied;
    ReplicaSight sight;
  };
  struct Seen {
    raft::Term term;
    raft::Index applied;
    raft::RoleKind role = raft::RoleKind::kFollower;
    friend bool operator==(const Seen&, const Seen&) = default;
  };

  // For views of the run.
  void Observe(GroupId group, const raft::Core& core) {
    Viewed& viewed = viewed_[group];
    World* const world = &subject_.world_;
    const MachineId machine = subject_.machines_[index_];
    raft::LogPosition& end = viewed.appended;
    // Other entries have taken the place of some.
    if (core.TermAt(end.index) != end.term) end = {{}, core.commit_index()};
    for (end.index = std::max(end.index, core.evicted());
         end.index < core.last().index;) {
      const raft::Entry& entry = core.EntryAt(++end.index);
      ReplicaSight::OnAppended(world, machine, group, {entry}, DescribePayload);
    }
    end.term = core.TermAt(end.index);
    for (viewed.applied = std::max(viewed.applied, core.evicted());
         viewed.applied < core.applied_index();) {
      const raft::Entry& entry = core.EntryAt(++viewed.applied);
      ReplicaSight::OnApplied(world, machine, group, entry, DescribePayload);
    }
    viewed.sight.Look(world, machine, group, core);
  }

  void Check(GroupId group, const raft::Core& core) {
    if (subject_.world_.observes()) Observe(group, core);
    const Seen seen{core.term(), core.applied_index(), core.role()};
    const Seen before = std::exchange(seen_[group], seen);
    if (before == seen) return;
    const bool leads = seen.role == raft::RoleKind::kLeader;
    if (leads && (before.role != seen.role || before.term != seen.term)) {
      subject_.checker_.OnLeader(NodeId(index_ + 1), group, seen.term);
      subject_.world_.AddToStory(
          subject_.machines_[index_], TraceKind::kLead,
          LeadPayload{group.value(), seen.term.value()}.Pack(),
          absl::StrCat("group ", group.value(), ", term ", seen.term.value()));
    }
    // Entries that it has not applied one by one.
    if (subject_.witness_.has_value() &&
        core.log_start().index > before.applied) {
      subject_.witness_->OnRestored(NodeId(index_ + 1), group,
                                    core.log_start().index);
    }
    subject_.OnApplied(index_, group, core, *host()->state_machine(group));
  }

  void OnStarted(const absl::Status& status) {
    if (!status.ok()) return OnStopped(status);
    subject_.created_[index_] = true;
    started_ = true;
    if (subject_.operator_.has_value()) Tick();
  }
  void Tick() {
    env::Loop& loop = env_.env().loop;
    timer_ =
        loop.At(loop.ReadClock().mono + kOperatorInterval, [this] { Tick(); });
    subject_.operator_->OnTick(index_);
  }
  void OnStopped(const absl::Status& why) {
    subject_.checker_.OnNodeStopped(NodeId(index_ + 1), why, MayNotWork());
    subject_.supervisor_.OnStopped(subject_.machines_[index_], why);
  }

  // Calls of a program that dies in this turn fail, too.
  bool MayNotWork() const {
    const MachineId machine = subject_.machines_[index_];
    return subject_.HasBadDisk(index_) ||
           subject_.world_.disk_failures(machine) > 0 ||
           !subject_.world_.running(machine);
  }

  ServerSubject& subject_;
  const size_t index_;
  bool started_ = false;
  absl::btree_map<GroupId, Seen> seen_;
  absl::btree_map<GroupId, Viewed> viewed_;
  ProgramEnv env_;
  env::Pending timer_;
  // Destroyed first: its callbacks use the members above.
  ServerTest::Server server_;
};

ServerSubject::ServerSubject(World* world, std::unique_ptr<ServerTest> test,
                             ServerSubjectOptions options)
    : world_(*world),
      test_(std::move(test)),
      options_(options),
      checker_([this](std::string what) { world_.Violate(std::move(what)); }),
      supervisor_(world, kSupervisorDelay),
      nodes_(options.nodes),
      created_(options.nodes),
      clients_(options.clients) {}

ServerSubject::~ServerSubject() {
  // The programs refer to the subject, and the world outlives it.
  std::vector<MachineId> machines = machines_;
  for (const Client& client : clients_) machines.push_back(client.machine);
  for (const MachineId machine : machines) {
    if (machine != MachineId() && world_.running(machine)) {
      world_.Crash(machine, CrashKind::kProcess);
    }
  }
}

ScheduleOptions ServerSubject::Start() {
  AddMachines();
  for (size_t i = 0; i < nodes_.size(); ++i) {
    world_.Start(machines_[i], [this, i](env::Env& env) {
      return std::make_shared<Node>(env, this, i);
    });
  }
  StartClients();
  std::vector<MachineId> clients;
  for (const Client& client : clients_) clients.push_back(client.machine);
  ScheduleOptions options{
      .nodes = machines_,
      .clients = std::move(clients),
      .groups = {machines_},
      .budget = options_.budget,
      .leader =
          [this](uint64_t draw) {
            const std::vector<GroupId> groups = Groups();
            if (groups.empty()) return MachineId();
            const size_t leader =
                LeaderAmong(Cores(groups[draw % groups.size()]));
            return leader == nodes_.size() ? MachineId() : machines_[leader];
          },
      // A group is founded by all members.
      .needs_all_nodes =
          [this] {
            return std::find(created_.begin(), created_.end(), false) !=
                   created_.end();
          }};
  AddDiskFaults(&options);
  return options;
}

void ServerSubject::AddMachines() {
  Choices& choices = world_.choices();
  bool members = false;
  if (choices.Chance(kPeerStreams, ChoiceKey{}, options_.peer_streams)) {
    peer_streams_.emplace();
    members = choices.Chance(kMembers, ChoiceKey{}, options_.members);
  }
  if (members && choices.Chance(kLate, ChoiceKey{}, options_.late)) {
    nodes_.resize(options_.nodes + 1);
    created_.resize(nodes_.size());
  }
  for (size_t i = 0; i < nodes_.size(); ++i) {
    machines_.push_back(world_.AddMachine({.name = absl::StrCat("n", i + 1)}));
  }
  const auto host_of = [this](size_t node) {
    return nodes_[node] == nullptr ? nullptr : nodes_[node]->host();
  };
  disks_.emplace(&world_, &machines_, host_of);
  if (!members) return;
  operator_.emplace(&world_, &machines_, options_.nodes, &*disks_,
                    MemberOperator::Hooks{
                        .host = host_of,
                        .command = [this](size_t node, std::string_view line,
                                          raft::Members::Reply reply) {
                          nodes_[node]->Command(line, std::move(reply));
                        }});
}

// If members change, no fixed set is a majority.
void ServerSubject::AddDiskFaults(ScheduleOptions* options) {
  if (nodes_[0] == nullptr || !nodes_[0]->has_host()) {
    return disks_->AddUnsparedTo(options);
  }
  if (options_.members.numerator > 0) {
    options->elsewhere = {FaultFamily::kDiskWipe};
  }
  if (!operator_.has_value()) return disks_->AddTo(options, nullptr);
  disks_->AddTo(options, [this] { return operator_->idle(); });
  options->needs_all_nodes = [] { return true; };
  options->budget.disks_lost = std::max(options->budget.disks_lost, kDisksLost);
}

void ServerSubject::StopClients() {
  issuing_ = false;
  if (operator_.has_value()) operator_->Finish();
}

void ServerSubject::StartClients() {
  std::vector<std::string> servers;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    servers.push_back(ClientAddressOf(i));
  }
  for (size_t i = 0; i < clients_.size(); ++i) {
    const uint32_t id = i + 1;
    Client& client = clients_[i];
    client.machine =
        world_.AddMachine({.name = absl::StrCat("c", id), .client = true});
    world_.Start(client.machine, [this, id, servers, &client](env::Env& env) {
      auto program = std::make_shared<ServerClient>(
          env,
          ServerClientOptions{.id = id,
                              .servers = servers,
                              .interval = options_.interval,
                              .timeout = options_.timeout},
          ServerClient::Hooks{.next = [this, id] { return NextRequest(id); },
                              .read_reply =
                                  [this](const ServerTest::Request& request,
                                         std::string_view bytes) {
                                    return test_->ReadReply(request, bytes,
                                                            history_);
                                  },
                              .ended =
                                  [this](const ServerTest::Request& request,
                                         const ServerTest::Reply& reply) {
                                    EndRequest(request, reply);
                                  }});
      client.program = program.get();
      return program;
    });
  }
}

void ServerSubject::OnScheduled(const Schedule& schedule) {
  for (uint32_t id = 1; id <= clients_.size(); ++id) {
    for (uint64_t n = 0; n < kFailuresMax; ++n) {
      if (schedule.on(FaultFamily::kProcessCrash)) PlanCrash(id, n);
      if (schedule.on(FaultFamily::kPause)) PlanPause(id, n);
    }
  }
}

void ServerSubject::PlanCrash(uint32_t id, uint64_t number) {
  const ChoiceKey key{id, number};
  Choices& choices = world_.choices();
  const uint64_t at_ms = choices.SometimesUpTo(kCrash, key, {1, 4}, kFailingMs);
  if (at_ms == 0) return;
  const Duration down = choices.Between(kDown, key, Milliseconds(1), kDownMax);
  world_.At(
      SimTime() + Milliseconds(static_cast<int64_t>(at_ms)), [this, id, down] {
        Client& client = clients_[id - 1];
        if (!issuing_ || client.program == nullptr) return;
        const auto request = std::exchange(client.program, nullptr)->request();
        if (request.has_value()) EndRequest(*request, {});
        world_.Crash(client.machine, CrashKind::kProcess);
        world_.At(world_.now() + down,
                  [this, id] { world_.Restart(clients_[id - 1].machine); });
      });
}

void ServerSubject::PlanPause(uint32_t id, uint64_t number) {
  const ChoiceKey key{id, number};
  Choices& choices = world_.choices();
  const uint64_t at_ms = choices.SometimesUpTo(kPause, key, {1, 4}, kFailingMs);
  if (at_ms == 0) return;
  const Duration length =
      choices.Between(kPauseLength, key, Milliseconds(1), kPauseMax);
  world_.At(SimTime() + Milliseconds(static_cast<int64_t>(at_ms)),
            [this, id, length] {
              const MachineId machine = clients_[id - 1].machine;
              if (!issuing_ || clients_[id - 1].program == nullptr) return;
              world_.Pause(machine);
              world_.At(world_.now() + length,
                        [this, machine] { world_.Resume(machine); });
            });
}

ServerTest::Node ServerSubject::OptionsOf(size_t index) {
  raft::HostOptions host;
  host.cluster = ClusterId(1);
  host.node = NodeId(index + 1);
  host.listen_address = AddressOf(index);
  raft::GroupPlan group{.group = GroupId(1)};
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (i < options_.nodes) group.voters.push_back(NodeId(i + 1));
    if (i != index) host.peers.push_back({NodeId(i + 1), AddressOf(i)});
  }
  if (operator_.has_value()) {
    host.admit = [this](const raft::JoinRequest& request) {
      return operator_->Admit(request);
    };
  }
  if (operator_.has_value() && operator_->joins(index)) {
    host.cluster = {};  // It learns the id when it is admitted.
    host.join.emplace();
    for (size_t i = 0; i < options_.nodes; ++i) {
      if (i != index) host.join->seeds.push_back(AddressOf(i));
    }
  } else {
    host.plan.groups.push_back(std::move(group));
    host.bootstrap = !created_[index];
  }
  host.snapshot_threshold_bytes = options_.snapshot_threshold_bytes;
  host.snapshot_trailing_bytes = options_.snapshot_trailing_bytes;
  ServerTest::Node node{.host = std::move(host),
                        .client_address = ClientAddressOf(index)};
  node.id = node.host.node;
  node.address = node.host.listen_address;
  node.peers = node.host.peers;
  return node;
}

std::optional<ServerTest::Request> ServerSubject::NextRequest(uint32_t id) {
  Client& client = clients_[id - 1];
  if (!issuing_ && !client.probing) return std::nullopt;
  const uint64_t number = ++client.drawn;
  std::optional<Random> random =
      world_.choices().RandomOrNone(kRequest, {id, number});
  // A probe does not depend on the tape.
  if (!random.has_value() && client.probing) random = Random(number);
  if (!random.has_value()) return std::nullopt;
  ServerTest::Request request = test_->Draw(id, *random, history_);
  request.operation.client = id;
  request.operation.partition = history_.Partition(request.object);
  request.operation.invoke = world_.now().ns();
  if (world_.observes()) {
    world_.Observe(Observation::Kind::kCall, client.machine,
                   absl::StrCat(id, ".", number), absl::StrCat("client ", id),
                   absl::StrCat(request.object, ": ",
                                lincheck::DescribeCall(test_->model(),
                                                       request.operation)));
  }
  return request;
}

void ServerSubject::EndRequest(const ServerTest::Request& request,
                               const ServerTest::Reply& reply) {
  lincheck::Operation operation = request.operation;
  const bool done = reply.outcome == Outcome::kDone;
  if (world_.observes()) {
    operation.result = reply.result;
    const Client& client = clients_[operation.client - 1];
    world_.Observe(
        Observation::Kind::kAnswer, client.machine,
        absl::StrCat(operation.client, ".", client.drawn),
        done ? "answer" : "unknown",
        done ? lincheck::DescribeResult(test_->model(), operation) : "");
    operation.result = {};
  }
  if (done) {
    operation.ret = world_.now().ns();
    operation.result = reply.result;
  }
  if (!request.entry.empty()) entries_.emplace_back(request.entry, operation);
  if (done) {
    clients_[operation.client - 1].probing = false;
    ++executed_;
    history_.Add(operation);
  } else {
    ++unknown_;
    unresolved_.push_back(request);
  }
}

std::vector<GroupId> ServerSubject::Groups() const {
  std::set<GroupId> groups;
  for (const Node* const node : nodes_) {
    if (node == nullptr || node->host() == nullptr) continue;
    for (const GroupId group : node->host()->groups()) groups.insert(group);
  }
  return {groups.begin(), groups.end()};
}

std::vector<const raft::Core*> ServerSubject::Cores(GroupId group) const {
  std::vector<const raft::Core*> cores;
  for (const Node* const node : nodes_) {
    cores.push_back(node == nullptr ? nullptr : node->core(group));
  }
  return cores;
}

void ServerSubject::AfterTurn(MachineId machine) {
  const auto it = std::find(machines_.begin(), machines_.end(), machine);
  if (it == machines_.end()) return;
  const size_t index = it - machines_.begin();
  if (nodes_[index] == nullptr) return;
  nodes_[index]->AfterTurn();
  CheckServers(ServerTest::Moment::kTurn, index);
}

void ServerSubject::CheckServers(ServerTest::Moment moment, size_t turn) {
  running_.clear();
  for (const Node* const node : nodes_) {
    if (node != nullptr && node->started()) running_.push_back(node->running());
  }
  own_checks_ += running_.empty() ? 0 : 1;
  std::string violation = test_->Check(moment, running_);
  if (violation.empty()) return;
  absl::StrAppend(&violation, "\n  found ",
                  moment == ServerTest::Moment::kEnd
                      ? "at the end"
                      : absl::StrCat("after a turn of node ", turn + 1),
                  ", at ", TimeText(world_.now()));
  for (const ServerTest::Running& server : running_) {
    if (server.host == nullptr) continue;
    absl::StrAppend(&violation, "\n  node ", server.node.value(), ":",
                    server.host->groups().empty() ? " no replica works" : "");
    for (const GroupId group : server.host->groups()) {
      absl::StrAppend(
          &violation, " group ", group.value(), " ",
          DescribeReplica(nodes_[server.node.value() - 1]->core(group)), ";");
    }
  }
  world_.Violate(std::move(violation));
}

void ServerSubject::Explain(const StatePlace& place) {
  witness_.emplace(place, [this] { return world_.now(); });
}

void ServerSubject::OnApplied(size_t index, GroupId group,
                              const raft::Core& core,
                              const raft::StateMachine& state) {
  const NodeId id(index + 1);
  const uint64_t digest = state.Digest();
  const raft::Index applied = core.applied_index();
  std::string note;
  AppendFixed(&note, digest);
  world_.HashNote(machines_[index], note, [&] {
    return absl::StrCat("group ", group.value(), ", applied ", applied.value());
  });
  Log& log = logs_[group];
  if (core.evicted() > log.end) log.complete = false;
  for (log.end = std::max(log.end, core.evicted()); log.end < applied;) {
    const raft::Entry& entry = core.EntryAt(++log.end);
    if (witness_.has_value()) witness_->OnApplied(id, group, entry);
    if (entry.kind != raft::EntryKind::kCommands) continue;
    const auto [payload, first] = log.payloads.try_emplace(
        std::string(entry.payload.view()), Payload{log.end, world_.now()});
    if (!first) payload->second.again = log.end;
  }
  if (witness_.has_value()) {
    witness_->OnState(id, group, applied, digest,
                      [&] { return state.Describe(); });
  }
  const auto [known, first] = log.digests.emplace(applied, digest);
  digests_compared_ += first ? 0 : 1;
  if (first || known->second == digest) return;
  const bool explains = witness_.has_value() && diverged_.none();
  if (diverged_.none()) diverged_ = {group, applied};
  world_.Violate(absl::StrCat(
      "digest: node ", id.value(), " has another state of group ",
      group.value(), " after index ", applied.value(),
      " than a replica before it", explains ? witness_->Explain(id) : ""));
}

// All entries are applied, and nothing is under way any more.
void ServerSubject::ResolveUnknown() {
  for (const ServerTest::Request& request : unresolved_) {
    lincheck::Operation operation = request.operation;
    bool complete = !request.entry.empty() && !logs_.empty();
    for (const auto& [group, log] : logs_) {
      complete = complete && log.complete;
      const auto found = log.payloads.find(request.entry);
      if (found == log.payloads.end()) continue;
      operation.ret = found->second.applied.ns();
      if (operation.ret < operation.invoke) {
        return world_.Violate(
            absl::StrCat("entry: the payload \"", absl::CEscape(request.entry),
                         "\" was in the log before its request"));
      }
    }
    if (operation.known() || !complete) history_.Add(operation);
  }
}

std::vector<Repeat> ServerSubject::RepeatsOn(uint32_t partition) const {
  std::vector<Repeat> repeats;
  for (const auto& [entry, operation] : entries_) {
    if (operation.partition != partition) continue;
    for (const auto& [group, log] : logs_) {
      const auto found = log.payloads.find(entry);
      if (found == log.payloads.end() || found->second.again == raft::Index()) {
        continue;
      }
      repeats.push_back(
          {operation, absl::StrCat("entries ", found->second.index.value(),
                                   " and ", found->second.again.value(),
                                   " of group ", group.value())});
    }
  }
  return repeats;
}

bool ServerSubject::MustWork(size_t index) const {
  return std::find(healed_.begin(), healed_.end(), machines_[index]) !=
         healed_.end();
}

bool ServerSubject::Started() const {
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (MustWork(i) && !HasBadDisk(i) &&
        (nodes_[i] == nullptr || !nodes_[i]->started())) {
      return false;
    }
  }
  return true;
}

bool ServerSubject::Agreed() const {
  const std::vector<GroupId> groups = Groups();
  return std::all_of(groups.begin(), groups.end(), [this](GroupId group) {
    const std::vector<const raft::Core*> cores = Cores(group);
    const size_t leader = LeaderAmong(cores);
    return ReplicasAgree(cores, [&](size_t i) {
      return MustWork(i) && !HasBadDisk(i) &&
             HasMemberOn(cores[leader]->configuration(), NodeId(i + 1));
    });
  });
}

bool ServerSubject::ClientsIdle() const {
  return std::all_of(clients_.begin(), clients_.end(),
                     [](const Client& client) {
                       return client.program != nullptr &&
                              client.program->idle() && !client.probing;
                     });
}

std::vector<Subject::Probe> ServerSubject::Probes(Stage stage) {
  std::vector<Probe> probes;
  probes.push_back({stage == Stage::kPowerLoss
                        ? "a request of each client after a loss of power"
                        : "a request of each client",
                    [this] {
                      for (Client& client : clients_) client.probing = true;
                    }});
  return probes;
}

std::vector<Subject::Condition> ServerSubject::Conditions(Stage stage) {
  std::vector<Condition> conditions;
  const bool lost_power = stage == Stage::kPowerLoss;
  conditions.push_back({lost_power ? "start of all nodes after a loss of power"
                                   : "start of all healed nodes",
                        [this] { return Started(); }});
  conditions.push_back(
      {lost_power ? "agreement after a loss of power" : "agreement of replicas",
       [this] { return Started() && Agreed(); }});
  if (operator_.has_value() && stage != Stage::kMajorities) {
    conditions.push_back({"the last job of the operator",
                          [this] { return operator_->Settled(); },
                          [this] { return operator_->progress(); }});
  }
  return conditions;
}

void ServerSubject::Finish() {
  CheckServers(ServerTest::Moment::kEnd, 0);
  ResolveUnknown();
  const lincheck::Verdict verdict =
      lincheck::Check(history_, test_->model(), kSearch);
  answers_checked_ = executed_;
  undecided_ = verdict.undecided.size();
  if (verdict.counter_example.has_value()) {
    const uint32_t partition = verdict.counter_example->partition;
    const std::string twice = ExecutedTwice(history_, partition, test_->model(),
                                            RepeatsOn(partition));
    world_.Violate(absl::StrCat(twice, twice.empty() ? "" : "\n",
                                "linearizability: ",
                                lincheck::Describe(history_, test_->model(),
                                                   *verdict.counter_example)));
  }
}

std::string ServerSubject::Summary() const {
  std::string text = absl::StrCat(executed_, " requests executed, ", unknown_,
                                  " of unknown outcome");
  if (!logs_.empty()) {
    absl::StrAppend(&text, ", ", checker_.leader_changes(), " leader changes");
  }
  if (undecided_ > 0) {
    absl::StrAppend(&text, ", ", undecided_, " histories were not decided");
  }
  return text;
}

std::map<std::string, uint64_t> ServerSubject::Checks() const {
  return {{"digest", digests_compared_},
          {"election_safety", checker_.leader_changes()},
          {"linearizability", answers_checked_},
          {"members", operator_.has_value() ? operator_->checks() : 0},
          {"own", own_checks_}};
}

std::string ServerSubject::History() const {
  return HistoryLines(world_, machines_.size(), test_->model(), history_,
                      history_.operations());
}

std::string ServerSubject::Describe() const {
  std::string text;
  const std::vector<GroupId> groups = Groups();
  for (size_t i = 0; i < nodes_.size(); ++i) {
    absl::StrAppend(&text, "node ", i + 1, ": ");
    if (nodes_[i] == nullptr || !nodes_[i]->started()) {
      text += world_.running(machines_[i]) ? "starts\n" : "down\n";
      continue;
    }
    if (nodes_[i]->host() == nullptr) {
      text += "works\n";
      continue;
    }
    for (const GroupId group : groups) {
      absl::StrAppend(&text, "group ", group.value(), " ",
                      DescribeReplica(nodes_[i]->core(group)), "; ");
    }
    text += "\n";
  }
  for (const Client& client : clients_) {
    if (client.program != nullptr) text += client.program->Describe();
  }
  if (operator_.has_value()) text += operator_->Describe();
  return text;
}

}  // namespace quorate::sim

#include "sim/members/members_subject.h"

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kv/command/move_command.h"
#include "kv/slots/slot_strategy.h"
#include "kv/store/store.h"
#include "raft/core/configuration.h"
#include "shardctrl/controller/wishes.h"
#include "shardctrl/map.h"
#include "shardctrl/partition.h"
#include "sim/choices/choices.h"
#include "sim/keys/key_division.h"
#include "sim/workload/http_client.h"
#include "sim/workload/library_client.h"
#include "sim/world/clock.h"

namespace quorate::sim {
namespace {

using shardctrl::ClusterState;
using shardctrl::GroupRecord;
using shardctrl::kControllerGroup;
using shardctrl::NodeRecord;
using shardctrl::NodeState;
using shardctrl::ReplicaPurpose;
using shardctrl::WantedReplica;

// The turns of a node between two looks at what it uses.
constexpr uint8_t kTurnsPerLook = 4;
constexpr ChoiceSite kShape("members.shape");
constexpr uint64_t kFounders[] = {3, 3, 4, 5, 1, 2};
constexpr std::array kPartitioners = {
    Partitioner::kHashSlots,     Partitioner::kHashSlots,
    Partitioner::kHashSlots,     Partitioner::kHashSlots,
    Partitioner::kLastCharacter, Partitioner::kKeyRanges};
constexpr uint32_t kClients = 3;
constexpr size_t kLibraryOpenMax = 4;
constexpr Duration kLook = Milliseconds(100);
constexpr uint32_t kOperatorsMax = 3;
constexpr Duration kAnyTime = Seconds(int64_t{10} * 365 * 24 * 3600);

// Those that may take voters.
uint32_t DataNodes(const ClusterState& state) {
  return static_cast<uint32_t>(std::count_if(
      state.nodes.begin(), state.nodes.end(), [](const NodeRecord& node) {
        return node.role == shardctrl::NodeRole::kData && !node.leaving &&
               (node.state == NodeState::kUp ||
                node.state == NodeState::kJoining);
      }));
}

}  // namespace

MembersSubject::MembersSubject(World* world)
    : world_(*world),
      checker_([this](std::string what) { world_.Violate(std::move(what)); }),
      recorder_([this] { return world_.now(); },
                [this](std::string what) { world_.Violate(std::move(what)); }),
      rules_([this] { return world_.now(); },
             [this](std::string what) { world_.Violate(std::move(what)); }),
      places_(world, &checker_, Hooks(), DrawPlaces()),
      cuts_(world, &places_),
      slots_(kv::MakeSlotStrategy(places_.division())),
      config_(places_.FileOf(0)),
      resources_(BoundsOfMessages(),
                 [this](std::string what) { world_.Violate(std::move(what)); }),
      turns_(places_.size(), 0) {
  // Clocks are the subject of other runs: here log time may be any.
  recorder_.SetClocks(
      {.epoch = WorldOptions().epoch + kAnyTime,
       .error_bound = [](NodeId, SimTime) { return kAnyTime * 2; }});
  recorder_.SetSlots(slots_);
  recorder_.log().SetOwners(
      [this](Slot slot) { return places_.GroupOf(slot); });
  recorder_.CheckOrder([this](std::string_view key) {
    return places_.GroupOf(slots_->SlotOf(key));
  });
  recorder_.OrderBySlot();
}

NodePlacesOptions MembersSubject::DrawPlaces() {
  const auto draw = [this](uint64_t which, uint64_t bound) {
    return world_.choices().Below(kShape, ChoiceKey{which, 0}, bound);
  };
  NodePlacesOptions options;
  options.founders =
      static_cast<uint32_t>(kFounders[draw(0, std::size(kFounders))]);
  options.spares = static_cast<uint32_t>(2 + draw(1, 3));
  options.groups = static_cast<uint32_t>(1 + draw(2, 3));
  options.replicas =
      std::min(options.founders, static_cast<uint32_t>(3 - draw(3, 3) % 2));
  options.division =
      DivisionOfRun(kPartitioners[draw(9, kPartitioners.size())]);
  options.changed_addresses = draw(5, 3) == 1;
  // Small logs: nodes that come get a snapshot, and may lead with a log that
  // begins with it.
  const bool small_logs = draw(6, 2) == 0;
  options.snapshot_threshold_bytes = small_logs ? 20'000 : 4'000'000;
  if (small_logs) options.snapshot_trailing_bytes = 1'000;
  return options;
}

PlaceHooks MembersSubject::Hooks() {
  return {.committed =
              [this](GroupId group, const raft::Entry& entry) {
                rules_.OnCommitted(group, entry);
                if (group == kControllerGroup) {
                  const bool slots_move = rules_.state() != nullptr &&
                                          rules_.state()->next_move > MoveId(1);
                  if (slots_move) recorder_.multi_keys().OnMapChanged();
                  return;
                }
                const bool commands = entry.kind == raft::EntryKind::kCommands;
                recorder_.log().OnCommitted(
                    group, entry.index,
                    {.term = entry.term,
                     .log_time = entry.log_time,
                     .bounded = entry.leader_wall.bounded()},
                    commands ? entry.payload.view() : std::string_view());
              },
          .step =
              [this](size_t, GroupId group, const raft::Core& core) {
                rules_.OnWorks(core.replica());
                rules_.OnStep(group, core);
                cuts_.OnStep(group, core);
              }};
}

ScheduleOptions MembersSubject::Start() {
  places_.Start();
  StartClients();
  StartOperators();
  std::vector<MachineId> founders = places_.machines();
  return {.nodes = places_.machines(),
          .clients = client_machines_,
          .groups = {std::move(founders)},
          .family_on = Ratio{1, 4},
          .stop = [this](MachineId machine) { places_.Stop(machine); },
          // Members are others at each time, so no fixed set is a majority.
          .needs_all_nodes = [] { return true; }};
}

// With another partitioner than hash slots: as sim/run/shape.h and
// sim/keys/key_division.h.
void MembersSubject::StartClients() {
  const bool hash_slots =
      places_.division().partitioner == Partitioner::kHashSlots;
  for (uint32_t i = 1; i <= kClients; ++i) {
    const MachineId machine = AddClient(absl::StrCat("c", i));
    WorkloadClientOptions options{
        .id = i,
        .habits = {.cluster = i == 2 && hash_slots,
                   .stays_with_node = i == 3,
                   .sessions = i != 3},
        .operations = {.expiry = i != 1 && hash_slots}};
    options.servers = Addresses(NodePlaces::kRespPort);
    options.cluster_servers = Addresses(NodePlaces::kRespClusterPort);
    world_.Start(machine, [this, options](env::Env& env) {
      auto client = std::make_shared<WorkloadClient>(
          env, options, &world_.choices(), &recorder_);
      clients_.push_back(client.get());
      return client;
    });
  }
  SimpleClientOptions http{.id = kClients + 3,
                           .servers = Addresses(NodePlaces::kHttpPort),
                           .retries_writes = true};
  http.operations.expiry = false;
  http.operations.stale_reads = true;
  StartSimple<HttpClient>("http", http);
  if (!hash_slots) return;
  StartPlain<MultiKeyClient, MultiKeyClientOptions>("multi", kClients + 1,
                                                    &multi_keys_);
  StartPlain<WatchClient, WatchClientOptions>("watch", kClients + 2, &watches_);
  LibraryClientOptions library{
      .common = {.id = kClients + 4,
                 .servers = Addresses(NodePlaces::kRespClusterPort),
                 .open_max = kLibraryOpenMax,
                 .retries_writes = true}};
  library.common.operations.stale_reads = true;
  StartSimple<LibraryClient>("library", library);
}

std::vector<std::string> MembersSubject::Addresses(uint16_t port) const {
  std::vector<std::string> addresses;
  for (size_t place = 0; place < places_.size(); ++place) {
    addresses.push_back(places_.FirstAddress(place, port));
  }
  return addresses;
}

MachineId MembersSubject::AddClient(std::string_view name) {
  client_machines_.push_back(
      world_.AddMachine({.name = std::string(name), .client = true}));
  return client_machines_.back();
}

template <typename Client, typename Options>
void MembersSubject::StartSimple(std::string_view name,
                                 const Options& options) {
  world_.Start(AddClient(name), [this, options](env::Env& env) {
    auto client =
        std::make_shared<Client>(env, options, &world_.choices(), &recorder_);
    simple_clients_.push_back(client.get());
    return client;
  });
}

template <typename Client, typename Options>
void MembersSubject::StartPlain(std::string_view name, uint32_t id,
                                Client** client) {
  const Options options{.id = id, .servers = Addresses(NodePlaces::kRespPort)};
  world_.Start(AddClient(name), [this, options, client](env::Env& env) {
    auto started =
        std::make_shared<Client>(env, options, &world_.choices(), &recorder_,
                                 [this] { return world_.now(); });
    *client = started.get();
    return started;
  });
}

void MembersSubject::StartOperators() {
  const uint64_t count =
      1 + world_.choices().Below(kShape, ChoiceKey{7, 0}, kOperatorsMax);
  for (uint32_t i = 1; i <= count; ++i) {
    const MachineId machine = AddClient(absl::StrCat("operator", i));
    world_.Start(machine, [this, i](env::Env& env) {
      auto one = std::make_shared<ClusterOperator>(
          env, &world_, &places_, &rules_,
          ClusterOperatorOptions{
              .id = i,
              .interval = Milliseconds(500) *
                          (1 + static_cast<int64_t>(world_.choices().Below(
                                   kShape, ChoiceKey{8, i}, 8)))});
      operators_.push_back(one.get());
      return one;
    });
  }
}

// A piece of a slot is the largest message. Groups may have one voter for a
// while.
ResourceCheckerOptions MembersSubject::BoundsOfMessages() const {
  const raft::CoreOptions& core = config_.host.core;
  return {.nodes = static_cast<uint32_t>(places_.size()),
          .sole_voters = true,
          .message_bytes_max = 2 * kv::kPieceBytesMax,
          .request_keys_max = 1024,
          .answer_bytes_max = 2 * kv::kPieceBytesMax,
          .entry_work_max = config_.bounds.entry_work,
          .append_bytes_max = core.append_bytes_max,
          .peer_bytes_max = config_.limits.peer_bytes};
}

void MembersSubject::CheckResources(size_t place) {
  const node::Server* const server = places_.server(place);
  if (server == nullptr || ++turns_[place] % kTurnsPerLook != 0) return;
  const SimClock& clock = world_.clock(places_.machines()[place]);
  resources_.AfterTurns(world_.now(), places_.tenant(place)->node, config_,
                        clock.FrozenFor(SimTime(), world_.now()) > Duration(0),
                        /*works=*/false, server->resources());
}

void MembersSubject::AfterTurn(MachineId machine) {
  places_.AfterTurn(machine);
  // Machines of places have the first numbers.
  if (machine.value() <= places_.size()) CheckResources(machine.value() - 1);
  if (world_.now() < next_look_) return;
  next_look_ = world_.now() + kLook;
  Look();
}

void MembersSubject::Look() {
  for (size_t place = 0; place < places_.size(); ++place) {
    const node::Server* const server = places_.server(place);
    // Pauses end, and a leader cannot know of them.
    if (server == nullptr) continue;
    const raft::Host& host = server->host();
    for (const GroupId group : host.groups()) {
      if (host.group_status(group).ok()) {
        rules_.OnWorks(host.core(group)->replica());
      }
    }
  }
}

void MembersSubject::StopClients() {
  for (WorkloadClient* const client : clients_) client->StopIssuing();
  if (multi_keys_ != nullptr) multi_keys_->StopIssuing();
  if (watches_ != nullptr) watches_->StopIssuing();
  for (SimpleClient* const client : simple_clients_) client->StopIssuing();
  for (size_t i = 0; i < operators_.size(); ++i) {
    operators_[i]->Finish(/*cares=*/i == 0);
  }
  places_.Settle();
  cuts_.End();
}

bool MembersSubject::ClientsIdle() const {
  const auto idle = [](const auto* client) { return client->idle(); };
  return (multi_keys_ == nullptr || multi_keys_->idle()) &&
         (watches_ == nullptr || watches_->idle()) &&
         std::all_of(clients_.begin(), clients_.end(), idle) &&
         std::all_of(simple_clients_.begin(), simple_clients_.end(), idle) &&
         (!moves_in_calm_ || (operators_.front()->idle() && Unmet().empty()));
}

std::vector<Subject::Probe> MembersSubject::Probes(Stage stage) {
  if (stage == Stage::kMajorities) return {};
  const bool moves = stage == Stage::kAll;
  std::vector<Probe> probes;
  probes.push_back(
      {moves ? "moving slots and reading every key" : "reading every key",
       [this, moves] {
         moves_in_calm_ = moves;
         if (moves) {
           recorder_.log().OnCalm();
           operators_.front()->MoveInCalm();
         }
         clients_.front()->ReadAll(recorder_.keys());
       },
       {},
       [this] { return recorder_.counts().succeeded + rules_.changes(); }});
  return probes;
}

std::vector<Subject::Condition> MembersSubject::Conditions(Stage stage) {
  std::vector<Condition> conditions;
  if (stage == Stage::kMajorities) return conditions;
  conditions.push_back({"every wish", [this] { return Unmet().empty(); },
                        [this] { return rules_.changes(); }});
  return conditions;
}

// ---- Wishes.

const raft::Core* MembersSubject::Find(GroupId group, ReplicaId replica) const {
  for (size_t place = 0; place < places_.size(); ++place) {
    const node::Server* const server = places_.server(place);
    if (server == nullptr || !server->host().group_status(group).ok()) continue;
    const raft::Core* const core = server->host().core(group);
    if (core != nullptr && core->replica() == replica) return core;
  }
  return nullptr;
}

std::string MembersSubject::UnmetOfNodes(const ClusterState& state) const {
  for (const NodeRecord& node : state.nodes) {
    const std::string name = absl::StrCat("node ", node.id.value());
    if (node.state == NodeState::kRemoved) continue;
    if (node.leaving) return name + " is not removed";
    if (node.state == NodeState::kDraining &&
        shardctrl::HoldsReplicas(state, node.id)) {
      return name + " is not drained";
    }
    if (node.state == NodeState::kJoining) return name + " has not joined";
    const size_t place = places_.PlaceOf(node.id);
    if (place == places_.size() || !places_.tenant(place)->created) {
      return name + " has not come";
    }
    const node::Server* const server = places_.server(place);
    if (server == nullptr || !server->status().ok()) return name + " is down";
    if (node.silent_since > WallTime(0)) return name + " counts as silent";
  }
  return "";
}

std::string MembersSubject::UnmetOfGroup(const ClusterState& state,
                                         const GroupRecord& group) const {
  const std::string name = absl::StrCat("group ", group.id.value());
  if (group.retiring) return name + " has not ended";
  const raft::Configuration* const now = rules_.Committed(group.id);
  if (now == nullptr) return name + " is not founded";
  if (!now->outgoing_voters.empty()) return name + " is in a joint change";
  if (!group.reported.has_value() ||
      group.reported->configuration.voters != now->voters ||
      group.reported->configuration.learners != now->learners) {
    return name + " has another configuration than the controller knows";
  }
  if (!group.reported->problem.empty()) {
    return absl::StrCat(name, ": ", group.reported->problem);
  }
  // Losses may leave too few nodes.
  const uint32_t voters = std::min(group.replicas, DataNodes(state));
  if (group.WantedVoters() < voters && group.id != kControllerGroup) {
    return absl::StrCat(name, " wants ", group.WantedVoters(), " voters, not ",
                        voters);
  }
  raft::Index last;
  uint32_t leaders = 0;
  if (now->voters.size() + now->learners.size() != group.wanted.size()) {
    return name + " has others than the wanted members";
  }
  for (const WantedReplica& wanted : group.wanted) {
    const raft::Core* const core = Find(group.id, wanted.replica);
    const std::string on = absl::StrCat(name, " on node ", wanted.node.value());
    if (core == nullptr) return on + " does not work";
    const bool votes = raft::IsVoter(*now, wanted.replica);
    if (votes != (wanted.purpose == ReplicaPurpose::kVoter) ||
        !raft::IsMember(*now, wanted.replica)) {
      return on + " is not the member that it should be";
    }
    if (core->role() == raft::RoleKind::kLeader) {
      ++leaders;
      last = core->last().index;
    }
  }
  if (leaders != 1) return name + " has no leader";
  for (const WantedReplica& wanted : group.wanted) {
    if (Find(group.id, wanted.replica)->applied_index() != last) {
      return absl::StrCat(name, " on node ", wanted.node.value(), " is behind");
    }
  }
  return "";
}

std::string MembersSubject::UnmetOfPlace(size_t place) const {
  const node::Server* const server = places_.server(place);
  const std::optional<Tenant>& tenant = places_.tenant(place);
  if (server == nullptr || !tenant.has_value()) return "";
  const NodeRecord* const node = rules_.state()->FindNode(tenant->node);
  if (node == nullptr || node->state == NodeState::kRemoved) return "";
  const std::string name = absl::StrCat("node ", tenant->node.value());
  const raft::Host& host = server->host();
  for (const GroupId group : host.groups()) {
    const raft::Configuration* const now = rules_.Committed(group);
    if (now == nullptr || rules_.Retired(group) ||
        host.core(group) == nullptr ||
        !raft::IsMember(*now, host.core(group)->replica())) {
      return absl::StrCat(name, " keeps a replica of group ", group.value());
    }
  }
  return "";
}

// Each slot has one owner, which is that of the controller.
std::string MembersSubject::UnmetOfSlots(const ClusterState& state) const {
  for (const shardctrl::SlotMove& move : state.moves) {
    return absl::StrCat("move ", move.id.value(),
                        " has not ended: ", move.progress.problem);
  }
  std::map<GroupId, std::vector<SlotRange>> owned;
  for (const shardctrl::AssignedRun& run : state.slots) {
    shardctrl::AppendSlots(run.slots, &owned[run.group]);
  }
  for (size_t place = 0; place < places_.size(); ++place) {
    const node::Server* const server = places_.server(place);
    if (server == nullptr) continue;
    for (const GroupRecord& group : state.groups) {
      const kv::Store* const store = server->store(group.id);
      if (store == nullptr) continue;
      const std::string at = absl::StrCat("place ", place, " has ");
      const std::string of = absl::StrCat(" of group ", group.id.value());
      const std::vector<SlotRange>& ranges = owned[group.id];
      if (store->owned() != ranges) {
        return at + "other slots" + of + " than the controller says";
      }
      uint64_t bytes = 0;
      for (const SlotRange& range : ranges) bytes += store->size_bytes(range);
      if (store->size_bytes() != bytes) {
        return at + "keys of slots that are not" + of;
      }
    }
  }
  return "";
}

std::string MembersSubject::Unmet() const {
  const ClusterState* const state = rules_.state();
  if (state == nullptr) return "there is no controller";
  std::string unmet = UnmetOfNodes(*state);
  for (const GroupRecord& group : state->groups) {
    if (unmet.empty()) unmet = UnmetOfGroup(*state, group);
  }
  for (size_t place = 0; place < places_.size(); ++place) {
    if (unmet.empty()) unmet = UnmetOfPlace(place);
  }
  if (unmet.empty()) unmet = UnmetOfSlots(*state);
  return unmet;
}

void MembersSubject::Finish() {
  rules_.Finish();
  recorder_.Finish();
  places_.HashCores();
}

std::string MembersSubject::Summary() const {
  uint64_t verbs = 0;
  for (const ClusterOperator* const one : operators_) verbs += one->verbs();
  return absl::StrCat(
      recorder_.counts().succeeded, " operations, ", verbs, " verbs, ",
      rules_.answers(), " answers, ", rules_.refusals(), " refusals, ",
      rules_.changes(), " configurations, ",
      recorder_.log().moves().activated(), " moves, ",
      recorder_.log().moves().thawed(), " thawed, frozen for at most ",
      recorder_.log().moves().frozen_longest().ms(), " ms without faults");
}

std::string MembersSubject::Describe() const {
  std::string text = absl::StrCat("unmet: ", Unmet(), "\n");
  for (const WorkloadClient* const client : clients_) {
    text += client->Describe();
  }
  if (multi_keys_ != nullptr) text += multi_keys_->Describe();
  if (watches_ != nullptr) text += watches_->Describe();
  for (const SimpleClient* const client : simple_clients_) {
    text += client->Describe();
  }
  if (rules_.state() == nullptr) return text;
  for (const NodeRecord& node : rules_.state()->nodes) {
    const size_t place = places_.PlaceOf(node.id);
    absl::StrAppend(&text, "node ", node.id.value(), " state ",
                    static_cast<int>(node.state),
                    node.leaving ? " leaving" : "", node.lost ? " lost" : "",
                    node.dead ? " dead" : "",
                    node.silent_since > WallTime(0) ? " silent" : "", " place ",
                    place == places_.size() ? 0 : place + 1, "\n");
  }
  for (const GroupRecord& group : rules_.state()->groups) {
    absl::StrAppend(&text, "group ", group.id.value(), " of ", group.replicas,
                    " wanted");
    for (const WantedReplica& wanted : group.wanted) {
      absl::StrAppend(&text, " ", wanted.node.value(),
                      wanted.replica == ReplicaId() ? "?" : "");
    }
    absl::StrAppend(&text, " voters");
    const raft::Configuration* const now = rules_.Committed(group.id);
    if (now == nullptr) continue;
    for (const raft::Member& voter : now->voters) {
      absl::StrAppend(&text, " ", voter.node.value());
    }
    absl::StrAppend(&text, " learners");
    for (const raft::Member& learner : now->learners) {
      absl::StrAppend(&text, " ", learner.node.value());
    }
    absl::StrAppend(
        &text, " problem '",
        group.reported.has_value() ? group.reported->problem : "none yet",
        "'\n");
  }
  return text;
}

}  // namespace quorate::sim

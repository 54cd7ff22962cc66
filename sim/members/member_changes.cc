#include "sim/members/member_changes.h"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kv/store/store.h"
#include "node/server.h"
#include "raft/core/configuration.h"
#include "shardctrl/controller/state.h"
#include "shardctrl/controller/wishes.h"
#include "shardctrl/map.h"
#include "sim/choices/choices.h"

namespace quorate::sim {
namespace {

using shardctrl::ClusterState;
using shardctrl::GroupRecord;
using shardctrl::kControllerGroup;
using shardctrl::NodeRecord;
using shardctrl::NodeState;
using shardctrl::ReplicaPurpose;
using shardctrl::WantedReplica;

constexpr ChoiceSite kOperators("members.operators");
constexpr ChoiceSite kInterval("members.operator_interval");
constexpr ChoiceSite kInterrupts("members.interrupts_move");
constexpr uint32_t kOperatorsMax = 3;
constexpr uint64_t kIntervalsMax = 8;
// The replies of a process that ended have arrived by then.
constexpr Duration kLastReplies = Seconds(10);
constexpr Duration kLook = Milliseconds(100);
// From the last changes of a move until its decision is known, clients wait.
constexpr std::string_view kStepsOfMoves[] = {
    "window.move.delta", "window.move.freeze", "window.move.seal",
    "window.move.decide"};
constexpr Ratio kInterrupted{1, 8};

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

MemberChanges::MemberChanges(World* world, Cluster* cluster,
                             const ControllerChecker* controller,
                             size_t value_bytes)
    : world_(*world),
      cluster_(*cluster),
      value_bytes_(value_bytes),
      rules_(
          controller, [this] { return world_.now(); },
          [this](std::string what) { world_.Violate(std::move(what)); }),
      notes_(world, &cluster->places()),
      cuts_(world, &cluster->places()) {
  cluster_.SetBound([this](NodeId node, StoreIncarnation store) {
    return bound_.contains({node, store});
  });
}

void MemberChanges::Start(std::vector<MachineId>* machines) {
  world_.AddMarkHook(
      [this](MachineId, std::string_view mark) { OnMark(mark); });
  const uint64_t count =
      1 + world_.choices().Below(kOperators, ChoiceKey{}, kOperatorsMax);
  for (uint32_t i = 1; i <= count; ++i) {
    const MachineId machine = world_.AddMachine(
        {.name = absl::StrCat("operator", i), .client = true});
    machines->push_back(machine);
    world_.Start(machine, [this, i](env::Env& env) {
      const auto intervals = 1 + static_cast<int64_t>(world_.choices().Below(
                                     kInterval, ChoiceKey{i}, kIntervalsMax));
      auto one = std::make_shared<ClusterOperator>(
          env, &world_, &cluster_, &rules_, &notes_,
          ClusterOperatorOptions{.id = i,
                                 .interval = Milliseconds(500) * intervals,
                                 .bytes_per_second = 4 * value_bytes_});
      operators_.push_back(one.get());
      return one;
    });
  }
}

void MemberChanges::OnCommitted(GroupId group, const raft::Entry& entry) {
  rules_.OnCommitted(group, entry);
  if (group == kControllerGroup ||
      entry.kind == raft::EntryKind::kConfiguration) {
    groups_are_old_ = true;
  }
  if (group != kControllerGroup || rules_.state() == nullptr) return;
  for (const shardctrl::NodeRecord& node : rules_.state()->nodes) {
    if (node.role != shardctrl::NodeRole::kData) {
      were_read_only_.insert(node.id);
    }
    bound_.emplace(node.id, node.store);
  }
}

bool MemberChanges::WasReadOnly(NodeId number) const {
  const size_t place = Places::PlaceWith(number);
  const std::optional<Tenant>& tenant = cluster_.places().tenant(place);
  const std::optional<Places::Former>& former = cluster_.places().former(place);
  return !tenant.has_value() || were_read_only_.contains(tenant->node) ||
         (former.has_value() && were_read_only_.contains(former->node) &&
          world_.now() - former->left <= kLastReplies);
}

void MemberChanges::OnStep(GroupId group, const raft::Core& core) {
  rules_.OnWorks(core.replica());
  rules_.OnStep(group, core);
  cuts_.OnStep(group, core);
}

void MemberChanges::OnMark(std::string_view mark) {
  if (std::ranges::find(kStepsOfMoves, mark) == std::end(kStepsOfMoves)) return;
  const uint64_t number = ++move_steps_;
  if (!world_.choices().Chance(kInterrupts, ChoiceKey{number}, kInterrupted)) {
    return;
  }
  // The mark is in the middle of a turn.
  world_.At(world_.now(),
            [this, number] { operators_.front()->InterruptMove(number); });
}

void MemberChanges::AfterTurn() {
  if (world_.now() < next_look_) return;
  next_look_ = world_.now() + kLook;
  Look();
  // Disks are lost and come back between two entries, too.
  if (!std::exchange(groups_are_old_, false) && !LostOrCame()) return;
  std::vector<GroupMembers> groups = Groups();
  if (!groups.empty()) cluster_.SetGroups(std::move(groups));
}

void MemberChanges::Look() {
  for (size_t place = 0; place < cluster_.places().size(); ++place) {
    const node::Server* const server = cluster_.ServerAt(place);
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

bool MemberChanges::LostOrCame() {
  std::vector<Seen> now;
  const Places& places = cluster_.places();
  for (size_t place = 0; place < places.size(); ++place) {
    const std::optional<Tenant>& tenant = places.tenant(place);
    now.push_back({.node = tenant.has_value() ? tenant->node : NodeId(),
                   .has_store = places.HasStore(place),
                   .runs = cluster_.ServerAt(place) != nullptr});
  }
  return std::exchange(seen_, std::move(now)) != seen_;
}

// A store that was given up drops its replicas once it hears of that. Another
// one may come later.
NodeId MemberChanges::NumberOf(const raft::Member& member) const {
  const NodeRecord* const node = rules_.state()->FindNode(member.node);
  const bool unbound = node != nullptr && node->store == StoreIncarnation() &&
                       node->former_store == StoreIncarnation();
  if (node == nullptr || node->state == NodeState::kRemoved ||
      (node->store != member.store && !unbound)) {
    return NodeId();
  }
  const Places& places = cluster_.places();
  const size_t place = places.PlaceOf(member.node);
  if (!places.HasStore(place)) return NodeId();
  const node::Server* const server = cluster_.ServerAt(place);
  if (server != nullptr &&
      server->host().identity().incarnation != member.store) {
    return NodeId();
  }
  return Places::NumberOf(place);
}

std::vector<GroupMembers> MemberChanges::Groups() const {
  std::vector<GroupMembers> groups;
  if (rules_.state() == nullptr) return groups;
  std::map<GroupId, std::vector<SlotRange>> owned;
  for (const shardctrl::AssignedRun& run : rules_.state()->slots) {
    shardctrl::AppendSlots(run.slots, &owned[run.group]);
  }
  for (const GroupRecord& record : rules_.state()->groups) {
    const raft::Configuration* const now = rules_.Committed(record.id);
    if (now == nullptr || rules_.Retired(record.id)) continue;
    GroupMembers& group = groups.emplace_back();
    group.group = record.id;
    group.stores = record.id != kControllerGroup;
    const auto numbers = [this](const std::vector<raft::Member>& members) {
      std::vector<NodeId> numbers;
      for (const raft::Member& member : members) {
        numbers.push_back(NumberOf(member));
      }
      return numbers;
    };
    group.voters = numbers(now->voters);
    group.learners = numbers(now->learners);
    group.outgoing = numbers(now->outgoing_voters);
    for (const SlotRange& range : owned[record.id]) {
      group.slots.emplace_back(range.first.value(), range.last.value());
    }
  }
  // The controller comes last, as at the founding.
  std::stable_partition(groups.begin(), groups.end(),
                        [](const GroupMembers& group) { return group.stores; });
  return groups;
}

bool MemberChanges::slots_move() const {
  return rules_.state() != nullptr && rules_.state()->next_move > MoveId(1);
}

void MemberChanges::Stop() {
  for (size_t i = 0; i < operators_.size(); ++i) {
    operators_[i]->Finish(/*cares=*/i == 0);
  }
  cuts_.End();
}

void MemberChanges::MoveInCalm() {
  moves_in_calm_ = true;
  operators_.front()->MoveInCalm();
}

bool MemberChanges::idle() const {
  return !moves_in_calm_ || (operators_.front()->idle() && Unmet().empty());
}

// ---- Wishes.

const raft::Core* MemberChanges::Find(GroupId group, ReplicaId replica) const {
  for (size_t place = 0; place < cluster_.places().size(); ++place) {
    const node::Server* const server = cluster_.ServerAt(place);
    if (server == nullptr || !server->host().group_status(group).ok()) continue;
    const raft::Core* const core = server->host().core(group);
    if (core != nullptr && core->replica() == replica) return core;
  }
  return nullptr;
}

std::string MemberChanges::UnmetOfNodes(const ClusterState& state) const {
  for (const NodeRecord& node : state.nodes) {
    const std::string name = absl::StrCat("node ", node.id.value());
    if (node.state == NodeState::kRemoved) continue;
    if (node.leaving) return name + " is not removed";
    if (node.state == NodeState::kDraining &&
        shardctrl::HoldsReplicas(state, node.id)) {
      return name + " is not drained";
    }
    if (node.state == NodeState::kJoining) return name + " has not joined";
    const size_t place = cluster_.places().PlaceOf(node.id);
    if (place == cluster_.places().size() ||
        !cluster_.places().tenant(place)->created) {
      return name + " has not come";
    }
    const node::Server* const server = cluster_.ServerAt(place);
    if (server == nullptr || !server->status().ok()) return name + " is down";
    if (node.silent_since > WallTime(0)) return name + " counts as silent";
  }
  return "";
}

std::string MemberChanges::UnmetOfGroup(const ClusterState& state,
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

std::string MemberChanges::UnmetOfPlace(size_t place) const {
  const node::Server* const server = cluster_.ServerAt(place);
  const std::optional<Tenant>& tenant = cluster_.places().tenant(place);
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
std::string MemberChanges::UnmetOfSlots(const ClusterState& state) const {
  for (const shardctrl::SlotMove& move : state.moves) {
    return absl::StrCat("move ", move.id.value(),
                        " has not ended: ", move.progress.problem);
  }
  std::map<GroupId, std::vector<SlotRange>> owned;
  for (const shardctrl::AssignedRun& run : state.slots) {
    shardctrl::AppendSlots(run.slots, &owned[run.group]);
  }
  for (size_t place = 0; place < cluster_.places().size(); ++place) {
    const node::Server* const server = cluster_.ServerAt(place);
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
      if (!store->moves().empty()) {
        return at + "a move that has ended" + of;
      }
    }
  }
  return "";
}

std::string MemberChanges::Unmet() const {
  const ClusterState* const state = rules_.state();
  if (state == nullptr) return "there is no controller";
  std::string unmet = UnmetOfNodes(*state);
  for (const GroupRecord& group : state->groups) {
    if (unmet.empty()) unmet = UnmetOfGroup(*state, group);
  }
  for (size_t place = 0; place < cluster_.places().size(); ++place) {
    if (unmet.empty()) unmet = UnmetOfPlace(place);
  }
  if (unmet.empty()) unmet = UnmetOfSlots(*state);
  return unmet;
}

std::vector<NodeId> MemberChanges::Nodes() const {
  std::vector<NodeId> nodes;
  if (rules_.state() == nullptr) return nodes;
  for (const NodeRecord& node : rules_.state()->nodes) {
    if (node.state != NodeState::kRemoved) nodes.push_back(node.id);
  }
  return nodes;
}

std::string MemberChanges::Summary() const {
  uint64_t verbs = 0;
  for (const ClusterOperator* const one : operators_) verbs += one->verbs();
  return absl::StrCat(verbs, " verbs, ", rules_.answers(), " answers, ",
                      rules_.refusals(), " refusals, ", rules_.changes(),
                      " configurations");
}

std::string MemberChanges::Describe() const {
  std::string text = absl::StrCat("unmet: ", Unmet(), "\n");
  if (rules_.state() == nullptr) return text;
  for (const NodeRecord& node : rules_.state()->nodes) {
    const size_t place = cluster_.places().PlaceOf(node.id);
    absl::StrAppend(&text, "node ", node.id.value(), " state ",
                    static_cast<int>(node.state),
                    node.leaving ? " leaving" : "", node.lost ? " lost" : "",
                    node.dead ? " dead" : "",
                    node.silent_since > WallTime(0) ? " silent" : "");
    if (place == cluster_.places().size()) {
      absl::StrAppend(&text, "\n");
      continue;
    }
    const bool damaged = cluster_.places().IsDamaged(place);
    absl::StrAppend(&text, " place ", place + 1, damaged ? " damaged" : "",
                    "\n");
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

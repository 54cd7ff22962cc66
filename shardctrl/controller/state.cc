#include "shardctrl/controller/state.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "raft/core/configuration.h"
#include "shardctrl/controller/codec.h"

namespace quorate::shardctrl {
namespace {

constexpr uint8_t kStateVersion = 1;

template <typename List, typename Id>
auto* Find(List& list, Id id) {
  const auto at = std::lower_bound(
      list.begin(), list.end(), id,
      [](const auto& one, Id other) { return one.id < other; });
  return at != list.end() && at->id == id ? &*at : nullptr;
}

absl::Status Invalid(const std::string& what, uint64_t id) {
  return absl::DataLossError(absl::StrCat("controller state: ", what, " ", id));
}

absl::Status ValidateNodes(const ClusterState& state) {
  NodeId previous;
  std::set<std::string_view> names;
  for (const NodeRecord& node : state.nodes) {
    const bool in_range = node.role >= NodeRole::kData &&
                          node.role <= NodeRole::kRouter &&
                          node.state >= NodeState::kJoining &&
                          node.state <= NodeState::kRemoved &&
                          node.weight > 0 && node.weight <= kWeightMax;
    if (node.id <= previous || node.id >= state.next_node || !in_range) {
      return Invalid("bad node", node.id.value());
    }
    const bool unique =
        node.state == NodeState::kRemoved || names.insert(node.name).second;
    if (node.name.empty() || !unique) {
      return Invalid("bad name of node", node.id.value());
    }
    previous = node.id;
  }
  return absl::OkStatus();
}

absl::Status ValidateGroups(const ClusterState& state) {
  GroupId previous;
  std::set<std::string_view> names;
  for (const GroupRecord& group : state.groups) {
    const bool known =
        group.id == kControllerGroup || group.id < state.next_group;
    if (group.id <= previous || !known || group.replicas == 0 ||
        group.replicas > raft::kConfigurationMembersMax || group.weight == 0 ||
        group.weight > kWeightMax) {
      return Invalid("bad group", group.id.value());
    }
    if (group.name.empty() || !names.insert(group.name).second) {
      return Invalid("bad name of group", group.id.value());
    }
    NodeId last;
    for (const WantedReplica& wanted : group.wanted) {
      if (wanted.node <= last || state.FindNode(wanted.node) == nullptr ||
          (wanted.purpose != ReplicaPurpose::kVoter &&
           wanted.purpose != ReplicaPurpose::kLearner)) {
        return Invalid("bad wanted replica of group", group.id.value());
      }
      last = wanted.node;
    }
    previous = group.id;
  }
  return absl::OkStatus();
}

absl::Status ValidateSlots(const ClusterState& state) {
  uint32_t next = 0;
  for (const AssignedRun& run : state.slots) {
    if (run.slots.first.value() != next || run.slots.last < run.slots.first ||
        state.FindGroup(run.group) == nullptr) {
      return Invalid("bad run of slots at", next);
    }
    next = run.slots.last.value() + 1u;
  }
  if (next != state.slot_count) return Invalid("no owner of slot", next);
  return absl::OkStatus();
}

// Sorted, with gaps between them, and below the count of slots.
bool AreRanges(const std::vector<SlotRange>& ranges, uint32_t slot_count) {
  uint32_t next = 0;
  for (SlotRange range : ranges) {
    if (range.first.value() < next || range.last < range.first) return false;
    next = range.last.value() + 2u;
  }
  return !ranges.empty() && ranges.back().last.value() < slot_count;
}

absl::Status ValidateMoves(const ClusterState& state) {
  MoveId previous;
  std::vector<bool> moving(state.slot_count, false);
  for (const SlotMove& move : state.moves) {
    const bool known = state.FindGroup(move.from) != nullptr &&
                       state.FindGroup(move.to) != nullptr &&
                       move.from != move.to;
    if (move.id <= previous || move.id >= state.next_move || !known ||
        move.decision < MoveState::kOpen ||
        move.decision > MoveState::kCancelled ||
        !IsSourcePhase(move.progress.source) ||
        !IsDestinationPhase(move.progress.destination) ||
        !AreRanges(move.slots, state.slot_count)) {
      return Invalid("bad move", move.id.value());
    }
    for (SlotRange range : move.slots) {
      for (uint32_t slot = range.first.value(); slot <= range.last.value();
           ++slot) {
        if (moving[slot]) return Invalid("two moves of slot", slot);
        moving[slot] = true;
      }
    }
    previous = move.id;
  }
  return absl::OkStatus();
}

}  // namespace

bool ReportedConfiguration::IsNewerThan(
    const ReportedConfiguration& other) const {
  return std::tuple(configuration.generation, position) >
         std::tuple(other.configuration.generation, other.position);
}

const WantedReplica* GroupRecord::WantedOn(NodeId node) const {
  for (const WantedReplica& one : wanted) {
    if (one.node == node) return &one;
  }
  return nullptr;
}

size_t GroupRecord::WantedVoters() const {
  return static_cast<size_t>(
      std::count_if(wanted.begin(), wanted.end(), [](const WantedReplica& one) {
        return one.purpose == ReplicaPurpose::kVoter;
      }));
}

const raft::Configuration* GroupRecord::Configuration() const {
  if (reported.has_value()) return &reported->configuration;
  return first.has_value() ? &*first : nullptr;
}

const NodeRecord* ClusterState::FindNode(NodeId id) const {
  return Find(nodes, id);
}
NodeRecord* ClusterState::FindNode(NodeId id) { return Find(nodes, id); }
const GroupRecord* ClusterState::FindGroup(GroupId id) const {
  return Find(groups, id);
}
GroupRecord* ClusterState::FindGroup(GroupId id) { return Find(groups, id); }
const SlotMove* ClusterState::FindMove(MoveId id) const {
  return Find(moves, id);
}
SlotMove* ClusterState::FindMove(MoveId id) { return Find(moves, id); }

absl::Status ValidateState(const ClusterState& state) {
  if (state.version == MapVersion() || state.repair_after < Duration() ||
      !CheckSlotCount(state.partitioner, state.slot_count).ok()) {
    return Invalid("bad settings of version", state.version.value());
  }
  absl::Status status = ValidateNodes(state);
  if (status.ok()) status = ValidateGroups(state);
  if (status.ok()) status = ValidateSlots(state);
  if (status.ok()) status = ValidateMoves(state);
  return status;
}

std::string EncodeState(const ClusterState& state) {
  FieldWriter writer;
  writer(kStateVersion, state);
  return writer.Take();
}

absl::StatusOr<ClusterState> DecodeState(std::string_view bytes) {
  FieldReader reader(bytes);
  uint8_t version = 0;
  ClusterState state;
  reader(version);
  if (version > kStateVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("the controller's state has version ", version,
                     ", but this program knows only ", kStateVersion));
  }
  reader(state);
  if (version != kStateVersion || !reader.Complete()) {
    return absl::DataLossError("damaged state of the controller");
  }
  absl::Status status = ValidateState(state);
  if (!status.ok()) return status;
  return state;
}

uint32_t ControllerReplicas(size_t nodes) {
  if (nodes >= 5) return 5;
  return nodes >= 3 ? 3 : 1;
}

}  // namespace quorate::shardctrl

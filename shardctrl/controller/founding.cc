#include "shardctrl/controller/founding.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "shardctrl/controller/wishes.h"

namespace quorate::shardctrl {
namespace {

void SortById(auto* list) {
  std::stable_sort(list->begin(), list->end(),
                   [](const auto& a, const auto& b) { return a.id < b.id; });
}

absl::Status AddMembers(const ClusterState& state,
                        const std::vector<raft::Member>& members,
                        ReplicaPurpose purpose, GroupRecord* group) {
  for (const raft::Member& member : members) {
    const NodeRecord* node = state.FindNode(member.node);
    if (node == nullptr || node->store != member.store ||
        group->WantedOn(member.node) != nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("group ", group->id.value(), " has a member on node ",
                       member.node.value(), " that is not known there"));
    }
    const auto behind = std::find_if(
        group->wanted.begin(), group->wanted.end(),
        [&](const WantedReplica& one) { return one.node > member.node; });
    group->wanted.insert(behind, {.node = member.node,
                                  .purpose = purpose,
                                  .store = member.store,
                                  .replica = member.replica});
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ClusterState> FoundCluster(ClusterFounding founding) {
  ClusterState state;
  state.partitioner = founding.partitioner;
  state.slot_count = founding.slot_count;
  state.default_replicas = founding.default_replicas;
  state.created_groups = std::move(founding.created_groups);
  state.nodes = std::move(founding.nodes);
  SortById(&state.nodes);
  for (NodeRecord& node : state.nodes) {
    node.state = NodeState::kUp;
    state.next_node = NodeId(node.id.value() + 1);
  }
  SortById(&founding.groups);
  for (const ClusterFounding::Group& given : founding.groups) {
    GroupRecord group{.id = given.id, .name = given.name, .founded = true};
    group.replicas = static_cast<uint32_t>(given.configuration.voters.size());
    absl::Status status = AddMembers(state, given.configuration.voters,
                                     ReplicaPurpose::kVoter, &group);
    if (status.ok()) {
      status = AddMembers(state, given.configuration.learners,
                          ReplicaPurpose::kLearner, &group);
    }
    if (!status.ok()) return status;
    if (given.id != kControllerGroup) {
      state.next_group = GroupId(given.id.value() + 1);
    }
    state.groups.push_back(std::move(group));
  }
  for (const Assignment& one : founding.slots) {
    state.slots.push_back({.slots = one.slots, .group = one.group});
  }
  std::stable_sort(state.slots.begin(), state.slots.end(),
                   [](const AssignedRun& a, const AssignedRun& b) {
                     return a.slots < b.slots;
                   });
  PlanLeaders(&state);
  if (absl::Status status = ValidateState(state); !status.ok()) {
    return absl::InvalidArgumentError(status.message());
  }
  return state;
}

}  // namespace quorate::shardctrl

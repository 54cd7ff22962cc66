// Facts that the state of the controller holds of nodes, stores and voters.
#include <algorithm>

#include "sim/members/controller_model.h"

namespace quorate::sim {

using shardctrl::kControllerGroup;
using shardctrl::NodeRole;
using shardctrl::NodeState;
using shardctrl::ReplicaPurpose;
using shardctrl::WantedReplica;

namespace {

constexpr StoreIncarnation kNoStore{};
constexpr WallTime kNever{0};

}  // namespace

// A data node that is up, or whose new store is awaited.
bool ControllerModel::TakesVoters(const NodeRecord& node) {
  if (node.role != NodeRole::kData || node.dead) return false;
  if (node.state == NodeState::kJoining) return node.former_store != kNoStore;
  return node.state == NodeState::kUp;
}

bool ControllerModel::Answers(const NodeRecord& node) {
  return node.state != NodeState::kJoining && node.silent_since == kNever;
}

bool ControllerModel::NeverJoined(const NodeRecord& node) {
  return node.state == NodeState::kJoining && node.former_store == kNoStore;
}

// It has the store that it was founded with, and has not said which.
bool ControllerModel::IsUnboundFounder(const NodeRecord& node) {
  return node.store == kNoStore && node.former_store == kNoStore &&
         node.state != NodeState::kJoining && node.state != NodeState::kRemoved;
}

const WantedReplica* ControllerModel::WantedOn(const GroupRecord& group,
                                               NodeId node) {
  for (const WantedReplica& wanted : group.wanted) {
    if (wanted.node == node) return &wanted;
  }
  return nullptr;
}

std::set<NodeId> ControllerModel::WantedVoters(const GroupRecord& group) {
  std::set<NodeId> nodes;
  for (const WantedReplica& wanted : group.wanted) {
    if (wanted.purpose == ReplicaPurpose::kVoter) nodes.insert(wanted.node);
  }
  return nodes;
}

const raft::Configuration* ControllerModel::Known(const GroupRecord& group) {
  if (group.reported.has_value()) return &group.reported->configuration;
  if (group.first.has_value()) return &*group.first;
  return nullptr;
}

bool ControllerModel::Names(const raft::Configuration& configuration,
                            NodeId node) {
  for (const auto* members :
       {&configuration.voters, &configuration.outgoing_voters,
        &configuration.learners, &configuration.next_learners}) {
    for (const raft::Member& member : *members) {
      if (member.node == node) return true;
    }
  }
  return false;
}

bool ControllerModel::HasStore(const State& state, const raft::Member& member) {
  const auto node = state.nodes.find(member.node);
  return node != state.nodes.end() && node->second.store == member.store &&
         !node->second.lost;
}

bool ControllerModel::Works(const State& state, const raft::Member& member) {
  if (!HasStore(state, member)) return false;
  const NodeRecord& node = state.nodes.at(member.node);
  return !node.dead && node.silent_since == kNever;
}

bool ControllerModel::HasMajority(const State& state,
                                  const raft::Configuration& configuration,
                                  const std::vector<ReplicaId>& broken,
                                  ReplicaId answers) {
  for (const auto* voters :
       {&configuration.voters, &configuration.outgoing_voters}) {
    size_t working = 0;
    for (const raft::Member& voter : *voters) {
      const bool is_broken = std::find(broken.begin(), broken.end(),
                                       voter.replica) != broken.end();
      if (voter.replica == answers || (Works(state, voter) && !is_broken)) {
        ++working;
      }
    }
    if (!voters->empty() && working * 2 <= voters->size()) return false;
  }
  return true;
}

bool ControllerModel::NeedsVoter(const State& state, const GroupRecord& group,
                                 const std::vector<raft::Member>& voters,
                                 NodeId node) {
  bool named = false;
  size_t working = 0;
  for (const raft::Member& voter : voters) {
    if (voter.node == node) {
      named = true;
      continue;
    }
    // A node that fills another replica has given up this one.
    const WantedReplica* const wanted = WantedOn(group, voter.node);
    const bool given_up = wanted != nullptr && wanted->store == voter.store &&
                          wanted->replica != ReplicaId() &&
                          wanted->replica != voter.replica;
    if (Works(state, voter) && !given_up) ++working;
  }
  return named && working * 2 <= voters.size();
}

bool ControllerModel::IsNeeded(const State& state, NodeId node) {
  for (const auto& [id, group] : state.groups) {
    const raft::Configuration* const known = Known(group);
    if (known == nullptr) {
      // The founding named its members, and the controller does not know them.
      if (group.founded) return true;
      continue;
    }
    if (NeedsVoter(state, group, known->voters, node) ||
        NeedsVoter(state, group, known->outgoing_voters, node)) {
      return true;
    }
    if (group.reported.has_value() && group.reported->next.has_value() &&
        NeedsVoter(state, group, group.reported->next->voters, node)) {
      return true;
    }
  }
  return false;
}

bool ControllerModel::HoldsReplicas(const State& state, NodeId node) {
  for (const auto& [id, group] : state.groups) {
    if (WantedOn(group, node) != nullptr) return true;
    const raft::Configuration* const known = Known(group);
    if (known == nullptr ? group.founded : Names(*known, node)) return true;
  }
  return false;
}

bool ControllerModel::WaitsForSilentNode(const State& state) {
  for (const auto& [node_id, node] : state.nodes) {
    if (node.silent_since == kNever || node.state == NodeState::kRemoved) {
      continue;
    }
    for (const auto& [id, group] : state.groups) {
      if (!WantedVoters(group).contains(node_id)) continue;
      const raft::Configuration* const known = Known(group);
      if (known == nullptr) {
        if (!group.founded) return true;
        continue;
      }
      bool votes = false;
      for (const raft::Member& voter : known->voters) {
        votes |= voter.node == node_id;
      }
      if (!votes) return true;
    }
  }
  return false;
}

}  // namespace quorate::sim

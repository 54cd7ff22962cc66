#include "shardctrl/controller/wishes.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "raft/core/configuration.h"
#include "raft/core/quorum.h"
#include "shardctrl/controller/words.h"
#include "shardctrl/placement.h"

namespace quorate::shardctrl {
namespace {

std::vector<NodeId> VotersOf(const std::vector<WantedReplica>& wanted) {
  std::vector<NodeId> nodes;
  for (const WantedReplica& one : wanted) {
    if (one.purpose == ReplicaPurpose::kVoter) nodes.push_back(one.node);
  }
  return nodes;
}

void Unite(const std::vector<raft::Member>& members,
           std::vector<NodeId>* nodes) {
  for (const raft::Member& member : members) nodes->push_back(member.node);
}

// The voters that have the group's data, and the nodes that get them now.
PlacementGroup AsPlacementGroup(const ClusterState& state,
                                const GroupRecord& group) {
  PlacementGroup place{.id = group.id,
                       .replicas = group.replicas,
                       .coming = VotersOf(group.wanted)};
  const raft::Configuration* configuration = group.Configuration();
  if (configuration == nullptr) {
    place.present = place.coming;
    if (group.founded) return place;
    // A group begins with all of its replicas. Once the first members are
    // known, they stay.
    for (const NodeRecord& node : state.nodes) {
      if (TakesVoters(node) && Answers(node)) place.allowed.push_back(node.id);
    }
    // An old wish waits rather than that it refuses others.
    const bool waits = place.allowed.size() < group.replicas;
    if (waits && !group.wanted.empty()) place.allowed.clear();
    return place;
  }
  Unite(configuration->voters, &place.present);
  Unite(configuration->learners, &place.coming);
  return place;
}

// The replica of the node that is known already.
WantedReplica KnownReplica(const GroupRecord& group, const NodeRecord& node,
                           ReplicaPurpose purpose) {
  WantedReplica wanted{.node = node.id, .purpose = purpose};
  if (node.store == StoreIncarnation()) return wanted;
  const WantedReplica* before = group.WantedOn(node.id);
  if (before != nullptr && before->store == node.store) {
    wanted.store = before->store;
    wanted.replica = before->replica;
    return wanted;
  }
  if (!group.reported.has_value()) return wanted;
  std::set<ReplicaId> found;
  raft::ForEachMember(
      group.reported->configuration, [&](const raft::Member& member) {
        if (member.node == node.id && member.store == node.store) {
          found.insert(member.replica);
        }
      });
  if (found.size() != 1) return wanted;  // One of them replaces another.
  wanted.store = node.store;
  wanted.replica = *found.begin();
  return wanted;
}

void SetWanted(const ClusterState& state, const std::vector<NodeId>& voters,
               GroupRecord* group) {
  std::vector<WantedReplica> wanted;
  for (const NodeRecord& node : state.nodes) {
    if (std::find(voters.begin(), voters.end(), node.id) != voters.end()) {
      wanted.push_back(KnownReplica(*group, node, ReplicaPurpose::kVoter));
    } else if (node.role == NodeRole::kReadOnly &&
               node.state == NodeState::kUp && group->id != kControllerGroup) {
      wanted.push_back(KnownReplica(*group, node, ReplicaPurpose::kLearner));
    }
  }
  group->wanted = std::move(wanted);
}

std::string WhyNot(const NodeRecord* node) {
  if (node == nullptr) return "is not known";
  if (node->lost) return "is lost";
  if (node->leaving || node->state == NodeState::kRemoved) return "is removed";
  if (node->state == NodeState::kDraining) return "is drained";
  if (node->dead) return "does not answer";
  return "takes no voters";
}

std::string Sentence(const ClusterState& state, const PlacementChange& change) {
  const std::string group = absl::StrCat("group ", change.group.value());
  const std::string from = absl::StrCat("node ", change.from.value());
  std::string why;
  switch (change.reason) {
    case PlacementReason::kMissing:
      return absl::StrCat(group, ": a new replica on node ", change.to.value(),
                          ", so that it has ",
                          state.FindGroup(change.group)->replicas);
    case PlacementReason::kNotAllowed:
      why = absl::StrCat("because ", from, " ",
                         WhyNot(state.FindNode(change.from)));
      break;
    case PlacementReason::kSurplus:
      why = absl::StrCat("because the group shall have ",
                         state.FindGroup(change.group)->replicas);
      break;
    case PlacementReason::kSpread:
      why = "to spread the group over zones and hosts";
      break;
    case PlacementReason::kBalance:
      why = "to balance the replicas by weight";
      break;
  }
  if (change.to == NodeId()) {
    return absl::StrCat(group, ": the replica on ", from, " goes, ", why);
  }
  return absl::StrCat(group, ": the replica on ", from, " moves to node ",
                      change.to.value(), ", ", why);
}

bool HasStore(const ClusterState& state, const raft::Member& member) {
  const NodeRecord* node = state.FindNode(member.node);
  return node != nullptr && node->store == member.store && !node->lost;
}

// The store of a founder that has not reported it counts.
bool MayComeBack(const ClusterState& state, const raft::Member& member) {
  const NodeRecord* node = state.FindNode(member.node);
  return HasStore(state, member) ||
         (node != nullptr && node->IsUnboundFounder());
}

bool Works(const ClusterState& state, const raft::Member& member) {
  const NodeRecord* node = state.FindNode(member.node);
  return HasStore(state, member) && !node->dead &&
         node->silent_since == WallTime(0);
}

// Its node has given up what it had of the replica, and fills another one.
bool IsReplaced(const GroupRecord& group, const raft::Member& member) {
  const WantedReplica* const wanted = group.WantedOn(member.node);
  return wanted != nullptr && wanted->store == member.store &&
         wanted->replica != ReplicaId() && wanted->replica != member.replica;
}

std::string StartFirst(const std::vector<NodeId>& nodes) {
  return nodes.empty() ? ""
                       : absl::StrCat("; start ", NodesText(nodes), " first");
}

// Empty, or that the voters have no majority that works without the node.
std::string LostMajorityOf(const ClusterState& state, const GroupRecord& group,
                           const std::vector<raft::Member>& voters,
                           NodeId without) {
  size_t working = 0;
  bool named = false;
  std::vector<NodeId> silent, filling;
  for (const raft::Member& voter : voters) {
    if (voter.node == without) {
      named = true;
    } else if (!Works(state, voter)) {
      silent.push_back(voter.node);
    } else if (IsReplaced(group, voter)) {
      filling.push_back(voter.node);
    } else {
      ++working;
    }
  }
  if (!named || working >= voters.size() / 2 + 1) return "";
  std::string remedy = "; move its replica to another node first";
  if (!silent.empty()) {
    remedy = StartFirst(silent);
  } else if (!filling.empty()) {
    remedy = absl::StrCat("; wait until its replica on ", NodesText(filling),
                          " is filled again");
  }
  return absl::StrCat("group ", group.id.value(), " would have ", working,
                      " of ", voters.size(), " working voters without node ",
                      without.value(), remedy);
}

std::vector<PlacementNode> VoterNodes(const ClusterState& state) {
  std::vector<PlacementNode> nodes;
  for (const NodeRecord& node : state.nodes) {
    if (!TakesVoters(node)) continue;
    nodes.push_back({.id = node.id,
                     .weight = node.weight,
                     .zone = node.zone,
                     .host = node.host,
                     .down = !Answers(node)});
  }
  return nodes;
}

// The number of voters of the controller's own group. Nodes that are down count
// if they have one: they get no other.
uint32_t ControllerReplicasOf(const ClusterState& state) {
  const GroupRecord* const group = state.FindGroup(kControllerGroup);
  std::set<NodeId> nodes;
  for (const NodeRecord& node : state.nodes) {
    if (!TakesVoters(node)) continue;
    const bool has = group != nullptr && group->WantedOn(node.id) != nullptr;
    if (has || Answers(node)) nodes.insert(node.id);
  }
  return ControllerReplicas(nodes.size());
}

}  // namespace

bool TakesVoters(const NodeRecord& node) {
  const bool replaced = node.state == NodeState::kJoining &&
                        node.former_store != StoreIncarnation();
  return node.role == NodeRole::kData && !node.dead &&
         (node.state == NodeState::kUp || replaced);
}

bool Answers(const NodeRecord& node) {
  return node.state != NodeState::kJoining && node.silent_since == WallTime(0);
}

bool IsNeeded(const ClusterState& state, const NodeRecord& node) {
  if (!TakesVoters(node)) return false;
  if (!HoldsReplicas(state, node.id)) return true;
  return std::any_of(
      state.groups.begin(), state.groups.end(), [&](const GroupRecord& group) {
        const uint32_t replicas = group.id == kControllerGroup
                                      ? ControllerReplicasOf(state)
                                      : group.replicas;
        return group.WantedVoters() < replicas;
      });
}

bool WaitsForVoterOn(const GroupRecord& group, NodeId node) {
  const WantedReplica* const wanted = group.WantedOn(node);
  if (wanted == nullptr || wanted->purpose != ReplicaPurpose::kVoter) {
    return false;
  }
  // One of the founding has voters that are not known yet.
  const raft::Configuration* const known = group.Configuration();
  if (known == nullptr) return !group.founded;
  return std::ranges::none_of(known->voters, [&](const raft::Member& voter) {
    return voter.node == node;
  });
}

bool WaitsForSilentNode(const ClusterState& state) {
  for (const NodeRecord& node : state.nodes) {
    if (node.silent_since == WallTime(0) || node.state == NodeState::kRemoved) {
      continue;
    }
    for (const GroupRecord& group : state.groups) {
      if (WaitsForVoterOn(group, node.id)) return true;
    }
  }
  return false;
}

void PlanLeaders(ClusterState* state) {
  std::vector<PlacementGroup> groups;
  for (GroupRecord& group : state->groups) {
    PlacementGroup place{.id = group.id, .replicas = 1};
    place.allowed = VotersOf(group.wanted);
    if (group.preferred_leader != NodeId()) {
      place.present = {group.preferred_leader};
    } else if (group.reported.has_value()) {
      place.present = {group.reported->leader};
    }
    group.preferred_leader = NodeId();
    if (!place.allowed.empty()) groups.push_back(std::move(place));
  }
  // A node that is down leads again once it is back.
  std::vector<PlacementNode> nodes = VoterNodes(*state);
  for (PlacementNode& node : nodes) node.down = false;
  for (const PlacedGroup& placed : Place(nodes, groups)) {
    if (placed.nodes.empty()) continue;
    state->FindGroup(placed.id)->preferred_leader = placed.nodes.front();
  }
}

std::vector<std::string> PlanWishes(ClusterState* state) {
  const std::vector<PlacementNode> nodes = VoterNodes(*state);
  std::vector<PlacementGroup> groups, before;
  for (GroupRecord& group : state->groups) {
    if (group.id == kControllerGroup) {
      group.replicas = ControllerReplicasOf(*state);
    }
    if (group.recovery.has_value()) continue;
    groups.push_back(AsPlacementGroup(*state, group));
    before.push_back({.id = group.id, .present = VotersOf(group.wanted)});
  }
  const std::vector<PlacedGroup> placed = Place(nodes, groups);
  for (const PlacedGroup& one : placed) {
    SetWanted(*state, one.nodes, state->FindGroup(one.id));
  }
  PlanLeaders(state);
  std::vector<std::string> steps;
  for (const PlacementChange& change :
       ExplainPlacement(nodes, before, placed)) {
    steps.push_back(Sentence(*state, change));
  }
  return steps;
}

std::string NewShortage(const ClusterState& before, const ClusterState& after) {
  // By the replicas that the groups would have, and those that they shall have.
  std::map<std::pair<size_t, uint32_t>, std::vector<GroupId>> lacking;
  for (const GroupRecord& group : after.groups) {
    const size_t has = group.WantedVoters();
    if (has >= group.replicas) continue;
    const GroupRecord* old = before.FindGroup(group.id);
    const size_t lacked =
        old == nullptr ? 0
                       : old->replicas - std::min<size_t>(old->replicas,
                                                          old->WantedVoters());
    if (group.replicas - has <= lacked) continue;
    lacking[{has, group.replicas}].push_back(group.id);
  }
  if (lacking.empty()) return "";
  std::vector<std::string> texts;
  for (const auto& [counts, groups] : lacking) {
    texts.push_back(absl::StrCat(GroupsText(groups), " would have ",
                                 counts.first, " of ", counts.second,
                                 " replicas"));
  }
  std::vector<NodeId> down;
  for (const NodeRecord& node : after.nodes) {
    if (TakesVoters(node) && !Answers(node)) down.push_back(node.id);
  }
  return absl::StrCat(
      absl::StrJoin(texts, ", "), ": no other data node is up; ",
      down.empty() ? "" : absl::StrCat("start ", NodesText(down), ", or "),
      "add one");
}

std::string ToleranceText(uint32_t replicas) {
  if (replicas >= 3 && replicas % 2 == 1) return "";
  if (replicas < 3) {
    return absl::StrCat(
        replicas == 1 ? "1 replica tolerates" : "2 replicas tolerate",
        " no failed node; 3 tolerate 1");
  }
  return absl::StrCat(replicas, " replicas tolerate ", replicas / 2 - 1,
                      replicas == 4 ? " failed node" : " failed nodes", ", as ",
                      replicas - 1, " do");
}

std::string LostMajority(const ClusterState& state, NodeId without) {
  for (const GroupRecord& group : state.groups) {
    const raft::Configuration* configuration = group.Configuration();
    // It has the members of the founding, whichever they are.
    if (configuration == nullptr && group.founded) {
      return absl::StrCat("group ", group.id.value(),
                          " has not reported its members yet; try again");
    }
    if (configuration == nullptr) continue;
    std::string lost =
        LostMajorityOf(state, group, configuration->voters, without);
    if (lost.empty() && group.reported.has_value() &&
        group.reported->next.has_value()) {
      lost =
          LostMajorityOf(state, group, group.reported->next->voters, without);
    }
    if (!lost.empty()) return lost;
  }
  return "";
}

bool MajorityHasStores(const ClusterState& state,
                       const raft::Configuration& configuration) {
  return raft::QuorumValue(configuration, true, [&](ReplicaId id) {
    return HasStore(state, *raft::FindMember(configuration, id));
  });
}

std::map<NodeId, std::vector<StoreIncarnation>> GivenUpStores(
    const ClusterState& state) {
  std::map<NodeId, std::set<StoreIncarnation>> found;
  for (const NodeRecord& node : state.nodes) {
    if (node.former_store == StoreIncarnation()) continue;
    found[node.id].insert(node.former_store);
  }
  // Members on stores from before the last replacement. A store is bound before
  // a configuration names it.
  const auto add = [&](const raft::Member& member) {
    const NodeRecord* const node = state.FindNode(member.node);
    if (node != nullptr && node->store != member.store &&
        node->former_store != StoreIncarnation()) {
      found[member.node].insert(member.store);
    }
  };
  for (const GroupRecord& group : state.groups) {
    if (!group.reported.has_value()) continue;
    raft::ForEachMember(group.reported->configuration, add);
  }
  std::map<NodeId, std::vector<StoreIncarnation>> stores;
  for (const auto& [node, set] : found) {
    stores[node] = {set.begin(), set.end()};
  }
  return stores;
}

VoterCount CountVoters(const ClusterState& state,
                       const raft::Configuration& configuration,
                       const std::vector<ReplicaId>& broken,
                       ReplicaId answers) {
  const auto works = [&](ReplicaId id) {
    if (id == answers) return true;
    return Works(state, *raft::FindMember(configuration, id)) &&
           std::find(broken.begin(), broken.end(), id) == broken.end();
  };
  VoterCount count{.majority = raft::QuorumValue(configuration, true, works)};
  for (const ReplicaId id : raft::VoterReplicas(configuration)) {
    ++count.voters;
    if (works(id)) {
      ++count.working;
    } else if (MayComeBack(state, *raft::FindMember(configuration, id))) {
      count.silent.push_back(raft::NodeOf(configuration, id));
    }
  }
  std::sort(count.silent.begin(), count.silent.end());
  return count;
}

bool ChosenNodeAnswers(const ClusterState& state,
                       const GroupRecovery& recovery) {
  const NodeRecord* const node = state.FindNode(recovery.node);
  return node != nullptr && node->store == recovery.store &&
         node->silent_since == WallTime(0);
}

std::string NoMajority(const ClusterState& state, const GroupRecord& group) {
  const raft::Configuration* const known = group.Configuration();
  if (known == nullptr) return "";
  const VoterCount count = CountVoters(state, *known);
  if (count.majority) return "";
  return absl::StrCat(GroupText(group.id), " has ", count.working, " of ",
                      count.voters,
                      " voters that work, no majority: its members cannot "
                      "change",
                      StartFirst(count.silent));
}

std::string HeldByLostMajority(const ClusterState& state, NodeId node) {
  for (const GroupRecord& group : state.groups) {
    const raft::Configuration* const known = group.Configuration();
    if (known == nullptr) continue;
    bool held = false;
    raft::ForEachMember(*known, [&](const raft::Member& member) {
      held |= member.node == node;
    });
    const VoterCount count = CountVoters(state, *known);
    if (!held || count.majority) continue;
    return absl::StrCat("group ", group.id.value(), " has ", count.working,
                        " of ", count.voters,
                        " voters that work, and cannot give up its replica on ",
                        NodeText(node), StartFirst(count.silent));
  }
  return "";
}

std::string RepairObstacle(const ClusterState& state, NodeId node) {
  for (const NodeRecord& other : state.nodes) {
    if (other.id != node && other.dead && HoldsReplicas(state, other.id)) {
      return absl::StrCat("the replicas of ", NodeText(other.id),
                          " are being rebuilt first");
    }
  }
  std::string lost = LostMajority(state, node);
  if (!lost.empty()) return lost;
  ClusterState next = state;
  next.FindNode(node)->dead = true;
  PlanWishes(&next);
  return NewShortage(state, next);
}

bool HoldsReplicas(const ClusterState& state, NodeId node) {
  for (const GroupRecord& group : state.groups) {
    if (group.WantedOn(node) != nullptr) return true;
    const raft::Configuration* configuration = group.Configuration();
    // It has the members of the founding, whichever they are.
    if (configuration == nullptr && group.founded) return true;
    if (configuration == nullptr) continue;
    bool named = false;
    raft::ForEachMember(*configuration, [&](const raft::Member& member) {
      named |= member.node == node;
    });
    if (named) return true;
  }
  return false;
}

}  // namespace quorate::shardctrl

// The replicas that are wanted. The planner of the product chooses the nodes;
// its goals are checked here (docs/controller.md, Placement).
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "sim/members/controller_model.h"
#include "sim/members/placement_goals.h"

namespace quorate::sim {

using shardctrl::kControllerGroup;
using shardctrl::NodeRole;
using shardctrl::NodeState;
using shardctrl::ReplicaPurpose;
using shardctrl::WantedReplica;

// Five voters on five data nodes or more, three on three or four, and one on
// fewer. A node that is down counts if it has a replica: it gets no other.
uint32_t ControllerModel::ControllerReplicas() const {
  const auto group = next_.groups.find(kControllerGroup);
  size_t nodes = 0;
  for (const auto& [id, node] : next_.nodes) {
    const bool has =
        group != next_.groups.end() && WantedOn(group->second, id) != nullptr;
    if (TakesVoters(node) && (has || Answers(node))) ++nodes;
  }
  if (nodes >= 5) return 5;
  return nodes >= 3 ? 3 : 1;
}

namespace {

std::set<NodeId> NodesOf(const std::vector<raft::Member>& members) {
  std::set<NodeId> nodes;
  for (const raft::Member& member : members) nodes.insert(member.node);
  return nodes;
}

}  // namespace

PlacementGoals ControllerModel::Goals() const {
  PlacementGoals goals;
  size_t answering = 0;
  for (const auto& [id, node] : next_.nodes) {
    if (!TakesVoters(node)) continue;
    goals.nodes[id] = {.weight = node.weight,
                       .zone = node.zone,
                       .host = node.host,
                       .down = !Answers(node)};
    if (Answers(node)) ++answering;
  }
  for (const auto& [id, group] : next_.groups) {
    if (group.recovery.has_value()) continue;
    PlacementGoals::Group& goal = goals.groups[id];
    goal.replicas =
        id == kControllerGroup ? ControllerReplicas() : group.replicas;
    goal.coming = WantedVoters(group);
    if (const raft::Configuration* const known = Known(group);
        known != nullptr) {
      goal.present = NodesOf(known->voters);
      goal.coming.merge(NodesOf(known->learners));
      continue;
    }
    goal.present = goal.coming;
    // A group begins with all of its replicas. Where too few nodes answer, an
    // old wish waits.
    const bool waits = answering < goal.replicas && !group.wanted.empty();
    goal.answering_only = !group.founded && !waits;
  }
  return goals;
}

bool ControllerModel::LacksMore(const std::map<GroupId, size_t>& voters) const {
  for (const auto& [id, group] : next_.groups) {
    const auto planned = voters.find(id);
    const size_t has =
        planned == voters.end() ? WantedVoters(group).size() : planned->second;
    const size_t shall =
        id == kControllerGroup ? ControllerReplicas() : group.replicas;
    const auto before = now_.groups.find(id);
    size_t lacked = 0;
    if (before != now_.groups.end()) {
      const size_t had = WantedVoters(before->second).size();
      if (had < before->second.replicas) lacked = before->second.replicas - had;
    }
    if (shall > has && shall - has > lacked) return true;
  }
  return false;
}

bool ControllerModel::Plan() {
  const PlacementGoals goals = Goals();
  const bool lacks = LacksMore(goals.CountVoters());
  if (const auto group = next_.groups.find(kControllerGroup);
      group != next_.groups.end()) {
    group->second.replicas = ControllerReplicas();
  }
  // There is no plan to look at.
  if (effect_->answer.outcome != Outcome::kDone) return lacks;
  std::map<GroupId, std::set<NodeId>> chosen;
  for (const GroupRecord& planned : effect_->after.groups) {
    const auto group = next_.groups.find(planned.id);
    if (group == next_.groups.end()) continue;
    if (!group->second.recovery.has_value()) {
      chosen[planned.id] = WantedVoters(planned);
      TakeWanted(planned, &group->second);
    }
  }
  if (const std::string bad = goals.Check(chosen); !bad.empty()) {
    Wrong("placement: " + bad);
  }
  TakeLeaders();
  return lacks;
}

// The voters are those that the planner chose. Each read-only node has a
// learner of each group of data.
void ControllerModel::TakeWanted(const GroupRecord& planned,
                                 GroupRecord* group) {
  const std::set<NodeId> voters = WantedVoters(planned);
  std::vector<WantedReplica> wanted;
  for (const auto& [id, node] : next_.nodes) {
    const bool learns = node.role == NodeRole::kReadOnly &&
                        node.state == NodeState::kUp &&
                        group->id != kControllerGroup;
    if (!voters.contains(id) && !learns) continue;
    WantedReplica one;
    one.node = id;
    one.purpose =
        voters.contains(id) ? ReplicaPurpose::kVoter : ReplicaPurpose::kLearner;
    const WantedReplica* const before = WantedOn(*group, id);
    if (before != nullptr && node.store != StoreIncarnation() &&
        before->store == node.store) {
      one.store = before->store;
      one.replica = before->replica;
    } else if (node.store != StoreIncarnation() &&
               group->reported.has_value()) {
      // The only member on that store. If there are two, one of them replaces
      // the other.
      const raft::Configuration& known = group->reported->configuration;
      std::set<ReplicaId> there;
      for (const auto* members : {&known.voters, &known.outgoing_voters,
                                  &known.learners, &known.next_learners}) {
        for (const raft::Member& member : *members) {
          if (member.node == id && member.store == node.store) {
            there.insert(member.replica);
          }
        }
      }
      if (there.size() == 1) {
        one.store = node.store;
        one.replica = *there.begin();
      }
    }
    wanted.push_back(one);
  }
  group->wanted = wanted;
}

void ControllerModel::TakeLeaders() {
  PlacementGoals goals;
  for (const auto& [id, node] : next_.nodes) {
    // A node that is down leads again once it is back. Places do not matter.
    if (TakesVoters(node)) goals.nodes[id] = {.weight = node.weight};
  }
  std::map<GroupId, std::set<NodeId>> chosen;
  for (const GroupRecord& planned : effect_->after.groups) {
    const auto found = next_.groups.find(planned.id);
    if (found == next_.groups.end()) continue;
    GroupRecord& group = found->second;
    const std::set<NodeId> voters = WantedVoters(group);
    if (!voters.empty()) {
      PlacementGoals::Group& goal = goals.groups[planned.id];
      goal.replicas = 1;
      goal.allowed = voters;
      if (group.preferred_leader != NodeId()) {
        goal.present = {group.preferred_leader};
      } else if (group.reported.has_value()) {
        goal.present = {group.reported->leader};
      }
      chosen[planned.id] = {};
      if (planned.preferred_leader != NodeId()) {
        chosen[planned.id].insert(planned.preferred_leader);
      }
    } else if (planned.preferred_leader != NodeId()) {
      Wrong(absl::StrCat("leaders: group ", planned.id.value(),
                         " has no voters, and a preferred leader"));
    }
    group.preferred_leader = planned.preferred_leader;
  }
  if (const std::string bad = goals.Check(chosen); !bad.empty()) {
    Wrong("leaders: " + bad);
  }
}

}  // namespace quorate::sim

#include "shardctrl/controller/recovery.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "raft/core/configuration.h"
#include "raft/core/quorum.h"
#include "shardctrl/controller/wishes.h"
#include "shardctrl/controller/words.h"

namespace quorate::shardctrl {
namespace {

// The node of the voter has it, and it works.
bool Works(const raft::Configuration& known, const Survivors& survivors,
           ReplicaId voter) {
  const auto found = survivors.find(raft::NodeOf(known, voter));
  return found != survivors.end() && found->second.replica == voter &&
         found->second.works;
}

// Adds the nodes of voters that did not answer, or whose replica does not work.
void AddLostNodes(const raft::Configuration& known, const Survivors& survivors,
                  std::vector<NodeId>* lost) {
  for (const ReplicaId voter : raft::VoterReplicas(known)) {
    if (!Works(known, survivors, voter)) {
      lost->push_back(raft::NodeOf(known, voter));
    }
  }
  std::sort(lost->begin(), lost->end());
  lost->erase(std::unique(lost->begin(), lost->end()), lost->end());
}

// It can vote.
bool Votes(const raft::Configuration& known, const Survivors& survivors,
           ReplicaId voter) {
  return Works(known, survivors, voter) &&
         !survivors.at(raft::NodeOf(known, voter)).held;
}

// The voters that their nodes do not have, have fenced, or hold.
std::vector<ReplicaId> BrokenVoters(const raft::Configuration& known,
                                    const Survivors& survivors) {
  std::vector<ReplicaId> broken;
  for (const ReplicaId voter : raft::VoterReplicas(known)) {
    if (survivors.contains(raft::NodeOf(known, voter)) &&
        !Votes(known, survivors, voter)) {
      broken.push_back(voter);
    }
  }
  return broken;
}

// As its own configuration says.
bool IsVoter(const Survivor& survivor) {
  return raft::IsVoter(survivor.configuration, survivor.replica);
}

// Enough voters of its own configuration would vote for it.
bool CanLead(const Survivor& candidate, const Survivors& survivors) {
  const raft::Configuration& own = candidate.configuration;
  return raft::QuorumValue(own, false, [&](ReplicaId voter) {
    return Votes(own, survivors, voter) &&
           survivors.at(raft::NodeOf(own, voter)).last <= candidate.last;
  });
}

// A survivor of the highest generation knows a leader, or can become it.
// Replicas of earlier ones were given up, and learners never notice that a
// leader is gone.
bool GoesOn(const Survivors& survivors, uint64_t generation) {
  return std::any_of(survivors.begin(), survivors.end(), [&](const auto& one) {
    const Survivor& survivor = one.second;
    return survivor.works && !survivor.held && IsVoter(survivor) &&
           survivor.configuration.generation == generation &&
           (survivor.leader != NodeId() || CanLead(survivor, survivors));
  });
}

// The leader that keeps GoesOn true, although it does not answer itself.
NodeId SilentLeader(const Survivors& survivors, uint64_t generation) {
  NodeId silent;
  for (const auto& [node, survivor] : survivors) {
    if (!survivor.works || survivor.held || !IsVoter(survivor) ||
        survivor.configuration.generation != generation) {
      continue;
    }
    if (CanLead(survivor, survivors)) return NodeId();
    if (survivor.leader == NodeId()) continue;
    const auto leader = survivors.find(survivor.leader);
    if (leader != survivors.end() && leader->second.works) return NodeId();
    silent = survivor.leader;
  }
  return silent;
}

// The state is older than the configuration of this voter.
bool IsOutdated(const GroupRecord& group, const Survivor& survivor) {
  if (group.id != kControllerGroup || !IsVoter(survivor)) return false;
  if (!group.reported.has_value()) return true;
  const ReportedConfiguration& known = *group.reported;
  return std::pair(known.configuration.generation, known.position.index) <
         std::pair(survivor.configuration.generation, survivor.configured);
}

// Enough voters of the group are silent or broken, as the controller knows.
bool KnowsLoss(const ClusterState& state, const GroupRecord& group,
               const ControllerCommand::RecoverGroup& recover) {
  return !group.reported.has_value() ||
         !CountVoters(state, group.reported->configuration, recover.broken,
                      recover.replica)
              .majority;
}

std::string TextOf(const GroupRecord& record, NodeId choice,
                   const Survivor& survivor, const std::vector<NodeId>& lost) {
  const GroupId group = record.id;
  const std::string others =
      record.Configuration() == nullptr ? "the others" : NodesText(lost);
  const std::string instead =
      record.recovery.has_value()
          ? absl::StrCat(NodeText(record.recovery->node),
                         ", which was chosen before, does not answer: ")
          : "";
  return absl::StrCat(
      instead, "group ", group.value(), " would go on from node ",
      choice.value(), ". Its last entry is ", survivor.last.index.value(),
      " of term ", survivor.last.term.value(),
      ", and it knows that those up to ", survivor.commit.value(),
      " are committed. ",
      lost.empty() && record.Configuration() != nullptr
          ? std::string("No voter is missing")
          : absl::StrCat("Later entries that ", others,
                         " confirmed to clients are lost"),
      ". All entries that it has take effect, also those to which clients had "
      "no answer. The replicas on other nodes are given up");
}

}  // namespace

bool MayBeChosen(const ClusterState& state, const GroupRecord& group,
                 NodeId node, const Survivor& survivor) {
  const NodeRecord* const record = state.FindNode(node);
  const raft::Configuration* const known = group.Configuration();
  if (!survivor.works || survivor.last == raft::LogPosition()) return false;
  const bool bound = record != nullptr && record->store != StoreIncarnation();
  const bool other = bound && record->store != survivor.store;
  if (IsOutdated(group, survivor)) {
    // The state may not know yet that the node came with another store.
    return known != nullptr || !other;
  }
  // After a start the state may be that before founders reported their stores.
  const bool may_be_unbound = group.id == kControllerGroup && record != nullptr;
  if (other || (!bound && !may_be_unbound)) return false;
  if (known != nullptr && raft::IsVoter(*known, survivor.replica)) return true;
  const WantedReplica* const wanted = group.WantedOn(node);
  return wanted != nullptr && wanted->replica == survivor.replica &&
         wanted->purpose == ReplicaPurpose::kVoter;
}

NodeId FindUnheldVoter(const Survivors& survivors, NodeId chosen) {
  for (const auto& [node, survivor] : survivors) {
    if (node != chosen && survivor.works && !survivor.held &&
        IsVoter(survivor)) {
      return node;
    }
  }
  return NodeId();
}

RecoveryPlan PlanRecovery(const ClusterState& state, const GroupRecord& group,
                          const Survivors& survivors) {
  RecoveryPlan plan;
  const raft::Configuration* const known = group.Configuration();
  if (known != nullptr) {
    plan.generation = known->generation;
    AddLostNodes(*known, survivors, &plan.lost);
  }
  auto choice = survivors.end();
  for (auto it = survivors.begin(); it != survivors.end(); ++it) {
    const Survivor& survivor = it->second;
    plan.generation =
        std::max(plan.generation, survivor.configuration.generation);
    if (MayBeChosen(state, group, it->first, survivor) &&
        (choice == survivors.end() || choice->second.last < survivor.last)) {
      choice = it;
    }
  }
  plan.works = GoesOn(survivors, plan.generation);
  plan.silent_leader = SilentLeader(survivors, plan.generation);
  if (choice != survivors.end() && known != nullptr) {
    const Survivor& chosen = choice->second;
    if (std::pair(chosen.configuration.generation, chosen.configured) >=
        std::pair(known->generation, group.ReportedPosition().index)) {
      AddLostNodes(chosen.configuration, survivors, &plan.lost);
    }
  }
  if (const auto& under_way = group.recovery; under_way.has_value()) {
    const auto chosen = survivors.find(under_way->node);
    if (chosen != survivors.end() && chosen->second.store == under_way->store) {
      plan.text = absl::StrCat("group ", group.id.value(),
                               " is being recovered from node ",
                               under_way->node.value());
      plan.command =
          ControllerCommand::RecoverGroup{.group = group.id,
                                          .node = under_way->node,
                                          .store = under_way->store,
                                          .replica = under_way->replica,
                                          .generation = under_way->generation,
                                          .planned = group.ReportedPosition()};
      return plan;
    }
  }
  if (choice == survivors.end()) {
    plan.text =
        absl::StrCat("no node that answers has a working voter of group ",
                     group.id.value(), "; start one of ", NodesText(plan.lost));
    return plan;
  }
  plan.text = TextOf(group, choice->first, choice->second, plan.lost);
  // Two operators may recover a group from nodes that do not reach each other.
  // Their generations differ, so that one of the two is dropped later.
  plan.command = ControllerCommand::RecoverGroup{
      .group = group.id,
      .node = choice->first,
      .store = choice->second.store,
      .replica = choice->second.replica,
      .generation = plan.generation + choice->first.value(),
      .planned = group.ReportedPosition()};
  if (known != nullptr) {
    plan.command->broken = BrokenVoters(*known, survivors);
  }
  return plan;
}

std::string WhyNotYet(const ClusterState& state, const GroupRecord& group,
                      const Survivors& survivors, const RecoveryPlan& plan) {
  const ControllerCommand::RecoverGroup& command = *plan.command;
  const std::string name = GroupText(group.id);
  const auto& under_way = group.recovery;
  if (plan.works && !under_way.has_value()) {
    return plan.silent_leader == NodeId()
               ? ""
               : absl::StrCat("a voter of ", name, " still follows ",
                              NodeText(plan.silent_leader),
                              ", which does not answer: ask again");
  }
  if (group.id == kControllerGroup) return "";
  if (under_way.has_value()) {
    if (command.node == under_way->node) return "";
    if (ChosenNodeAnswers(state, *under_way)) {
      return absl::StrCat(name, " is being recovered from ",
                          NodeText(under_way->node),
                          ". The controller notices within seconds that the "
                          "node is silent: ask again");
    }
    const NodeId unheld = FindUnheldVoter(survivors, command.node);
    if (unheld != NodeId()) {
      return absl::StrCat(NodeText(unheld), " does not know yet that ", name,
                          " is being recovered: ask again");
    }
  }
  if (!KnowsLoss(state, group, command)) {
    return absl::StrCat("the controller does not know yet that ", name,
                        " has lost its majority. It notices within seconds "
                        "that a node is silent: ask again");
  }
  return "";
}

}  // namespace quorate::shardctrl

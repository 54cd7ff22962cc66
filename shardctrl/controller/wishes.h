// shardctrl/controller/wishes.h: computes the replicas that are wanted, from
// the nodes and groups of the controller's state.
//
// Commands that change nodes or groups call it when they are applied, so that
// the wishes of all replicas of the controller are equal. It reads the state
// alone.
#ifndef QUORATE_SHARDCTRL_CONTROLLER_WISHES_H_
#define QUORATE_SHARDCTRL_CONTROLLER_WISHES_H_

#include <map>
#include <string>
#include <vector>

#include "shardctrl/controller/state.h"

namespace quorate::shardctrl {

// True if voters may be placed on the node, once it answers.
bool TakesVoters(const NodeRecord& node);
// True if the node answers, and its store is there.
bool Answers(const NodeRecord& node);

// True if the planner would find more replicas with this node, which answers
// again.
bool IsNeeded(const ClusterState& state, const NodeRecord& node);

// True if a group wants a voter on the node, which has none of it yet. So the
// group waits for the node, and another one may be chosen.
bool WaitsForVoterOn(const GroupRecord& group, NodeId node);
// The same for any group, and any node that does not answer.
bool WaitsForSilentNode(const ClusterState& state);

// Sets the wanted replicas and the preferred leaders of all groups. Data nodes
// hold voters, and each read-only node holds a learner of every group of data.
// Returns the voters that move, a sentence each. Cost: a few milliseconds for
// 1,000 groups.
std::vector<std::string> PlanWishes(ClusterState* state);

// Sets the preferred leaders alone: balanced by weight among the voters that
// are wanted.
void PlanLeaders(ClusterState* state);

// Empty, or the groups that lack more voters in `after` than in `before`, and a
// remedy. Nodes that do not answer get no replicas.
std::string NewShortage(const ClusterState& before, const ClusterState& after);

// Empty, or a group that would have no majority of working voters without this
// node, now or after the change that its leader has announced. As far as the
// state says, voters work if they are on nodes that are bound to their stores
// and not silent. Also a group of the founding that has not reported itself.
std::string LostMajority(const ClusterState& state, NodeId without);

// True unless a majority of the voters is on stores that were given up.
bool MajorityHasStores(const ClusterState& state,
                       const raft::Configuration& configuration);

// The stores that were those of nodes and are so no more, by node. They never
// come back, so an old state has no store in this list that is a node's now.
std::map<NodeId, std::vector<StoreIncarnation>> GivenUpStores(
    const ClusterState& state);

// Empty, or why the replicas of a node that was silent for long enough are not
// rebuilt on other nodes.
std::string RepairObstacle(const ClusterState& state, NodeId node);

// The voters of both halves, each once.
struct VoterCount {
  size_t voters = 0;
  size_t working = 0;  // Those that work, as in LostMajority.
  // The nodes of the others, but for those whose stores were given up: they do
  // not help any more.
  std::vector<NodeId> silent = {};
  bool majority = false;  // Of each half a majority works.
};
// Those in `broken` do not work. `answers` works, even if its node counts as
// silent.
VoterCount CountVoters(const ClusterState& state,
                       const raft::Configuration& configuration,
                       const std::vector<ReplicaId>& broken = {},
                       ReplicaId answers = ReplicaId());

// The node from which a group is being recovered has the store with which it
// was chosen, and is not silent.
bool ChosenNodeAnswers(const ClusterState& state,
                       const GroupRecovery& recovery);

// Empty, or that the group has no majority of working voters, so that its
// members cannot change, and a remedy.
std::string NoMajority(const ClusterState& state, const GroupRecord& group);

// Empty, or the failures that so many voters tolerate, with a better number.
std::string ToleranceText(uint32_t replicas);

// Empty, or a group that has no majority, and so can give up no replica on the
// node.
std::string HeldByLostMajority(const ClusterState& state, NodeId node);

// True if the newest known configuration of some group names a replica on the
// node, or one is wanted there. Also while a group has not reported itself.
bool HoldsReplicas(const ClusterState& state, NodeId node);

}  // namespace quorate::shardctrl

#endif  // QUORATE_SHARDCTRL_CONTROLLER_WISHES_H_

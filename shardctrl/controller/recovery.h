// shardctrl/controller/recovery.h: chooses the replica from which a group
// without its majority goes on, and says what that may lose.
//
// A pure function of the state and of the replicas on nodes that answer.
#ifndef QUORATE_SHARDCTRL_CONTROLLER_RECOVERY_H_
#define QUORATE_SHARDCTRL_CONTROLLER_RECOVERY_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "env/ids.h"
#include "raft/core/types.h"
#include "shardctrl/controller/command.h"
#include "shardctrl/controller/state.h"

namespace quorate::shardctrl {

// The replica of a group on a node that answers.
struct Survivor {
  StoreIncarnation store = {};
  ReplicaId replica = {};       // Zero: the node holds none that runs.
  bool works = false;           // It is neither fenced nor halted.
  bool held = false;            // It takes no part any more.
  raft::LogPosition last = {};  // The last entry of its log.
  raft::Index commit = {};      // It knows that these are committed.
  // The one in effect at its last entry. It may not be committed. Empty: none.
  raft::Configuration configuration = {};
  raft::Index configured = {};  // The entry of its configuration.
  NodeId leader = {};           // Zero: it knows none.
  friend bool operator==(const Survivor&, const Survivor&) = default;
};
using Survivors = std::map<NodeId, Survivor>;

struct RecoveryPlan {
  // None: no survivor can be chosen.
  std::optional<ControllerCommand::RecoverGroup> command = {};
  // A survivor knows a leader, or can become one: majorities of its own
  // configuration work, without later entries than it has (thesis 3.6.1). One
  // whose last configuration has lost a majority cannot, although the one that
  // the controller knows may have its own.
  bool works = false;
  // It works only as far as a survivor knows: this leader does not answer, and
  // none of them could lead. Zero: it works otherwise, or does not.
  NodeId silent_leader = {};
  // The nodes of voters that do not answer, or whose replica does not work:
  // those that the controller knows, and those of the chosen replica.
  std::vector<NodeId> lost = {};
  uint64_t generation = 0;  // The present one.
  // Sentences for the operator: who is left, and what may be lost.
  std::string text = {};
};

// True if the group may go on from this replica on `node`: a working voter, as
// far as the state knows. A voter of the controller's group that started again
// has an older state than its log. So it may have a newer configuration than
// the state names, or know no store of a founder yet. Then the replica itself
// says so.
bool MayBeChosen(const ClusterState& state, const GroupRecord& group,
                 NodeId node, const Survivor& survivor);

// A node but `chosen` that has a voter which is not held: it may confirm
// writes, with others, or another node was chosen later. Zero: there is none.
NodeId FindUnheldVoter(const Survivors& survivors, NodeId chosen);

// The choice is the voter whose last entry has the highest position. It has
// every entry that any survivor knows to be committed. If the group is being
// recovered from a node that answers, that one stays the choice. Otherwise
// another one takes its place.
RecoveryPlan PlanRecovery(const ClusterState& state, const GroupRecord& group,
                          const Survivors& survivors);

// A sentence for the operator about a condition that comes true within seconds,
// and must come first. Empty: there is none. Requires: the plan has a command.
std::string WhyNotYet(const ClusterState& state, const GroupRecord& group,
                      const Survivors& survivors, const RecoveryPlan& plan);

}  // namespace quorate::shardctrl

#endif  // QUORATE_SHARDCTRL_CONTROLLER_RECOVERY_H_

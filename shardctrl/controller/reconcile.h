// shardctrl/controller/reconcile.h: the next actions of a node, so that the
// wishes of the controller come true.
//
// A pure function of two values: the controller's state as the node knows it,
// and the replicas of its own host. It is called again and again, and remembers
// nothing. So a crash at any point, an action that failed, and an old state are
// harmless:
//   - A replica is only named by its group once its id is durable on its node.
//   - Votes change by joint consensus alone, to voters of which a majority
//     works, and which the controller has noted. It gives up no store that they
//     need.
//   - A voter is removed once enough others replace it, never before.
//   - A replica is dropped if a committed configuration that is later than the
//     last one in its log does not name it. The state must come from the
//     controller, not from a copy on disk.
//   - A replica of an earlier generation of its group is always dropped. While
//     the group is being recovered from another node, it is held.
#ifndef QUORATE_SHARDCTRL_CONTROLLER_RECONCILE_H_
#define QUORATE_SHARDCTRL_CONTROLLER_RECONCILE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "env/ids.h"
#include "raft/core/types.h"
#include "shardctrl/controller/state.h"

namespace quorate::shardctrl {

// A replica as its host knows it.
struct HostedReplica {
  // Another member, as the leader knows it.
  struct Member {
    ReplicaId replica = {};
    // It answered this leader within an election timeout. Those that a new
    // leader has not heard yet do not answer.
    bool answers = false;
    // It may become a voter: it has the configuration that names it, and lacks
    // little of the rest.
    bool caught_up = false;
    // False: its node gives leaderships away, since its disk has no room or it
    // stops.
    bool takes_leadership = true;
  };
  struct Leadership {
    raft::Term term = {};
    // The last report that this leader has sent in this term.
    std::optional<ReportedConfiguration> sent = {};
    // The configuration in effect is committed, and the core takes a change.
    bool settled = false;
    std::vector<Member> members = {};
  };

  GroupId group = {};
  ReplicaId replica = {};
  bool fenced = false;
  bool held = false;  // It takes no part any more (raft::Core::held).
  // The newest configuration in its log, and its position. Joining replicas
  // have none yet, and those of fenced ones need not be known: position zero.
  // A snapshot may have taken the place of the entry. Then the position is that
  // of the snapshot, and `compacted` is raft::Core::configuration_index.
  raft::LogPosition position = {};
  std::optional<raft::Index> compacted = {};
  raft::Configuration configuration = {};
  std::optional<Leadership> leads = {};
};

struct HostView {
  NodeId node = {};
  StoreIncarnation store = {};
  // At most one of a group is not fenced.
  std::vector<HostedReplica> replicas = {};
  // Ids that were drawn and not used (raft::Host::prepared).
  std::map<GroupId, ReplicaId> prepared = {};
};

struct ReconcileAction {
  enum class Kind : uint8_t {
    kPrepare,        // Draw a replica id (raft::Host::PrepareReplica).
    kReportReplica,  // Send `replica` to the controller.
    kFound,          // Found the prepared replica with `configuration`.
    kJoin,           // Run the prepared replica as a member to be.
    kReportGroup,    // Send `report` to the controller.
    kChange,         // Propose `configuration`, made from that at `base`.
    kTransfer,       // Transfer the leadership to `replica` on node `to`.
    kDrop,           // Drop `replica`.
    kReportEmpty,    // Tell the controller that this node has no replica.
    // Make `replica` the only voter (raft::Host::RecoverReplica), once no node
    // that answers has a voter that is not held (FindUnheldVoter).
    kRecover,
    kHold,  // Hold `replica` (raft::Host::HoldReplica).
  };
  Kind kind = Kind::kPrepare;
  GroupId group = {};
  ReplicaId replica = {};
  NodeId to = {};
  raft::Index base = {};
  // Of kRecover: that of the new configuration. Of kReportReplica: that of the
  // replica.
  uint64_t generation = 0;
  raft::Term known_term = {};  // Of kRecover: no leader has had a higher one.
  raft::Configuration configuration = {};
  ReportedConfiguration report = {};
  std::string why = {};  // A sentence for people.
};

// In the order in which they should be taken; all of them may be taken at once.
// Empty: this node has nothing to do now.
std::vector<ReconcileAction> Reconcile(const ClusterState& state,
                                       const HostView& host);

}  // namespace quorate::shardctrl

#endif  // QUORATE_SHARDCTRL_CONTROLLER_RECONCILE_H_

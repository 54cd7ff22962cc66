// sim/harness/replica_views.h: the replicas of one group on all nodes, as a
// subject sees them: who leads, and whether they agree.
#ifndef QUORATE_SIM_HARNESS_REPLICA_VIEWS_H_
#define QUORATE_SIM_HARNESS_REPLICA_VIEWS_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "env/ids.h"
#include "raft/core/core.h"
#include "raft/host/host.h"

namespace quorate::sim {

// One for each node. Null: no replica works there.
using Replicas = absl::Span<const raft::Core* const>;

// Those of the group on the hosts of the first `nodes` nodes. A host may be
// null.
std::vector<const raft::Core*> ReplicasOf(
    GroupId group, size_t nodes,
    absl::FunctionRef<const raft::Host*(size_t)> host);
// The index of the leader of the highest term; replicas.size(): there is none.
size_t LeaderAmong(Replicas replicas);
// Whether those that must work know the leader and have applied its whole log.
bool ReplicasAgree(Replicas replicas,
                   absl::FunctionRef<bool(size_t)> must_work);
// Whether the group has a leader and can do without the replica of `node` for
// good. Each other node of which `stays` is true must have a replica that
// works, since one that is down may have a later configuration.
bool CanSpare(Replicas replicas, size_t node,
              absl::FunctionRef<bool(size_t)> stays);
// Whether some replica on the node votes or learns.
bool HasMemberOn(const raft::Configuration& configuration, NodeId node);
// Role, term and progress of a replica, for people.
std::string DescribeReplica(const raft::Core* replica);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_HARNESS_REPLICA_VIEWS_H_

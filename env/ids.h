// env/ids.h: identities used in several folders, as types that cannot be mixed
// up.
#ifndef QUORATE_ENV_IDS_H_
#define QUORATE_ENV_IDS_H_

#include "env/strong_types.h"

namespace quorate {

// A cluster, drawn at random when it is created. Nodes of different clusters
// refuse each other's connections.
using ClusterId = StrongId<struct ClusterIdTag>;
// The number of a node in the configuration: 1, 2, 3, … Zero is no node.
using NodeId = StrongId<struct NodeIdTag, uint32_t>;
// One data directory of a node, drawn at random when the directory is created.
// A node that is created again after it lost its disk has the same NodeId and
// another StoreIncarnation, so its groups refuse it.
using StoreIncarnation = StrongId<struct StoreIncarnationTag>;
// A Raft group: 1, 2, 3, … Zero is no group.
using GroupId = StrongId<struct GroupIdTag, uint32_t>;
// One replica of one group, drawn at random when the replica is created and
// never used again. Zero is no replica.
using ReplicaId = StrongId<struct ReplicaIdTag>;

}  // namespace quorate

#endif  // QUORATE_ENV_IDS_H_

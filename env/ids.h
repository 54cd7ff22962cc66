// env/ids.h: the identities that cross folders.
//
// Strong types, so that two of them are never confused. How they are drawn and stored is told where that happens.
#ifndef QUORATE_ENV_IDS_H_
#define QUORATE_ENV_IDS_H_

#include "env/strong_types.h"

namespace quorate {

// A cluster, drawn at random when it is created; nodes of different clusters never talk.
using ClusterId = StrongId<struct ClusterIdTag>;
// A node as the configuration names it: 1, 2, 3, … Zero is no node.
using NodeId = StrongId<struct NodeIdTag, uint32_t>;
// One data directory of a node, drawn at random when the directory is created.
// A node whose disk was lost and that is created again has the same NodeId and another StoreIncarnation: its groups refuse it.
using StoreIncarnation = StrongId<struct StoreIncarnationTag>;
// A Raft group: 1, 2, 3, … Zero is no group.
using GroupId = StrongId<struct GroupIdTag, uint32_t>;
// Tells a group from an earlier one of the same GroupId that was destroyed.
using GroupIncarnation = StrongId<struct GroupIncarnationTag>;

}  // namespace quorate

#endif  // QUORATE_ENV_IDS_H_

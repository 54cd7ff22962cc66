// node/controller/writer_pauses.h: tells a node which slots move, and how
// slowly clients are to write to them.
#ifndef QUORATE_NODE_CONTROLLER_WRITER_PAUSES_H_
#define QUORATE_NODE_CONTROLLER_WRITER_PAUSES_H_

#include "node/routing/router.h"
#include "shardctrl/controller/state.h"

namespace quorate::node {

// Call it after each change of the controller's state.
void FollowMoves(const shardctrl::ClusterState& state, Router& router);

}  // namespace quorate::node

#endif  // QUORATE_NODE_CONTROLLER_WRITER_PAUSES_H_

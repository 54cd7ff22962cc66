// node/controller/wish_reports.h: the wishes of operators that wait, and the
// moves of slots, as the pages of a node show them.
#ifndef QUORATE_NODE_CONTROLLER_WISH_REPORTS_H_
#define QUORATE_NODE_CONTROLLER_WISH_REPORTS_H_

#include <vector>

#include "node/connections/context.h"
#include "shardctrl/controller/state.h"

namespace quorate::node {

// The wishes that cannot come true now.
std::vector<StuckWish> StuckWishesOf(const shardctrl::ClusterState& state);
// The moves that have not ended.
std::vector<MoveReport> MovesOf(const shardctrl::ClusterState& state);

}  // namespace quorate::node

#endif  // QUORATE_NODE_CONTROLLER_WISH_REPORTS_H_

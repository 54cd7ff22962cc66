// node/controller/move_room.h: whether the nodes of a destination have room for
// the slots of a move.
#ifndef QUORATE_NODE_CONTROLLER_MOVE_ROOM_H_
#define QUORATE_NODE_CONTROLLER_MOVE_ROOM_H_

#include <cstdint>
#include <string>

#include "node/admin/controller_access.h"
#include "shardctrl/controller/state.h"

namespace quorate::node {

// Why slots of so many bytes do not fit beside those of earlier moves, and what
// would help. Empty: they fit, as far as the nodes answered.
std::string LackOfRoom(const shardctrl::ClusterState& state,
                       const shardctrl::SlotMove& move, uint64_t bytes,
                       const ClusterUsage& usage);

}  // namespace quorate::node

#endif  // QUORATE_NODE_CONTROLLER_MOVE_ROOM_H_

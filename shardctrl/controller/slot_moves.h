// shardctrl/controller/slot_moves.h: executes the commands about moves of
// slots, for apply.h.
#ifndef QUORATE_SHARDCTRL_CONTROLLER_SLOT_MOVES_H_
#define QUORATE_SHARDCTRL_CONTROLLER_SLOT_MOVES_H_

#include <vector>

#include "env/ids.h"
#include "env/time.h"
#include "shardctrl/controller/command.h"
#include "shardctrl/controller/state.h"

namespace quorate::shardctrl {

// Each either changes the state and returns kDone, or leaves it as it was.
ControllerAnswer ChangeMoves(const ControllerCommand::MoveSlots& command,
                             WallTime log_time, ClusterState* state);
ControllerAnswer ChangeMoves(const ControllerCommand::CancelMove& command,
                             WallTime log_time, ClusterState* state);
ControllerAnswer ChangeMoves(const ControllerCommand::PauseMove& command,
                             WallTime log_time, ClusterState* state);
ControllerAnswer ChangeMoves(const ControllerCommand::Rebalance& command,
                             WallTime log_time, ClusterState* state);
ControllerAnswer ChangeMoves(const ControllerCommand::RetireGroup& command,
                             WallTime log_time, ClusterState* state);
ControllerAnswer ChangeMoves(const ControllerCommand::ReportMove& command,
                             WallTime log_time, ClusterState* state);
ControllerAnswer ChangeMoves(const ControllerCommand::DecideMove& command,
                             WallTime log_time, ClusterState* state);
ControllerAnswer ChangeMoves(const ControllerCommand::ReportMoveEnd& command,
                             WallTime log_time, ClusterState* state);

// Begins to move slots to groups that were created and have their replicas now.
// They get the slots that they have once each group owns its share by weight.
void ShareSlots(WallTime log_time, ClusterState* state);

// Forgets moves that both groups have forgotten, and groups that have retired.
void EndMoves(WallTime log_time, ClusterState* state);

// The moves on which the leaders of both groups should work now, ascending.
// Each is open and not paused, and each of its groups has fewer than
// kMovesOfGroupMax earlier ones of that kind.
std::vector<MoveId> RunningMoves(const ClusterState& state);

ControllerAnswer NoSuchGroup(GroupId group);

}  // namespace quorate::shardctrl

#endif  // QUORATE_SHARDCTRL_CONTROLLER_SLOT_MOVES_H_

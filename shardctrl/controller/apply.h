// shardctrl/controller/apply.h: executes commands on the state of the
// controller.
//
// Deterministic: the answer and the new state follow from the state, the
// command and log time. A refused command changes nothing, not even the
// version.
#ifndef QUORATE_SHARDCTRL_CONTROLLER_APPLY_H_
#define QUORATE_SHARDCTRL_CONTROLLER_APPLY_H_

#include "env/time.h"
#include "shardctrl/controller/command.h"
#include "shardctrl/controller/state.h"

namespace quorate::shardctrl {

// Requires: DecodeCommand would accept the encoded command.
ControllerAnswer ApplyCommand(const ControllerCommand& command,
                              WallTime log_time, ClusterState* state);

// The answer that the command would get now. Nothing changes.
ControllerAnswer DryRun(const ClusterState& state, ControllerCommand command,
                        WallTime log_time);

}  // namespace quorate::shardctrl

#endif  // QUORATE_SHARDCTRL_CONTROLLER_APPLY_H_

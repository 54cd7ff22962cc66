// shardctrl/controller/remembered.h: the history and the finished operations of
// the state, as a part of ApplyCommand (apply.h).
#ifndef QUORATE_SHARDCTRL_CONTROLLER_REMEMBERED_H_
#define QUORATE_SHARDCTRL_CONTROLLER_REMEMBERED_H_

#include <cstdint>

#include "env/time.h"
#include "shardctrl/controller/command.h"
#include "shardctrl/controller/state.h"

namespace quorate::shardctrl {

// The digest by which a command that comes again is known. The author does not
// count.
uint64_t DigestOfOperation(const ControllerCommand& command);

// Adds a command that changed the state to the history, and to the finished
// operations if it has an id. The newest of them are kept.
void Remember(const ControllerCommand& command, uint64_t digest,
              WallTime log_time, const ControllerAnswer& answer,
              ClusterState* state);

}  // namespace quorate::shardctrl

#endif  // QUORATE_SHARDCTRL_CONTROLLER_REMEMBERED_H_

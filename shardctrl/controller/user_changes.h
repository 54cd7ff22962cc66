// shardctrl/controller/user_changes.h: the commands that change users, as a
// part of ApplyCommand (apply.h).
#ifndef QUORATE_SHARDCTRL_CONTROLLER_USER_CHANGES_H_
#define QUORATE_SHARDCTRL_CONTROLLER_USER_CHANGES_H_

#include "shardctrl/controller/command.h"
#include "shardctrl/controller/state.h"

namespace quorate::shardctrl {

// Either change the state and return kDone, or leave the state as it was. The
// caller raises the version after kDone.
ControllerAnswer ChangeUsers(const ControllerCommand::SetUser& set,
                             ClusterState* state);
ControllerAnswer ChangeUsers(const ControllerCommand::DeleteUsers& remove,
                             ClusterState* state);

}  // namespace quorate::shardctrl

#endif  // QUORATE_SHARDCTRL_CONTROLLER_USER_CHANGES_H_

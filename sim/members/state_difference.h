// sim/members/state_difference.h: the first part in which two states of the
// controller differ, for people.
#ifndef QUORATE_SIM_MEMBERS_STATE_DIFFERENCE_H_
#define QUORATE_SIM_MEMBERS_STATE_DIFFERENCE_H_

#include <string>

#include "shardctrl/controller/state.h"

namespace quorate::sim {

// Such as "node 3: weight is 7 instead of 100". Empty: they are equal.
std::string FindDifference(const shardctrl::ClusterState& shown,
                           const shardctrl::ClusterState& expected);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_MEMBERS_STATE_DIFFERENCE_H_

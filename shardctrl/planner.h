// shardctrl/planner.h: pure functions that assign slots to groups.
//
// One function, for a static map: slots never move. It does not use nodes.
#ifndef QUORATE_SHARDCTRL_PLANNER_H_
#define QUORATE_SHARDCTRL_PLANNER_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "shardctrl/map.h"

namespace quorate::shardctrl {

// Returns contiguous ranges that cover [0, slot_count), in the order of
// `groups`. Their sizes differ by at most one. If there are more groups than
// slots, the last groups get none. Requires: groups not empty.
std::vector<Assignment> AssignEvenly(uint32_t slot_count,
                                     absl::Span<const GroupId> groups);

}  // namespace quorate::shardctrl

#endif  // QUORATE_SHARDCTRL_PLANNER_H_

// shardctrl/planner.h: pure functions that assign slots to groups.
//
// One function, for a static map: nothing moves slots yet. Knows nothing of
// nodes.
#ifndef QUORATE_SHARDCTRL_PLANNER_H_
#define QUORATE_SHARDCTRL_PLANNER_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "shardctrl/map.h"

namespace quorate::shardctrl {

// Contiguous ranges in the order of `groups` that cover [0, slot_count), with sizes that differ by one at most. Groups beyond the
// count of slots get none. Requires: groups not empty.
std::vector<Assignment> AssignEvenly(uint32_t slot_count,
                                     absl::Span<const GroupId> groups);

}  // namespace quorate::shardctrl

#endif  // QUORATE_SHARDCTRL_PLANNER_H_

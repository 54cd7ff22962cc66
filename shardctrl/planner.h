// shardctrl/planner.h: pure functions that assign slots to groups.
//
// They do not use nodes: placement.h places the replicas of groups.
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

// Slots that should change their owner.
struct SlotTransfer {
  SlotRange slots = {};
  GroupId from = {};
  GroupId to = {};
  friend bool operator==(const SlotTransfer&, const SlotTransfer&) = default;
};

// Returns the transfers after which `groups` share all slots, sorted by slot.
// The numbers of slots of any two differ by at most one then, and no plan that
// reaches this moves fewer slots. Owners that are not among `groups` keep none.
// Slots in `pinned` stay where they are; the rest is balanced as well as that
// allows. Neighbours of a group's slots are taken first, so ranges stay few.
//
// `owners` has each slot of [0, slot_count) once. The order of the inputs does
// not matter. Requires: groups not empty. Cost: linear in the slots.
std::vector<SlotTransfer> PlanBalance(absl::Span<const Assignment> owners,
                                      absl::Span<const GroupId> groups,
                                      absl::Span<const SlotRange> pinned = {});

}  // namespace quorate::shardctrl

#endif  // QUORATE_SHARDCTRL_PLANNER_H_

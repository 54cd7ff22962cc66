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

// A group that shall own slots, in proportion to its weight.
struct SlotShare {
  GroupId group = {};
  uint64_t weight = 1;  // Requires: at least 1.
  bool takes = true;    // False: it gives slots above its share, and gets none.
};

// Returns the transfers after which `shares` have all slots, sorted by slot.
// Each group then has its share of the slots by weight, rounded up or down, and
// no plan that reaches this moves fewer slots. Other owners keep none. Slots in
// `pinned` stay where they are; the rest is balanced as well as that allows.
// Neighbours of a group's slots are taken first, so ranges stay few.
//
// `owners` has each slot of [0, slot_count) once. The order of the inputs does
// not matter. Requires: shares not empty. Cost: linear in the slots.
std::vector<SlotTransfer> PlanBalance(absl::Span<const Assignment> owners,
                                      absl::Span<const SlotShare> shares,
                                      absl::Span<const SlotRange> pinned = {});

}  // namespace quorate::shardctrl

#endif  // QUORATE_SHARDCTRL_PLANNER_H_

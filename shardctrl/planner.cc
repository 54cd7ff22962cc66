#include "shardctrl/planner.h"

#include "env/check.h"

namespace quorate::shardctrl {

std::vector<Assignment> AssignEvenly(uint32_t slot_count,
                                     absl::Span<const GroupId> groups) {
  CHECK(!groups.empty());
  std::vector<Assignment> assignments;
  const uint64_t count = groups.size();
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t begin = slot_count * i / count;
    const uint64_t end = slot_count * (i + 1) / count;
    if (begin == end) continue;
    assignments.push_back({.slots = {Slot(static_cast<uint16_t>(begin)),
                                     Slot(static_cast<uint16_t>(end - 1))},
                           .group = groups[i]});
  }
  return assignments;
}

}  // namespace quorate::shardctrl

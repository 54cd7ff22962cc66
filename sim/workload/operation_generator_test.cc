// Keys of drawn operations: each kind where the checkers expect it.
#include "sim/workload/operation_generator.h"

#include <set>

#include "gtest/gtest.h"
#include "kv/slots/slot.h"

namespace quorate::sim {
namespace {

// The removal of a due key has no place in the log. A check of absence, which
// is per slot, would meet such a removal in a slot that both kinds share.
TEST(OperationGenerator, KeysThatExpire_ShareNoSlotWithOthers) {
  for (const uint32_t tags : {0u, 1u, 3u, 16u}) {
    OperationGenerator generator(1, {.keys = 2000, .tags = tags}, Random(7));
    std::set<Slot> expiring;
    std::set<Slot> lasting;
    for (uint64_t number = 0; number < 20'000; ++number) {
      const ClientOperation operation =
          generator.Draw(number, Random(number), /*now_ms=*/1);
      (operation.expiry.has_value() ? expiring : lasting)
          .insert(kv::HashSlot(operation.call.key));
    }
    EXPECT_GT(expiring.size(), tags == 0 ? 1000u : 0u);
    EXPECT_GT(lasting.size(), tags == 0 ? 1000u : 0u);
    for (const Slot slot : expiring) EXPECT_FALSE(lasting.contains(slot));
  }
}

}  // namespace
}  // namespace quorate::sim

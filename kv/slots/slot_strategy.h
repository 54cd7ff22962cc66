// kv/slots/slot_strategy.h: how a cluster maps keys to slots.
//
// A node makes one strategy from what its cluster was founded with, and all its
// sessions use that object. A further way to partition keys is a further
// implementation.
#ifndef QUORATE_KV_SLOTS_SLOT_STRATEGY_H_
#define QUORATE_KV_SLOTS_SLOT_STRATEGY_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "absl/types/span.h"
#include "shardctrl/partition.h"

namespace quorate::kv {

// Immutable.
class SlotStrategy {
 public:
  virtual ~SlotStrategy() = default;

  virtual Slot SlotOf(std::string_view key) const = 0;
  // SlotOf is below it.
  virtual uint32_t slot_count() const = 0;
  // Whether a key never has a lower slot than a lesser key.
  virtual bool ordered() const { return false; }

  // The slot of all keys at positions first, first + step, … last of `words`;
  // nullopt if they have several. Requires: first <= last < words.size(), and
  // step > 0.
  std::optional<Slot> CommonSlot(absl::Span<const std::string_view> words,
                                 size_t first, size_t last, size_t step) const;
};

// Requires: CheckSlotCount and CheckSplitKeys accept the division.
std::unique_ptr<const SlotStrategy> MakeSlotStrategy(
    const KeyDivision& division);

}  // namespace quorate::kv

#endif  // QUORATE_KV_SLOTS_SLOT_STRATEGY_H_

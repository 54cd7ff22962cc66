#include "kv/slots/slot_strategy.h"

#include "env/check.h"
#include "kv/slots/slot.h"

namespace quorate::kv {
namespace {

class HashSlots final : public SlotStrategy {
 public:
  Slot SlotOf(std::string_view key) const override { return HashSlot(key); }
  uint32_t slot_count() const override { return kHashSlotCount; }
};

class LastCharacter final : public SlotStrategy {
 public:
  explicit LastCharacter(uint32_t slot_count) : slot_count_(slot_count) {}
  Slot SlotOf(std::string_view key) const override {
    if (key.empty()) return Slot(0);
    return Slot(
        static_cast<uint16_t>(static_cast<uint8_t>(key.back()) % slot_count_));
  }
  uint32_t slot_count() const override { return slot_count_; }

 private:
  const uint32_t slot_count_;
};

}  // namespace

std::optional<Slot> SlotStrategy::CommonSlot(
    absl::Span<const std::string_view> words, size_t first, size_t last,
    size_t step) const {
  CHECK_LT(last, words.size());
  const Slot slot = SlotOf(words[first]);
  for (size_t i = first + step; i <= last; i += step) {
    if (SlotOf(words[i]) != slot) return std::nullopt;
  }
  return slot;
}

std::unique_ptr<const SlotStrategy> MakeSlotStrategy(Partitioner partitioner,
                                                     uint32_t slot_count) {
  CHECK_GT(slot_count, 0u);
  switch (partitioner) {
    case Partitioner::kHashSlots:
      CHECK_EQ(slot_count, kHashSlotCount);
      return std::make_unique<HashSlots>();
    case Partitioner::kLastCharacter:
      return std::make_unique<LastCharacter>(slot_count);
  }
  CHECK(false) << "partitioner " << static_cast<int>(partitioner);
  return nullptr;
}

}  // namespace quorate::kv

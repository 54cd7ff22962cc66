#include "kv/slots/slot_strategy.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

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

class KeyRanges final : public SlotStrategy {
 public:
  explicit KeyRanges(std::vector<std::string> split_keys)
      : split_keys_(std::move(split_keys)) {}
  Slot SlotOf(std::string_view key) const override {
    const auto behind =
        std::upper_bound(split_keys_.begin(), split_keys_.end(), key);
    return Slot(static_cast<uint16_t>(behind - split_keys_.begin()));
  }
  uint32_t slot_count() const override {
    return static_cast<uint32_t>(split_keys_.size() + 1);
  }
  bool ordered() const override { return true; }

 private:
  const std::vector<std::string> split_keys_;
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

std::unique_ptr<const SlotStrategy> MakeSlotStrategy(
    const KeyDivision& division) {
  const Partitioner partitioner = division.partitioner;
  absl::Status valid = CheckSlotCount(partitioner, division.slot_count);
  if (valid.ok()) valid = CheckSplitKeys(division);
  CHECK(valid.ok()) << valid.ToString();
  switch (partitioner) {
    case Partitioner::kHashSlots:
      return std::make_unique<HashSlots>();
    case Partitioner::kLastCharacter:
      return std::make_unique<LastCharacter>(division.slot_count);
    case Partitioner::kKeyRanges:
      return std::make_unique<KeyRanges>(division.split_keys);
  }
  CHECK(false) << "partitioner " << static_cast<int>(partitioner);
  return nullptr;
}

}  // namespace quorate::kv

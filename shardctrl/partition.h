// shardctrl/partition.h: slots, ranges of slots, and the strategies that map a
// key to its slot.
//
// Values only. kv/slots/slot_strategy.h computes the slot of a key.
#ifndef QUORATE_SHARDCTRL_PARTITION_H_
#define QUORATE_SHARDCTRL_PARTITION_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "env/strong_types.h"

namespace quorate {

// The unit of ownership, digest and movement: 0 … slot_count - 1. Slot 0 is an
// ordinary slot.
using Slot = StrongId<struct SlotTag, uint16_t>;

// The number of slots of Redis Cluster.
inline constexpr uint32_t kHashSlotCount = 16384;

// How a key is mapped to a slot. The numbers are stored, so never renumber
// them.
enum class Partitioner : uint8_t {
  // CRC16 of the key or of its hash tag, modulo kHashSlotCount. The only
  // strategy that cluster clients support.
  kHashSlots = 1,
  // The last byte of the key modulo the number of slots; an empty key has slot
  // 0. An example of skew.
  kLastCharacter = 2,
  // By the order of the keys' bytes. Slot i has the keys that are less than
  // split key i, but not less than split key i - 1.
  kKeyRanges = 3,
};

// The most slots of kLastCharacter and of kKeyRanges.
inline constexpr uint32_t kFewSlotsMax = 256;
inline constexpr size_t kSplitKeysMax = kFewSlotsMax - 1;
inline constexpr size_t kSplitKeyBytesMax = 128;

constexpr std::string_view PartitionerName(Partitioner partitioner) {
  switch (partitioner) {
    case Partitioner::kHashSlots:
      return "hash_slots";
    case Partitioner::kLastCharacter:
      return "last_character";
    case Partitioner::kKeyRanges:
      return "key_ranges";
  }
  return "invalid";
}

// How a cluster divides its keys into slots. Never changes after the founding.
struct KeyDivision {
  Partitioner partitioner = Partitioner::kHashSlots;
  uint32_t slot_count = kHashSlotCount;
  // Of kKeyRanges: one less than slots, ascending without duplicates, from 1 to
  // kSplitKeyBytesMax bytes each.
  std::vector<std::string> split_keys = {};
  friend bool operator==(const KeyDivision&, const KeyDivision&) = default;
};

// OK if the partitioner may have so many slots. Else kInvalidArgument.
absl::Status CheckSlotCount(Partitioner partitioner, uint32_t slot_count);
// OK if the split keys suit the partitioner and the count of slots. Else
// kInvalidArgument.
absl::Status CheckSplitKeys(const KeyDivision& division);

// Slots first … last, inclusive, so never empty. Invariant: first <= last.
struct SlotRange {
  Slot first = {};
  Slot last = {};
  constexpr uint32_t size() const { return last.value() - first.value() + 1u; }
  constexpr bool Contains(Slot slot) const {
    return first <= slot && slot <= last;
  }
  friend constexpr auto operator<=>(const SlotRange&,
                                    const SlotRange&) = default;
  friend std::ostream& operator<<(std::ostream& out, SlotRange range) {
    return out << range.first << "-" << range.last;
  }
};

}  // namespace quorate

#endif  // QUORATE_SHARDCTRL_PARTITION_H_

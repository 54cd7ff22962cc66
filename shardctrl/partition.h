// shardctrl/partition.h: slots, ranges of slots, and the strategies that map a
// key to its slot.
//
// Values only. kv/slots/slot.h computes the slot of a key.
#ifndef QUORATE_SHARDCTRL_PARTITION_H_
#define QUORATE_SHARDCTRL_PARTITION_H_

#include <compare>
#include <cstdint>
#include <ostream>
#include <string_view>

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
  // The last byte of the key modulo the number of shards; an empty key has slot
  // 0. An example of skew.
  kLastCharacter = 2,
};

constexpr std::string_view PartitionerName(Partitioner partitioner) {
  switch (partitioner) {
    case Partitioner::kHashSlots:
      return "hash_slots";
    case Partitioner::kLastCharacter:
      return "last_character";
  }
  return "invalid";
}

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

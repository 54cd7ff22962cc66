// kv/slots/slot_scan.h: visits the keys of a range of slots in bounded steps.
//
// A cursor names a slot and a position in it. A scan visits every key that is
// present from its first step to its last, on whichever replica each step runs.
#ifndef QUORATE_KV_SLOTS_SLOT_SCAN_H_
#define QUORATE_KV_SLOTS_SLOT_SCAN_H_

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "shardctrl/partition.h"

namespace quorate::kv {

// The position of a scan within one slot: the first bits of a keyed hash. A
// position is valid on every replica, across writes, restarts and leader
// changes. One step visits all keys of a position, so that a scan neither loses
// a key nor returns to a position.
struct ScanPosition {
  // Some clients read a cursor as a double, which holds integers of 53 bits.
  // Slot and position use 34 bits; node/resp/key_scan.cc uses the other 19.
  static constexpr int kBits = 20;
  uint64_t value = 0;  // 0: the beginning.
};
struct ScanStep {
  bool done = false;  // Nothing is left in this slot; `next` is 0.
  ScanPosition next = {};
  // If done: no slot between this one and `next_slot` has a key.
  uint32_t next_slot = 0;
};

// A cursor has the slot in its low bits and the position above them. 0 is both
// the beginning of all slots and the cursor of a finished scan.
inline constexpr int kCursorSlotBits = 14;
inline constexpr int kCursorBits = kCursorSlotBits + ScanPosition::kBits;
constexpr uint64_t MakeCursor(Slot slot, ScanPosition position) {
  return position.value << kCursorSlotBits | slot.value();
}
constexpr Slot CursorSlot(uint64_t cursor) {
  return Slot(
      static_cast<uint16_t>(cursor & ((uint64_t{1} << kCursorSlotBits) - 1)));
}
constexpr ScanPosition CursorPosition(uint64_t cursor) {
  constexpr uint64_t kMask = (uint64_t{1} << ScanPosition::kBits) - 1;
  return {cursor >> kCursorSlotBits & kMask};
}
// The second number of Op::kScan.
constexpr int64_t ScanBounds(Slot last, uint32_t count) {
  return int64_t{last.value()} << 32 | count;
}

// A step ends after about this many bytes of keys.
inline constexpr size_t kScanBytesMax = 1 << 20;

using ScanVisit = absl::FunctionRef<void(std::string_view key)>;
// Visits about `count_max` keys of one slot.
using ScanSlot = absl::FunctionRef<ScanStep(Slot slot, ScanPosition from,
                                            size_t count_max, ScanVisit visit)>;
struct ScanResult {
  std::vector<std::string_view> keys;
  uint64_t next = 0;  // The next cursor; 0 after the last slot.
};

// Runs one step, given the two numbers of Op::kScan.
ScanResult ScanSlots(int64_t cursor, int64_t bounds, ScanSlot scan);

}  // namespace quorate::kv

#endif  // QUORATE_KV_SLOTS_SLOT_SCAN_H_

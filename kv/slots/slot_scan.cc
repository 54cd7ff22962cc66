#include "kv/slots/slot_scan.h"

#include <algorithm>

namespace quorate::kv {
namespace {

// Keys visited at once. The number is small, so that long keys do not add up.
constexpr size_t kKeysAtOnce = 64;

}  // namespace

ScanResult ScanSlots(int64_t cursor, int64_t bounds, ScanSlot scan) {
  ScanResult result;
  ScanPosition position = CursorPosition(static_cast<uint64_t>(cursor));
  uint32_t slot = CursorSlot(static_cast<uint64_t>(cursor)).value();
  const auto last = static_cast<uint32_t>(bounds >> 32);
  auto left = static_cast<size_t>(bounds & 0xffffffff);
  size_t bytes = 0;
  while (slot <= last) {
    if (left == 0 || bytes >= kScanBytesMax) {
      result.next = MakeCursor(Slot(static_cast<uint16_t>(slot)), position);
      return result;
    }
    const size_t before = result.keys.size();
    const ScanStep step =
        scan(Slot(static_cast<uint16_t>(slot)), position,
             std::min(left, kKeysAtOnce), [&](std::string_view key) {
               bytes += key.size();
               result.keys.push_back(key);
             });
    // Due keys count as well, so that every step is bounded.
    const size_t visited =
        std::max<size_t>(result.keys.size() - before, step.done ? 0 : 1);
    left -= std::min(left, visited);
    position = step.next;
    if (step.done) slot = std::max(slot + 1, step.next_slot);
  }
  return result;
}

}  // namespace quorate::kv

#include "kv/store/ownership.h"

#include <algorithm>

#include "env/check.h"
#include "kv/slots/keyed_hash.h"

namespace quorate::kv {

Ownership::Ownership(uint32_t slot_count, absl::Span<const SlotRange> ranges)
    : ranges_(ranges.begin(), ranges.end()) {
  for (const SlotRange& range : ranges_) {
    CHECK_LE(range.first, range.last);
    CHECK_LT(range.last.value(), slot_count);
  }
  Merge();
  digest_ = HashWord(0, slot_count);
  for (const SlotRange& range : ranges_) {
    digest_ = HashWord(digest_, uint64_t{range.first.value()} << 16 |
                                    uint64_t{range.last.value()});
  }
}

void Ownership::Merge() {
  std::stable_sort(
      ranges_.begin(), ranges_.end(),
      [](const SlotRange& a, const SlotRange& b) { return a.first < b.first; });
  size_t merged = 0;
  for (const SlotRange& range : ranges_) {
    if (merged > 0 &&
        range.first.value() <= ranges_[merged - 1].last.value() + 1) {
      ranges_[merged - 1].last = std::max(ranges_[merged - 1].last, range.last);
    } else {
      ranges_[merged++] = range;
    }
  }
  ranges_.resize(merged);
}

bool Ownership::OwnsAll(SlotRange range) const {
  if (range.last < range.first) return true;
  return std::any_of(
      ranges_.begin(), ranges_.end(), [&](const SlotRange& owned) {
        return owned.first <= range.first && range.last <= owned.last;
      });
}

}  // namespace quorate::kv

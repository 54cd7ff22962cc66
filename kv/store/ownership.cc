#include "kv/store/ownership.h"

#include "env/check.h"
#include "kv/slots/keyed_hash.h"

namespace quorate::kv {

Ownership::Ownership(uint32_t slot_count, absl::Span<const SlotRange> ranges)
    : owned_(slot_count) {
  for (const SlotRange& range : ranges) {
    CHECK_LE(range.first, range.last);
    CHECK_LT(range.last.value(), slot_count);
    for (uint32_t slot = range.first.value(); slot <= range.last.value();
         ++slot) {
      owned_[slot] = true;
    }
  }
  digest_ = HashWord(0, slot_count);
  for (uint32_t slot = 0; slot < slot_count; ++slot) {
    if (!owned_[slot]) continue;
    const Slot here(static_cast<uint16_t>(slot));
    if (slot == 0 || !owned_[slot - 1]) ranges_.push_back({here, here});
    ranges_.back().last = here;
  }
  for (const SlotRange& range : ranges_) {
    digest_ = HashWord(digest_, uint64_t{range.first.value()} << 16 |
                                    uint64_t{range.last.value()});
  }
}

bool Ownership::OwnsAll(SlotRange range) const {
  for (uint32_t slot = range.first.value(); slot <= range.last.value();
       ++slot) {
    if (!Owns(Slot(static_cast<uint16_t>(slot)))) return false;
  }
  return true;
}

}  // namespace quorate::kv

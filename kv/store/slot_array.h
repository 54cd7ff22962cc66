// kv/store/slot_array.h: one value for each slot, in pages that exist only
// where a value was set.
//
// A group that starts uses few slots. An array of all slots would cost time at
// each start and in each visit.
#ifndef QUORATE_KV_STORE_SLOT_ARRAY_H_
#define QUORATE_KV_STORE_SLOT_ARRAY_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "shardctrl/partition.h"

namespace quorate::kv {

template <typename T>
class SlotArray {
 public:
  explicit SlotArray(uint32_t slot_count)
      : slot_count_(slot_count),
        pages_((slot_count + kPageSlots - 1) / kPageSlots) {}

  uint32_t slot_count() const { return slot_count_; }

  // Returns null if no value of the slot's page was set. Requires: slot <
  // slot_count().
  const T* Find(Slot slot) const {
    const Page* page = pages_[slot.value() / kPageSlots].get();
    return page == nullptr ? nullptr : &(*page)[slot.value() % kPageSlots];
  }
  T* Find(Slot slot) {
    return const_cast<T*>(static_cast<const SlotArray*>(this)->Find(slot));
  }
  // The value, which is T{} if it was never set. Requires: slot < slot_count().
  T& operator[](Slot slot) {
    std::unique_ptr<Page>& page = pages_[slot.value() / kPageSlots];
    if (page == nullptr) page = std::make_unique<Page>();
    return (*page)[slot.value() % kPageSlots];
  }
  // The first slot from `slot` on whose page exists. slot_count(): none.
  uint32_t NextFrom(uint32_t slot) const {
    while (slot < slot_count_ && pages_[slot / kPageSlots] == nullptr) {
      slot = PageEnd(slot);
    }
    return std::min(slot, slot_count_);
  }
  // Calls visit(Slot, const T&) for the slots of `range` whose page exists, in
  // order. Requires: range.last < slot_count().
  template <typename Visit>
  void ForEach(const SlotRange& range, Visit&& visit) const {
    const uint32_t end = range.last.value() + 1u;
    for (uint32_t slot = NextFrom(range.first.value()); slot < end;
         slot = NextFrom(slot)) {
      const Page& page = *pages_[slot / kPageSlots];
      const uint32_t page_end = std::min(end, PageEnd(slot));
      for (; slot < page_end; ++slot) {
        visit(Slot(static_cast<uint16_t>(slot)), page[slot % kPageSlots]);
      }
    }
  }
  // ForEach of all slots.
  template <typename Visit>
  void ForEach(Visit&& visit) const {
    ForEach({Slot(0), Slot(static_cast<uint16_t>(slot_count_ - 1))}, visit);
  }

 private:
  static constexpr uint32_t kPageSlots = 64;
  using Page = std::array<T, kPageSlots>;

  static uint32_t PageEnd(uint32_t slot) {
    return (slot / kPageSlots + 1) * kPageSlots;
  }

  uint32_t slot_count_;
  std::vector<std::unique_ptr<Page>> pages_;
};

}  // namespace quorate::kv

#endif  // QUORATE_KV_STORE_SLOT_ARRAY_H_

// kv/store/slot_array.h: one value for each slot, in pages that exist only
// where a value was set.
//
// Most groups use few slots. Without values the array allocates nothing; the
// first value of all costs a root, a branch and a page.
#ifndef QUORATE_KV_STORE_SLOT_ARRAY_H_
#define QUORATE_KV_STORE_SLOT_ARRAY_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/types/span.h"
#include "shardctrl/partition.h"

namespace quorate::kv {

template <typename T>
class SlotArray {
 public:
  explicit SlotArray(uint32_t slot_count) : slot_count_(slot_count) {}

  uint32_t slot_count() const { return slot_count_; }
  SlotRange AllSlots() const {
    return {Slot(0), Slot(static_cast<uint16_t>(slot_count_ - 1))};
  }

  // Returns null if no value of the slot's page was set. Requires: slot <
  // slot_count().
  const T* Find(Slot slot) const {
    const Page* page = FindPage(slot.value());
    return page == nullptr ? nullptr : &(*page)[slot.value() % kPageSlots];
  }
  T* Find(Slot slot) {
    return const_cast<T*>(static_cast<const SlotArray*>(this)->Find(slot));
  }
  // Brings the value into the processor's cache. It may be in two cache lines.
  void Prefetch(Slot slot) const {
    const char* value = reinterpret_cast<const char*>(Find(slot));
    if (value == nullptr) return;
    __builtin_prefetch(value);
    __builtin_prefetch(value + sizeof(T) - 1);
  }
  // The value, which is T{} if it was never set. Requires: slot < slot_count().
  T& operator[](Slot slot) {
    if (root_ == nullptr) root_ = std::make_unique<Root>();
    std::unique_ptr<Branch>& branch = (*root_)[slot.value() / kBranchSlots];
    if (branch == nullptr) branch = std::make_unique<Branch>();
    std::unique_ptr<Page>& page =
        (*branch)[slot.value() / kPageSlots % kBranchPages];
    if (page == nullptr) page = std::make_unique<Page>();
    return (*page)[slot.value() % kPageSlots];
  }
  // The first slot from `slot` on whose page exists. slot_count(): none.
  uint32_t NextFrom(uint32_t slot) const {
    if (root_ == nullptr) return slot_count_;
    while (slot < slot_count_) {
      if ((*root_)[slot / kBranchSlots] == nullptr) {
        slot = (slot / kBranchSlots + 1) * kBranchSlots;
      } else if (FindPage(slot) == nullptr) {
        slot = PageEnd(slot);
      } else {
        return slot;
      }
    }
    return slot_count_;
  }
  // Calls visit(Slot first, absl::Span<const T>) for each page of the slots of
  // `range`, in order. The span has the values of `first` and the slots behind
  // it. Requires: range.last < slot_count().
  template <typename Visit>
  void ForEachPage(const SlotRange& range, Visit&& visit) const {
    const uint32_t end = range.last.value() + 1u;
    for (uint32_t slot = NextFrom(range.first.value()); slot < end;
         slot = NextFrom(slot)) {
      const uint32_t page_end = std::min(end, PageEnd(slot));
      visit(Slot(static_cast<uint16_t>(slot)),
            absl::MakeConstSpan(*FindPage(slot))
                .subspan(slot % kPageSlots, page_end - slot));
      slot = page_end;
    }
  }
  // The first slot from `slot` on whose page exists and whose value matches.
  // slot_count(): none.
  template <typename Matches>
  uint32_t NextWhere(uint32_t slot, Matches&& matches) const {
    for (slot = NextFrom(slot); slot < slot_count_; slot = NextFrom(slot)) {
      const Page& page = *FindPage(slot);
      const uint32_t page_end = std::min(slot_count_, PageEnd(slot));
      for (; slot < page_end; ++slot) {
        if (matches(page[slot % kPageSlots])) return slot;
      }
    }
    return slot_count_;
  }
  // Calls visit(Slot, const T&) for the slots of `range` whose page exists, in
  // order. Requires: range.last < slot_count().
  template <typename Visit>
  void ForEach(const SlotRange& range, Visit&& visit) const {
    ForEachPage(range, [&](Slot first, absl::Span<const T> values) {
      for (size_t i = 0; i < values.size(); ++i) {
        visit(Slot(static_cast<uint16_t>(first.value() + i)), values[i]);
      }
    });
  }
  // ForEach of all slots.
  template <typename Visit>
  void ForEach(Visit&& visit) const {
    ForEach(AllSlots(), visit);
  }

 private:
  static constexpr uint32_t kPageSlots = 16;
  static constexpr uint32_t kBranchPages = 64;
  static constexpr uint32_t kBranchSlots = kPageSlots * kBranchPages;
  using Page = std::array<T, kPageSlots>;
  using Branch = std::array<std::unique_ptr<Page>, kBranchPages>;
  // Enough for every value of a Slot.
  using Root = std::array<std::unique_ptr<Branch>, 65'536 / kBranchSlots>;

  // Null if no value of the page was set.
  const Page* FindPage(uint32_t slot) const {
    if (root_ == nullptr) return nullptr;
    const Branch* branch = (*root_)[slot / kBranchSlots].get();
    if (branch == nullptr) return nullptr;
    return (*branch)[slot / kPageSlots % kBranchPages].get();
  }

  static uint32_t PageEnd(uint32_t slot) {
    return (slot / kPageSlots + 1) * kPageSlots;
  }

  uint32_t slot_count_;
  std::unique_ptr<Root> root_;
};

}  // namespace quorate::kv

#endif  // QUORATE_KV_STORE_SLOT_ARRAY_H_

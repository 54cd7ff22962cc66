// lincheck/search/window.h: which operations are open while a search stands at
// a return. For lincheck/search/search.cc alone.
#ifndef QUORATE_LINCHECK_SEARCH_WINDOW_H_
#define QUORATE_LINCHECK_SEARCH_WINDOW_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "lincheck/search/configurations.h"
#include "lincheck/search/search_plan.h"

namespace quorate::lincheck {

// Which known operations are open at a return: invoked before it or with it,
// and not returned yet.
template <size_t kWords>
class OpenOperations {
 public:
  explicit OpenOperations(const SearchPlan& plan)
      : plan_(plan), operations_(plan.slot_count, SearchPlan::kNone) {
    OpenFrom(0);
  }

  // Requires: at < SearchPlan::returns.size().
  void MoveTo(size_t at) {
    while (at_ < at) {
      Close(plan_.returns[at_]);
      OpenFrom(plan_.invoked[at_++]);
    }
    while (at_ > at) {
      --at_;
      for (uint32_t op = plan_.invoked[at_]; op < plan_.invoked[at_ + 1];
           ++op) {
        Close(op);
      }
      Open(plan_.returns[at_]);
    }
  }

  uint32_t operation(uint32_t slot) const { return operations_[slot]; }
  bool open(uint32_t op) const { return operations_[plan_.slots[op]] == op; }
  // The first known operation that is not open yet.
  uint32_t next() const { return plan_.invoked[at_]; }
  // Slots.
  const std::vector<uint32_t>& reads() const { return reads_; }
  // By class, then by return.
  const std::vector<uint32_t>& writes() const { return writes_; }
  // Those writes that are blind.
  const SlotSet<kWords>& blind() const { return blind_; }

 private:
  // Opens what is invoked by now, from `op` on.
  void OpenFrom(uint32_t op) {
    if (at_ == plan_.returns.size()) return;
    for (; op < plan_.invoked[at_]; ++op) Open(op);
  }
  void Open(uint32_t op) {
    const uint32_t slot = plan_.slots[op];
    operations_[slot] = op;
    if (plan_.is_read[op]) {
      reads_.push_back(slot);
      return;
    }
    if (plan_.known_nature[op].blind) blind_.Add(slot);
    auto at = writes_.end();
    while (at != writes_.begin() &&
           plan_.class_rank[operations_[at[-1]]] > plan_.class_rank[op]) {
      --at;
    }
    writes_.insert(at, slot);
  }
  void Close(uint32_t op) {
    const uint32_t slot = plan_.slots[op];
    std::vector<uint32_t>& list = plan_.is_read[op] ? reads_ : writes_;
    list.erase(std::find(list.begin(), list.end(), slot));
    blind_.Remove(slot);
    operations_[slot] = SearchPlan::kNone;
  }

  const SearchPlan& plan_;
  size_t at_ = 0;                     // Into SearchPlan::returns.
  std::vector<uint32_t> operations_;  // By slot.
  std::vector<uint32_t> reads_;
  std::vector<uint32_t> writes_;
  SlotSet<kWords> blind_;
};

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_SEARCH_WINDOW_H_

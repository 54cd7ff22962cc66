// kv/store/ownership.h: which slots a group owns, as a set with a digest.
//
// Every replica checks ownership at apply. shardctrl decides which group owns
// which slots.
#ifndef QUORATE_KV_STORE_OWNERSHIP_H_
#define QUORATE_KV_STORE_OWNERSHIP_H_

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <vector>

#include "absl/types/span.h"
#include "shardctrl/partition.h"

namespace quorate::kv {

class Ownership {
 public:
  // Requires: ranges within slot_count. They may touch and overlap.
  Ownership(uint32_t slot_count, absl::Span<const SlotRange> ranges);

  // By a search in the ranges: a bit for each slot would be most of an empty
  // group's memory.
  bool Owns(Slot slot) const {
    const auto after = std::upper_bound(
        ranges_.begin(), ranges_.end(), slot,
        [](Slot a, const SlotRange& b) { return a < b.first; });
    return after != ranges_.begin() && slot <= std::prev(after)->last;
  }
  bool OwnsAll(SlotRange range) const;
  // Sorted, merged.
  const std::vector<SlotRange>& ranges() const { return ranges_; }
  uint64_t digest() const { return digest_; }

 private:
  // Sorts ranges_, and joins those that touch or overlap.
  void Merge();

  std::vector<SlotRange> ranges_;
  uint64_t digest_ = 0;
};

}  // namespace quorate::kv

#endif  // QUORATE_KV_STORE_OWNERSHIP_H_

// kv/store/ownership.h: which slots a group owns, as a set with a digest.
//
// Every replica checks ownership at apply. shardctrl decides which group owns
// which slots.
#ifndef QUORATE_KV_STORE_OWNERSHIP_H_
#define QUORATE_KV_STORE_OWNERSHIP_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "shardctrl/partition.h"

namespace quorate::kv {

class Ownership {
 public:
  // Requires: ranges within slot_count. They may touch and overlap.
  Ownership(uint32_t slot_count, absl::Span<const SlotRange> ranges);

  bool Owns(Slot slot) const {
    return slot.value() < owned_.size() && owned_[slot.value()];
  }
  bool OwnsAll(SlotRange range) const;
  // Sorted, merged.
  const std::vector<SlotRange>& ranges() const { return ranges_; }
  uint64_t digest() const { return digest_; }

 private:
  // Sorts ranges_, and joins those that touch or overlap.
  void Merge();

  std::vector<bool> owned_;
  std::vector<SlotRange> ranges_;
  uint64_t digest_ = 0;
};

}  // namespace quorate::kv

#endif  // QUORATE_KV_STORE_OWNERSHIP_H_

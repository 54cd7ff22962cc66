// kv/store/ownership.h: which slots a group owns, since when, and a digest.
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
#include "env/strong_types.h"
#include "shardctrl/partition.h"

namespace quorate::kv {

// Counts the groups that have owned a slot, so of two owners the one with the
// greater epoch is the later. Zero: that of a group that was founded before
// slots had epochs.
using SlotEpoch = StrongOrdinal<struct SlotEpochTag>;

// The state of a slot in a group. The numbers are stored, so never renumber
// them. Others are reserved, for slots that move.
enum class SlotState : uint8_t { kOwned = 1 };

// Slots first … last, inclusive, that have all else in common. Invariant:
// first <= last.
struct SlotRun {
  Slot first = {};
  Slot last = {};
  SlotEpoch epoch = {};
  SlotState state = SlotState::kOwned;
  friend bool operator==(const SlotRun&, const SlotRun&) = default;
};

// The slots of the runs, which are sorted, in as few ranges as possible.
std::vector<SlotRange> RangesOf(absl::Span<const SlotRun> runs);

class Ownership {
 public:
  // Requires: runs within slot_count. They may touch, and overlap if they have
  // one epoch.
  Ownership(uint32_t slot_count, absl::Span<const SlotRun> runs);

  // By a search in the runs: a bit for each slot would be most of an empty
  // group's memory.
  bool Owns(Slot slot) const {
    const auto run = Find(slot);
    return run != runs_.end() && slot <= run->last;
  }
  bool OwnsAll(SlotRange range) const;
  // Sorted; neighbours differ in more than their slots.
  const std::vector<SlotRun>& runs() const { return runs_; }
  uint64_t digest() const { return digest_; }

 private:
  // The last run that begins at or before `slot`.
  std::vector<SlotRun>::const_iterator Find(Slot slot) const {
    const auto after =
        std::upper_bound(runs_.begin(), runs_.end(), slot,
                         [](Slot a, const SlotRun& b) { return a < b.first; });
    return after == runs_.begin() ? runs_.end() : std::prev(after);
  }
  // Sorts runs_, and joins those that touch or overlap.
  void Merge();

  std::vector<SlotRun> runs_;
  uint64_t digest_ = 0;
};

}  // namespace quorate::kv

#endif  // QUORATE_KV_STORE_OWNERSHIP_H_

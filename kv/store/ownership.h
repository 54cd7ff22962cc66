// kv/store/ownership.h: which slots a group owns, since when, and a digest.
//
// It is a part of the replicated state. The parameters of the group are its
// first value; moves of slots change it. Every replica checks it at apply.
#ifndef QUORATE_KV_STORE_OWNERSHIP_H_
#define QUORATE_KV_STORE_OWNERSHIP_H_

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <vector>

#include "absl/types/span.h"
#include "shardctrl/move.h"
#include "shardctrl/partition.h"

namespace quorate::kv {

// The state of a slot in a group. The numbers are stored, so never renumber
// them. A slot without a state was never in the group.
enum class SlotState : uint8_t {
  kOwned = 1,
  // Another group is about to own it: commands are refused.
  kFrozen = 2,
  // Another group owns it, or did so later. The epoch is that of its next
  // owner.
  kLeft = 3,
};

// Slots first … last, inclusive, that have all else in common. Invariant:
// first <= last.
struct SlotRun {
  Slot first = {};
  Slot last = {};
  SlotEpoch epoch = {};
  SlotState state = SlotState::kOwned;
  friend bool operator==(const SlotRun&, const SlotRun&) = default;
};

// The owned slots of the runs, which are sorted, in as few ranges as possible.
std::vector<SlotRange> RangesOf(absl::Span<const SlotRun> runs);

class Ownership {
 public:
  // Requires: runs within slot_count. They may touch, and overlap if they have
  // one epoch.
  Ownership(uint32_t slot_count, absl::Span<const SlotRun> runs);

  // By a search in the runs: a bit for each slot would be most of an empty
  // group's memory.
  bool Owns(Slot slot) const {
    const SlotRun* const run = RunOf(slot);
    return run != nullptr && run->state == SlotState::kOwned;
  }
  bool OwnsAll(SlotRange range) const;
  // Null: the slot was never in the group. Valid until the next change.
  const SlotRun* RunOf(Slot slot) const {
    const auto run = Find(slot);
    return run != runs_.end() && slot <= run->last ? &*run : nullptr;
  }

  // Gives the slots this epoch and state. `slots` are sorted, and within the
  // slot count.
  void Put(absl::Span<const SlotRange> slots, SlotEpoch epoch, SlotState state);
  // Gives the slots this state, where they have one. Their epochs stay.
  void SetState(absl::Span<const SlotRange> slots, SlotState state);

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
  // Removes the slots, and returns their runs.
  std::vector<SlotRun> Cut(absl::Span<const SlotRange> slots);
  // Adds runs, sorts all, joins those that touch or overlap, and computes the
  // digest.
  void Add(absl::Span<const SlotRun> runs);

  uint32_t slot_count_;
  std::vector<SlotRun> runs_;
  uint64_t digest_ = 0;
};

}  // namespace quorate::kv

#endif  // QUORATE_KV_STORE_OWNERSHIP_H_

// Ownership against a plain map of every slot.
#include "kv/store/ownership.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace quorate::kv {
namespace {

constexpr uint32_t kSlots = 40;

SlotRun SlotsOf(uint32_t first, uint32_t last, uint64_t epoch) {
  return {Slot(static_cast<uint16_t>(first)), Slot(static_cast<uint16_t>(last)),
          SlotEpoch(epoch)};
}

// Runs in any order that may touch, and the epoch of every slot.
std::vector<SlotRun> AnyRuns(std::map<uint32_t, uint64_t>* epochs) {
  std::vector<SlotRun> runs;
  for (uint32_t slot = 0; slot < kSlots;) {
    slot += *rc::gen::inRange<uint32_t>(0, 6);
    const uint32_t last = slot + *rc::gen::inRange<uint32_t>(0, 8);
    if (last >= kSlots) break;
    const auto epoch = *rc::gen::inRange<uint64_t>(0, 3);
    runs.push_back(SlotsOf(slot, last, epoch));
    for (; slot <= last; ++slot) (*epochs)[slot] = epoch;
  }
  if (*rc::gen::arbitrary<bool>()) std::reverse(runs.begin(), runs.end());
  return runs;
}

RC_GTEST_PROP(Ownership, Slots_AreThoseOfTheRuns, ()) {
  std::map<uint32_t, uint64_t> epochs;
  const Ownership ownership(kSlots, AnyRuns(&epochs));
  for (uint32_t first = 0; first < kSlots; ++first) {
    const Slot slot(static_cast<uint16_t>(first));
    RC_ASSERT(ownership.Owns(slot) == epochs.contains(first));
    bool all = true;
    for (uint32_t last = first; last < kSlots; ++last) {
      all = all && epochs.contains(last);
      RC_ASSERT(ownership.OwnsAll({slot, Slot(static_cast<uint16_t>(last))}) ==
                all);
    }
  }
}

RC_GTEST_PROP(Ownership, Runs_AreAsFewAsPossible, ()) {
  std::map<uint32_t, uint64_t> epochs;
  const Ownership ownership(kSlots, AnyRuns(&epochs));
  std::vector<SlotRun> expected;
  for (const auto& [slot, epoch] : epochs) {
    const SlotRun run = SlotsOf(slot, slot, epoch);
    if (!expected.empty() && expected.back().epoch == run.epoch &&
        expected.back().last.value() + 1u == slot) {
      expected.back().last = run.last;
    } else {
      expected.push_back(run);
    }
  }
  RC_ASSERT(ownership.runs() == expected);
  uint32_t count = 0;
  for (const SlotRange& range : RangesOf(ownership.runs())) {
    count += range.size();
  }
  RC_ASSERT(count == epochs.size());
}

// Sorted ranges that do not touch.
std::vector<SlotRange> AnyRanges() {
  std::vector<SlotRange> ranges;
  for (uint32_t slot = *rc::gen::inRange<uint32_t>(0, 9); slot < kSlots;
       slot += *rc::gen::inRange<uint32_t>(2, 9)) {
    const uint32_t last =
        std::min(kSlots - 1, slot + *rc::gen::inRange<uint32_t>(0, 5));
    ranges.push_back(
        {Slot(static_cast<uint16_t>(slot)), Slot(static_cast<uint16_t>(last))});
    slot = last;
  }
  return ranges;
}

RC_GTEST_PROP(Ownership, Changes_AreThoseOfEverySlot, ()) {
  std::map<uint32_t, uint64_t> epochs;
  Ownership ownership(kSlots, AnyRuns(&epochs));
  std::map<uint32_t, std::pair<uint64_t, SlotState>> slots;
  for (const auto& [slot, epoch] : epochs) {
    slots[slot] = {epoch, SlotState::kOwned};
  }
  const int steps = *rc::gen::inRange(0, 8);
  for (int i = 0; i < steps; ++i) {
    const auto state = *rc::gen::element(SlotState::kOwned, SlotState::kFrozen,
                                         SlotState::kLeft);
    const bool puts = *rc::gen::arbitrary<bool>();
    const auto epoch = *rc::gen::inRange<uint64_t>(0, 3);
    const std::vector<SlotRange> ranges = AnyRanges();
    for (const SlotRange& range : ranges) {
      for (uint32_t at = range.first.value(); at <= range.last.value(); ++at) {
        if (puts) slots[at] = {epoch, state};
        if (!puts && slots.contains(at)) slots[at].second = state;
      }
    }
    if (puts) {
      ownership.Put(ranges, SlotEpoch(epoch), state);
    } else {
      ownership.SetState(ranges, state);
    }
  }
  std::vector<SlotRun> runs;
  for (const auto& [slot, value] : slots) {
    const auto& [epoch, state] = value;
    SlotRun run = SlotsOf(slot, slot, epoch);
    run.state = state;
    runs.push_back(run);
    RC_ASSERT(ownership.Owns(run.first) == (state == SlotState::kOwned));
    RC_ASSERT(ownership.OwnsAll({run.first, run.first}) ==
              (state == SlotState::kOwned));
    const SlotRun* const found = ownership.RunOf(run.first);
    RC_ASSERT(found != nullptr && found->epoch == run.epoch);
    RC_ASSERT(found->state == state);
  }
  const Ownership fresh(kSlots, runs);
  RC_ASSERT(ownership.runs() == fresh.runs());
  RC_ASSERT(ownership.digest() == fresh.digest());
}

TEST(Ownership, Digest_DependsOnEpochs) {
  const auto digest = [](std::vector<SlotRun> runs) {
    return Ownership(kSlots, runs).digest();
  };
  const uint64_t one = digest({SlotsOf(0, 9, 1)});
  EXPECT_EQ(digest({SlotsOf(0, 4, 1), SlotsOf(5, 9, 1)}), one);
  EXPECT_NE(digest({SlotsOf(0, 9, 0)}), one);
  EXPECT_NE(digest({SlotsOf(0, 9, 2)}), one);
  EXPECT_NE(digest({SlotsOf(0, 4, 1), SlotsOf(5, 9, 2)}), one);
  SlotRun frozen = SlotsOf(0, 9, 1);
  frozen.state = SlotState::kFrozen;
  EXPECT_NE(digest({frozen}), one);
}

TEST(RangesOf, RunsThatTouch_AreOneRange) {
  const std::vector<SlotRun> runs = {SlotsOf(0, 4, 1), SlotsOf(5, 9, 2),
                                     SlotsOf(11, 12, 2)};
  EXPECT_EQ(RangesOf(runs),
            (std::vector<SlotRange>{{Slot(0), Slot(9)}, {Slot(11), Slot(12)}}));
}

}  // namespace
}  // namespace quorate::kv

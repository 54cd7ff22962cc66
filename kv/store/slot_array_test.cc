#include "kv/store/slot_array.h"

#include <map>
#include <vector>

#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace quorate::kv {
namespace {

Slot At(uint32_t slot) { return Slot(static_cast<uint16_t>(slot)); }

TEST(SlotArray, NothingSet_FindsAndVisitsNothing) {
  const SlotArray<int> array(16384);
  EXPECT_EQ(array.Find(At(0)), nullptr);
  EXPECT_EQ(array.Find(At(16383)), nullptr);
  array.ForEach([](Slot, int) { FAIL(); });
}

TEST(SlotArray, OneSet_ItsPageIsVisitedInOrder) {
  SlotArray<int> array(100);
  array[At(97)] = 7;
  std::vector<uint32_t> slots;
  int sum = 0;
  array.ForEach([&](Slot slot, int value) {
    slots.push_back(slot.value());
    sum += value;
  });
  // The last page has the slots 96 to 99.
  ASSERT_EQ(slots.size(), 4u);
  EXPECT_EQ(slots.front(), 96u);
  EXPECT_EQ(slots.back(), 99u);
  EXPECT_EQ(sum, 7);
}

RC_GTEST_PROP(SlotArray, AnyUse_MatchesAMap, ()) {
  const auto slot_count = *rc::gen::inRange<uint32_t>(1, 300);
  SlotArray<int> array(slot_count);
  std::map<uint32_t, int> model;
  const auto slots = *rc::gen::container<std::vector<uint32_t>>(
      rc::gen::inRange<uint32_t>(0, slot_count));
  int next = 0;
  for (const uint32_t slot : slots) model[slot] = array[At(slot)] = ++next;
  const auto first = *rc::gen::inRange<uint32_t>(0, slot_count);
  const auto last = *rc::gen::inRange<uint32_t>(first, slot_count);
  std::map<uint32_t, int> visited;
  array.ForEach({At(first), At(last)}, [&](Slot slot, int value) {
    RC_ASSERT(slot >= At(first) && slot <= At(last));
    if (value != 0) visited[slot.value()] = value;
  });
  std::map<uint32_t, int> expected(model.lower_bound(first),
                                   model.upper_bound(last));
  RC_ASSERT(visited == expected);
  for (const auto& [slot, value] : model) {
    RC_ASSERT(*array.Find(At(slot)) == value);
  }
}

TEST(SlotArray, NextFrom_PassesPagesThatDoNotExist) {
  SlotArray<int> slots(1000);
  EXPECT_EQ(slots.NextFrom(0), 1000u);
  slots[Slot(700)] = 1;
  const uint32_t page = slots.NextFrom(0);
  EXPECT_GT(page, 600u);
  EXPECT_LE(page, 700u);
  EXPECT_EQ(slots.NextFrom(700), 700u);
  EXPECT_EQ(slots.NextFrom(701), 701u);
  EXPECT_EQ(slots.NextFrom(800), 1000u);
  EXPECT_EQ(slots.NextFrom(1000), 1000u);
}

TEST(SlotArray, NextWhere_PassesValuesThatDoNotMatch) {
  SlotArray<int> slots(1000);
  const auto is_set = [](int value) { return value != 0; };
  EXPECT_EQ(slots.NextWhere(0, is_set), 1000u);
  slots[Slot(700)] = 1;
  slots[Slot(999)] = 1;
  EXPECT_EQ(slots.NextWhere(0, is_set), 700u);
  EXPECT_EQ(slots.NextWhere(700, is_set), 700u);
  EXPECT_EQ(slots.NextWhere(701, is_set), 999u);
  EXPECT_EQ(slots.NextWhere(1000, is_set), 1000u);
}

}  // namespace
}  // namespace quorate::kv

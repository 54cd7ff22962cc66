#include "kv/slots/slot_strategy.h"

#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "kv/slots/slot.h"

namespace quorate::kv {
namespace {

TEST(SlotStrategy, LastCharacter_IsTheByteModuloTheCount) {
  const auto slots = MakeSlotStrategy({Partitioner::kLastCharacter, 3});
  EXPECT_EQ(slots->slot_count(), 3u);
  EXPECT_EQ(slots->SlotOf("xa"), Slot('a' % 3));
  EXPECT_EQ(slots->SlotOf("\xff"), Slot(255 % 3));
  EXPECT_EQ(slots->SlotOf(""), Slot(0));
}

TEST(SlotStrategy, HashSlots_IsHashSlot) {
  const auto slots = MakeSlotStrategy({});
  EXPECT_EQ(slots->slot_count(), kHashSlotCount);
  EXPECT_EQ(slots->SlotOf("foo"), HashSlot("foo"));
  EXPECT_EQ(slots->SlotOf("{foo}bar"), HashSlot("foo"));
}

TEST(SlotStrategy, KeyRanges_BeginAtTheirSplitKeys) {
  const auto slots =
      MakeSlotStrategy({Partitioner::kKeyRanges, 4, {"g", "n", "n\xff"}});
  EXPECT_EQ(slots->slot_count(), 4u);
  EXPECT_TRUE(slots->ordered());
  EXPECT_EQ(slots->SlotOf(""), Slot(0));
  EXPECT_EQ(slots->SlotOf("fzz"), Slot(0));
  EXPECT_EQ(slots->SlotOf("g"), Slot(1));
  EXPECT_EQ(slots->SlotOf("mzz"), Slot(1));
  EXPECT_EQ(slots->SlotOf("n"), Slot(2));
  EXPECT_EQ(slots->SlotOf(std::string_view("n\0", 2)), Slot(2));
  EXPECT_EQ(slots->SlotOf("n\xff"), Slot(3));
  EXPECT_EQ(slots->SlotOf("\xff"), Slot(3));
}

TEST(SlotStrategy, OthersThanKeyRanges_HaveNoOrder) {
  EXPECT_FALSE(MakeSlotStrategy({})->ordered());
  EXPECT_FALSE(MakeSlotStrategy({Partitioner::kLastCharacter, 256})->ordered());
}

TEST(SlotStrategy, CommonSlot_LooksAtTheNamedPositionsOnly) {
  const auto slots = MakeSlotStrategy({});
  const std::vector<std::string_view> words = {"MSET", "{a}1", "x", "{a}2",
                                               "y"};
  EXPECT_EQ(slots->CommonSlot(words, 1, 3, 2), HashSlot("a"));
  EXPECT_EQ(slots->CommonSlot(words, 1, 4, 2), HashSlot("a"));
  EXPECT_EQ(slots->CommonSlot(words, 1, 1, 1), HashSlot("a"));
  EXPECT_EQ(slots->CommonSlot(words, 1, 3, 1), std::nullopt);
}

}  // namespace
}  // namespace quorate::kv

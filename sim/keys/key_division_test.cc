#include "sim/keys/key_division.h"

#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "kv/slots/slot_strategy.h"

namespace quorate::sim {
namespace {

constexpr Partitioner kDividing[] = {Partitioner::kLastCharacter,
                                     Partitioner::kKeyRanges};

TEST(KeyDivision, EachGroup_HasSlotsOfBothKindsAndACounter) {
  for (const Partitioner partitioner : kDividing) {
    const KeyDivision division = DivisionOfRun(partitioner);
    const auto slots = kv::MakeSlotStrategy(division);
    for (uint32_t groups = 1; groups <= kDividedGroupsMax; ++groups) {
      const auto shards =
          DividedShards({{.id = NodeId(1)}}, {groups, 1}, division);
      std::set<uint32_t> counters;
      for (int i = 0; i < 20; ++i) {
        const Slot slot = slots->SlotOf(absl::StrCat("n.of_group", i));
        if (slot.value() % 2 == 0) counters.insert(slot.value() / 2 % groups);
      }
      EXPECT_EQ(counters.size(), groups) << PartitionerName(partitioner);
      uint32_t count = 0;
      for (const node::ShardConfig& shard : shards) {
        for (const auto& [first, last] : shard.slots) {
          EXPECT_EQ(first / 2 % groups, shard.group.value() - 1);
          count += last - first + 1u;
        }
      }
      EXPECT_EQ(count, division.slot_count);
    }
  }
}

TEST(KeyDivision, KeysThatExpire_AreInOddSlots) {
  const auto slots =
      kv::MakeSlotStrategy(DivisionOfRun(Partitioner::kKeyRanges));
  for (int key = 0; key < 60; ++key) {
    for (int epoch = 0; epoch < 20; ++epoch) {
      const std::string name = absl::StrCat(key, ".", epoch);
      EXPECT_EQ(slots->SlotOf("t" + name).value() % 2, 1) << name;
      for (const char* kind : {"r", "l", "n"}) {
        EXPECT_EQ(slots->SlotOf(kind + name).value() % 2, 0) << kind << name;
      }
    }
  }
}

TEST(KeyDivision, HashSlots_AreDividedEvenly) {
  const KeyDivision division = DivisionOfRun(Partitioner::kHashSlots);
  EXPECT_EQ(division, KeyDivision());
  const auto shards = DividedShards({{.id = NodeId(1)}}, {16, 1}, division);
  EXPECT_EQ(shards.size(), 16u);
  EXPECT_EQ(shards[0].slots.size(), 1u);
}

}  // namespace
}  // namespace quorate::sim

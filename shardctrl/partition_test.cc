#include "shardctrl/partition.h"

#include <string>

#include "gtest/gtest.h"

namespace quorate {
namespace {

std::string ErrorOf(const absl::Status& status) {
  return std::string(status.message());
}

KeyDivision Ranges(std::vector<std::string> split_keys) {
  const auto slots = static_cast<uint32_t>(split_keys.size() + 1);
  return {Partitioner::kKeyRanges, slots, std::move(split_keys)};
}

TEST(Partition, SlotCount_HasTheLimitsOfThePartitioner) {
  EXPECT_EQ(CheckSlotCount(Partitioner::kHashSlots, 16384), absl::OkStatus());
  EXPECT_EQ(ErrorOf(CheckSlotCount(Partitioner::kHashSlots, 3)),
            "hash_slots needs 16384 slots, not 3");
  for (const Partitioner few :
       {Partitioner::kLastCharacter, Partitioner::kKeyRanges}) {
    EXPECT_EQ(CheckSlotCount(few, 1), absl::OkStatus());
    EXPECT_EQ(CheckSlotCount(few, kFewSlotsMax), absl::OkStatus());
    EXPECT_NE(CheckSlotCount(few, 0), absl::OkStatus());
  }
  EXPECT_EQ(ErrorOf(CheckSlotCount(Partitioner::kKeyRanges, 257)),
            "key_ranges needs 1 to 256 slots, not 257");
  EXPECT_EQ(ErrorOf(CheckSlotCount(static_cast<Partitioner>(9), 1)),
            "an unknown partitioner, 9");
}

TEST(Partition, SplitKeys_Ascend) {
  EXPECT_EQ(CheckSplitKeys(Ranges({})), absl::OkStatus());
  EXPECT_EQ(CheckSplitKeys(Ranges({"a", "ab", "b"})), absl::OkStatus());
  // By unsigned bytes.
  EXPECT_EQ(CheckSplitKeys(Ranges({"a", "\xff"})), absl::OkStatus());
  EXPECT_EQ(ErrorOf(CheckSplitKeys(Ranges({"a", "c", "b"}))),
            "split keys ascend, but number 3 is not greater than number 2");
  EXPECT_NE(CheckSplitKeys(Ranges({"a", "a"})), absl::OkStatus());
}

TEST(Partition, SplitKeys_HaveTheirLimits) {
  const std::string longest(kSplitKeyBytesMax, 'x');
  EXPECT_EQ(CheckSplitKeys(Ranges({longest})), absl::OkStatus());
  EXPECT_EQ(ErrorOf(CheckSplitKeys(Ranges({longest + "x"}))),
            "a split key has from 1 to 128 bytes, not 129");
  EXPECT_EQ(ErrorOf(CheckSplitKeys(Ranges({""}))),
            "a split key has from 1 to 128 bytes, not 0");
  EXPECT_EQ(ErrorOf(CheckSplitKeys({Partitioner::kKeyRanges, 3, {"a"}})),
            "3 slots need 2 split keys, not 1");
  EXPECT_EQ(ErrorOf(CheckSplitKeys({Partitioner::kLastCharacter, 2, {"a"}})),
            "only key_ranges has split keys, not last_character");
}

}  // namespace
}  // namespace quorate

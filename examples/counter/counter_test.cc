#include "examples/counter/counter.h"

#include <limits>
#include <string>

#include "gtest/gtest.h"

namespace quorate::examples {
namespace {

std::string Add(Counter& counter, std::string_view text,
                bool wants_result = true) {
  raft::Entry entry;
  entry.payload = Buffer::Copy(text);
  return std::string(counter.Apply(entry, wants_result).view());
}

TEST(CounterTest, Adds_OneAfterTheOther_ReturnTheSum) {
  Counter counter;
  EXPECT_EQ(Add(counter, "5"), "5");
  EXPECT_EQ(Add(counter, "-7"), "-2");
}

TEST(CounterTest, Nonsense_IsAnsweredAndChangesNothing) {
  Counter counter;
  Add(counter, "5");
  EXPECT_EQ(Add(counter, "many"), "not a number");
  EXPECT_EQ(counter.sum(), 5);
}

TEST(CounterTest, SumBeyond64Bits_IsAnsweredAndChangesNothing) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();
  Counter counter;
  Add(counter, std::to_string(kMost));
  EXPECT_EQ(Add(counter, "1"), "the sum would not fit 64 bits");
  EXPECT_EQ(counter.sum(), kMost);
  Add(counter, std::to_string(-kMost));
  Add(counter, std::to_string(kLeast));
  EXPECT_EQ(Add(counter, "-1"), "the sum would not fit 64 bits");
  EXPECT_EQ(counter.sum(), kLeast);
}

TEST(CounterTest, NoResultWanted_NothingIsReturned) {
  Counter counter;
  EXPECT_EQ(Add(counter, "5", /*wants_result=*/false), "");
  EXPECT_EQ(Add(counter, "many", /*wants_result=*/false), "");
  EXPECT_EQ(Add(counter, "9223372036854775807", /*wants_result=*/false), "");
  EXPECT_EQ(counter.sum(), 5);
}

TEST(CounterTest, SavedState_Restored_IsTheState) {
  Counter counter;
  Add(counter, "1234");
  Counter other;
  ASSERT_TRUE(other.Restore(counter.Save().view()).ok());
  EXPECT_EQ(other.sum(), 1234);
  EXPECT_EQ(other.Digest(), counter.Digest());
}

TEST(CounterTest, DamagedSnapshot_IsRefusedAndChangesNothing) {
  Counter counter;
  Add(counter, "5");
  EXPECT_EQ(counter.Restore("12x").code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(counter.sum(), 5);
}

}  // namespace
}  // namespace quorate::examples

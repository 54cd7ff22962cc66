// The log while no next segment can be prepared: when it tries again.
#include <cstdint>
#include <string>

#include "gtest/gtest.h"
#include "raft/log/testing/log_harness.h"

namespace quorate::raft {
namespace {

const GroupKey kGroup = TestGroup(1);

class SpareRetriesTest : public ::testing::Test {
 protected:
  // Appends one entry, and runs the world for a while.
  void Append(size_t bytes, Duration then) {
    h_.log()->Append(
        kGroup, nullptr, Index(),
        {TestEntry(1, ++written_, std::string(bytes, 'g'))},
        [this](const absl::Status& status) { acknowledged_ += status.ok(); });
    h_.world().RunFor(then);
  }

  uint64_t written_ = 0;
  uint64_t acknowledged_ = 0;
  LogHarness h_;
};

// The last attempt failed less than a second before the segment has its
// greatest length. Nothing but the timer of the log leads to the next one.
TEST_F(SpareRetriesTest, RollThatWaitsForDescriptors_NeedsNoFurtherAppend) {
  h_.options().segment_bytes = 16 << 10;
  h_.Start();
  h_.world().LimitOpenFiles(h_.test().machine(), 0);
  while (written_ < 1000 && acknowledged_ == written_) {
    Append(4'000, Milliseconds(2));
  }
  ASSERT_LT(acknowledged_, written_);
  ASSERT_EQ(h_.Marks("log.spare_discarded"), 1u);
  h_.world().HealDisk(h_.test().machine());
  h_.world().RunFor(Seconds(2));
  EXPECT_EQ(acknowledged_, written_);
  EXPECT_GE(h_.log()->counters().segments, 2u);
}

}  // namespace
}  // namespace quorate::raft

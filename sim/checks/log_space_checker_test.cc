#include "sim/checks/log_space_checker.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace quorate::sim {
namespace {

constexpr uint64_t kSegment = 16 << 10;

class LogSpaceCheckerTest : public testing::Test {
 protected:
  void Check(int64_t seconds, uint64_t file_bytes, uint64_t live_bytes = 0) {
    checker_.Check(SimTime() + Seconds(seconds), NodeId(1),
                   {.file_bytes = file_bytes,
                    .largest_file_bytes = kSegment,
                    .live_bytes = live_bytes,
                    .segment_bytes = kSegment,
                    .slack_segments = 4});
  }

  std::vector<std::string> found_;
  LogSpaceChecker checker_{
      [this](std::string what) { found_.push_back(std::move(what)); }};
};

TEST_F(LogSpaceCheckerTest, SegmentsThatAreNotFreed_Found) {
  for (int64_t second = 1; second <= 21; ++second) Check(second, 44 * kSegment);
  ASSERT_EQ(found_.size(), 1u);
  EXPECT_EQ(found_[0].find("resources: node 1 has 720896 bytes of log files"),
            0u)
      << found_[0];
}

TEST_F(LogSpaceCheckerTest, FilesWithinTheBound_AreAllowed) {
  for (int64_t second = 1; second <= 60; ++second) {
    Check(second, 39 * kSegment);
    Check(second, 43 * kSegment, /*live_bytes=*/kSegment);
  }
  EXPECT_TRUE(found_.empty());
}

TEST_F(LogSpaceCheckerTest, FilesThatAreFreedInTime_AreAllowed) {
  for (int64_t second = 1; second <= 60; ++second) {
    Check(second, (second % 16 == 0 ? 10 : 44) * kSegment);
  }
  EXPECT_TRUE(found_.empty());
}

TEST_F(LogSpaceCheckerTest, TimeOfAFault_DoesNotCount) {
  for (int64_t second = 1; second <= 60; ++second) {
    Check(second, 44 * kSegment);
    if (second % 5 == 0) checker_.Excuse(NodeId(1));
  }
  EXPECT_TRUE(found_.empty());
}

}  // namespace
}  // namespace quorate::sim

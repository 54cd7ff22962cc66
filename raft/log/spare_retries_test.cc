// The file of the next segment: how fast it is filled, and how often the log
// tries, and says so, while none can be prepared.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "gtest/gtest.h"
#include "raft/log/testing/log_harness.h"

namespace quorate::raft {
namespace {

const GroupKey kRetriedGroup = TestGroup(1);

class SpareRetriesTest : public ::testing::Test {
 protected:
  SpareRetriesTest() {
    h_.world().SetLogSink(
        env::Severity::kWarning, [this](sim::SimTime, sim::MachineId,
                                        env::Severity, std::string_view line) {
          logged_ += line.find("cannot prepare log-") != line.npos;
        });
  }
  // Appends one entry, and runs the world for a while.
  void Append(size_t bytes, Duration then) {
    h_.log()->Append(
        kRetriedGroup, nullptr, Index(),
        {TestEntry(1, ++written_, std::string(bytes, 'g'))},
        [this](const absl::Status& status) { acknowledged_ += status.ok(); });
    h_.world().RunFor(then);
  }
  // Appends an entry each 500 ms. So many bytes of the disk stay free.
  void AppendFor(Duration time, uint64_t free_bytes) {
    const sim::SimTime end = h_.world().now() + time;
    while (h_.world().now() < end) {
      SetFreeBytes(free_bytes);
      Append(100, Milliseconds(500));
    }
    EXPECT_EQ(acknowledged_, written_);
  }
  void SetFreeBytes(uint64_t free) {
    uint64_t used = 0;
    for (const std::string& name : h_.world().DiskFiles(h_.test().machine())) {
      used += h_.world().DiskFileSize(h_.test().machine(), name);
    }
    h_.world().disk_options(h_.test().machine()).capacity_bytes = used + free;
  }

  int logged_ = 0;
  uint64_t written_ = 0;
  uint64_t acknowledged_ = 0;
  LogHarness h_;
};

// The messages differ: they name the file and the free bytes.
TEST_F(SpareRetriesTest, OneReason_IsLoggedOnceInTenMinutes) {
  // Half of the free space is too little for a segment of 64 KiB.
  constexpr uint64_t kLittle = 80 << 10;
  constexpr uint64_t kEnough = 1 << 30;
  h_.Start();
  SetFreeBytes(kLittle);
  Append(5'000, Milliseconds(100));
  AppendFor(Seconds(60), kLittle);
  EXPECT_GT(h_.Marks("log.spare_discarded"), 30u);
  EXPECT_EQ(logged_, 1);
  // Another reason.
  h_.world().LimitOpenFiles(h_.test().machine(), 0);
  AppendFor(Seconds(60), kEnough);
  EXPECT_EQ(logged_, 2);
  AppendFor(Seconds(600), kEnough);
  EXPECT_EQ(logged_, 3);
  // A success ends the silence.
  const uint64_t segments = h_.Marks("log.segment_begun");
  h_.world().HealDisk(h_.test().machine());
  for (int i = 0; i < 20 && h_.Marks("log.segment_begun") == segments; ++i) {
    AppendFor(Milliseconds(500), kEnough);
  }
  h_.world().LimitOpenFiles(h_.test().machine(), 0);
  Append(5'000, Milliseconds(100));
  AppendFor(Seconds(60), kEnough);
  EXPECT_EQ(logged_, 4);
}

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

// The disk is never busy with zeros for long.
TEST(SparePaceTest, NewFile_IsFilledTwiceAsFastAsTheLogGrows) {
  constexpr uint64_t kPiece = 64 << 10;
  constexpr uint64_t kRecord = 5'200;  // The size of each, about.
  LogHarness h;
  h.options().segment_bytes = 1 << 20;
  h.options().preallocation_bytes_max = kPiece;
  h.Start();
  const std::string present = h.LogFiles().back();
  uint64_t index = 0;
  uint64_t filled = 0;
  uint64_t steps = 0;
  while (filled < h.options().segment_bytes) {
    const Entry entry = TestEntry(1, ++index, std::string(5'000, 'e'));
    ASSERT_TRUE(h.Append(kRetriedGroup, {entry}).ok());
    if (h.LogFiles().back() == present) continue;
    const uint64_t now_filled =
        h.world().DiskFileSize(h.test().machine(), h.LogFiles().back());
    EXPECT_LE(now_filled, 2 * kRecord * index + kPiece);
    steps += now_filled > filled;
    filled = now_filled;
  }
  EXPECT_GE(steps, 12u);
  // It is ready long before the present one is full.
  EXPECT_LT(kRecord * index, h.options().segment_bytes * 3 / 4);
  EXPECT_EQ(h.Marks("log.segment_begun"), 0u);
}

}  // namespace
}  // namespace quorate::raft

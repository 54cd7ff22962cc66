#include "node/base/disk_watch.h"

#include <cstdint>

#include "gtest/gtest.h"
#include "sim/testing/test_env.h"

namespace quorate::node {
namespace {

class DiskWatchTest : public ::testing::Test {
 protected:
  DiskWatchTest() {
    SetFree(1'000'000);
    watch_.Start();
    Wait(Seconds(6));
  }
  void Wait(Duration time) { test_.world().RunFor(time); }
  void SetFree(uint64_t bytes) {
    test_.world().disk_options(test_.machine()).capacity_bytes = bytes;
  }

  sim::TestEnv test_{1};
  uint64_t refused_ = 0;
  int changes_ = 0;
  DiskWatch watch_{test_.env(), [this] { return refused_; },
                   [this] { ++changes_; }};
};

TEST_F(DiskWatchTest, DiskWithRoom_IsKnown) {
  EXPECT_TRUE(watch_.known());
  EXPECT_EQ(watch_.room().free_bytes, 1'000'000u);
  EXPECT_FALSE(watch_.lacks_room());
  SetFree(70);
  Wait(Seconds(6));
  EXPECT_EQ(watch_.room().free_bytes, 70u);
  // Nothing needed more.
  EXPECT_FALSE(watch_.lacks_room());
  EXPECT_EQ(changes_, 0);
}

TEST_F(DiskWatchTest, RefusedSnapshot_ShowsALackUntilThereIsMoreRoom) {
  SetFree(1'000);
  ++refused_;
  Wait(Seconds(6));
  EXPECT_TRUE(watch_.lacks_room());
  SetFree(1'900);
  Wait(Seconds(60));
  EXPECT_TRUE(watch_.lacks_room());
  SetFree(2'100);
  Wait(Seconds(6));
  EXPECT_FALSE(watch_.lacks_room());
  EXPECT_EQ(changes_, 2);
}

TEST_F(DiskWatchTest, FullDisk_LacksRoomUntilNothingWasRefusedForLong) {
  SetFree(0);
  ++refused_;
  Wait(Seconds(500));
  ++refused_;
  Wait(Seconds(500));
  EXPECT_TRUE(watch_.lacks_room());
  Wait(Seconds(120));
  EXPECT_FALSE(watch_.lacks_room());
  EXPECT_EQ(changes_, 2);
}

}  // namespace
}  // namespace quorate::node

#include "net/event_loop/clock.h"

#include "gtest/gtest.h"

namespace quorate::net {
namespace {

constexpr WallTime kReading(1'000'000'000'000);

TEST(MakeWallInterval, Synchronised_IsAsWideAsTheKernelsError) {
  const WallInterval interval = MakeWallInterval(
      kReading, {.synchronised = true, .error_max = Milliseconds(7)},
      {.error_floor = Milliseconds(1)});
  EXPECT_EQ(interval.earliest, kReading - Milliseconds(7));
  EXPECT_EQ(interval.latest, kReading + Milliseconds(7));
}

TEST(MakeWallInterval, SynchronisedBelowTheFloor_IsAsWideAsTheFloor) {
  const WallInterval interval = MakeWallInterval(
      kReading, {.synchronised = true, .error_max = Microseconds(3)},
      {.error_floor = Milliseconds(1)});
  EXPECT_EQ(interval.latest - interval.earliest, Milliseconds(2));
}

TEST(MakeWallInterval, Unsynchronised_IsNotBounded) {
  const WallInterval interval =
      MakeWallInterval(kReading, {.synchronised = false}, ClockOptions());
  EXPECT_FALSE(interval.bounded());
  EXPECT_EQ(interval.latest, WallTime::Max());
  EXPECT_LE(interval.earliest, kReading);
}

TEST(MakeWallInterval, UnsynchronisedWithAStatedError_IsAsWideAsStated) {
  const WallInterval interval =
      MakeWallInterval(kReading, {.synchronised = false},
                       {.error_floor = Milliseconds(1),
                        .error_unsynchronised = Milliseconds(250)});
  EXPECT_EQ(interval.earliest, kReading - Milliseconds(250));
  EXPECT_EQ(interval.latest, kReading + Milliseconds(250));
}

TEST(Clock, Read_Repeatedly_NeverGoesBackwards) {
  Clock clock(ClockOptions{});
  MonoTime last = MonoTime::Min();
  for (int i = 0; i < 1000; ++i) {
    const Now now = clock.Read();
    EXPECT_GE(now.mono, last);
    EXPECT_LE(now.wall.earliest, now.wall.latest);
    last = now.mono;
  }
}

}  // namespace
}  // namespace quorate::net

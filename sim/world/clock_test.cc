#include "sim/world/clock.h"

#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace quorate::sim {
namespace {

constexpr WallTime kEpoch(1'700'000'000'000'000'000);

TEST(SimClock, Drift_StretchesMonotonicTime) {
  SimClockOptions options;
  options.mono_offset = Seconds(5);
  options.mono_drift_ppm = 100;
  SimClock clock(options, kEpoch);
  EXPECT_EQ(clock.Mono(SimTime(0)).ns(), Seconds(5).ns());
  EXPECT_EQ(clock.Mono(SimTime(Seconds(10).ns())).ns(),
            Seconds(15).ns() + Milliseconds(1).ns());
  clock.SetMonoDrift(SimTime(Seconds(10).ns()), -100);
  EXPECT_EQ(clock.Mono(SimTime(Seconds(20).ns())).ns(), Seconds(25).ns());
}

TEST(SimClock, Frozen_StopsAndContinuesFromThere) {
  SimClock clock({}, kEpoch);
  const MonoTime before = clock.Mono(SimTime(1000));
  clock.SetFrozen(SimTime(1000), true);
  EXPECT_EQ(clock.Mono(SimTime(5000)), before);
  EXPECT_EQ(clock.WhenMono(before + Nanoseconds(1), SimTime(5000)),
            SimTime::Max());
  EXPECT_EQ(clock.WhenMono(before, SimTime(5000)), SimTime(5000));
  clock.SetFrozen(SimTime(6000), false);
  EXPECT_EQ(clock.Mono(SimTime(6500)), before + Nanoseconds(500));
}

TEST(SimClock, FrozenFor_CountsTheFreezesSinceATime) {
  SimClock clock({}, kEpoch);
  clock.SetFrozen(SimTime(1000), true);
  clock.SetFrozen(SimTime(2000), true);  // It is frozen already.
  clock.SetFrozen(SimTime(3000), false);
  clock.SetFrozen(SimTime(3500), false);
  clock.SetFrozen(SimTime(5000), true);
  EXPECT_EQ(clock.FrozenFor(SimTime(0), SimTime(6000)), Nanoseconds(3000));
  EXPECT_EQ(clock.FrozenFor(SimTime(2500), SimTime(6000)), Nanoseconds(1500));
  EXPECT_EQ(clock.FrozenFor(SimTime(3000), SimTime(6000)), Nanoseconds(1000));
  EXPECT_EQ(clock.FrozenFor(SimTime(5500), SimTime(6000)), Nanoseconds(500));
  clock.SetFrozen(SimTime(7000), false);
  EXPECT_EQ(clock.FrozenFor(SimTime(3000), SimTime(9000)), Nanoseconds(2000));
  EXPECT_EQ(clock.FrozenFor(SimTime(7000), SimTime(9000)), Duration());
}

TEST(SimClock, WidestErrorBound_IsThatSinceATime) {
  SimClock clock({.wall_error_bound = Milliseconds(10)}, kEpoch);
  clock.SetWallErrorBound(SimTime(1000), Milliseconds(100));
  clock.SetWallErrorBound(SimTime(2000), Milliseconds(1));
  EXPECT_EQ(clock.WidestErrorBound(SimTime(0)), Milliseconds(100));
  EXPECT_EQ(clock.WidestErrorBound(SimTime(1500)), Milliseconds(100));
  EXPECT_EQ(clock.WidestErrorBound(SimTime(2001)), Milliseconds(1));
}

// A turn that pauses runs ahead of the world.
TEST(SimClock, ChangesBeforeTheLatestReading_NeverTakeItBack) {
  SimClock clock({}, kEpoch);
  const MonoTime read = clock.Read(SimTime(5000)).mono;
  clock.SetFrozen(SimTime(1000), true);
  EXPECT_EQ(clock.Read(SimTime(6000)).mono, read);
  EXPECT_EQ(clock.FrozenFor(SimTime(0), SimTime(6000)), Nanoseconds(1000));
  clock.SetFrozen(SimTime(4000), false);
  EXPECT_EQ(clock.Read(SimTime(6000)).mono, read);
  EXPECT_EQ(clock.Read(SimTime(6500)).mono, read + Nanoseconds(500));
}

// The change begins at the latest reading, 5000, and an event at 2000 follows.
TEST(SimClock, ReadBeforeAChangeThatBeganLater_IsNotBelowIt) {
  SimClock clock({}, kEpoch);
  const MonoTime read = clock.Read(SimTime(5000)).mono;
  clock.SetMonoDrift(SimTime(1000), 100);
  EXPECT_EQ(clock.Mono(SimTime(2000)), read);
  EXPECT_EQ(clock.WhenMono(read, SimTime(2000)), SimTime(2000));
  EXPECT_EQ(clock.WhenMono(read + Nanoseconds(1), SimTime(2000)),
            SimTime(5001));
  EXPECT_EQ(clock.Mono(SimTime(5000)), read);
}

TEST(SimClock, FrozenFor_CountsTheRestOfAPauseWhoseProgramDied) {
  SimClock clock({}, kEpoch);
  const MonoTime read = clock.Read(SimTime(5000)).mono;
  clock.JumpMono(SimTime(1000), Nanoseconds(10));
  EXPECT_EQ(clock.FrozenFor(SimTime(0), SimTime(9000)), Duration());
  EXPECT_EQ(clock.Read(SimTime(3000)).mono, read + Nanoseconds(10));
  EXPECT_EQ(clock.Read(SimTime(4000)).mono, read + Nanoseconds(10));
  EXPECT_EQ(clock.FrozenFor(SimTime(0), SimTime(9000)), Nanoseconds(2000));
  clock.SetFrozen(SimTime(4500), true);
  EXPECT_EQ(clock.Read(SimTime(6000)).mono, read + Nanoseconds(10));
  EXPECT_EQ(clock.FrozenFor(SimTime(0), SimTime(9000)), Nanoseconds(6000));
}

TEST(SimClock, RestartMono_CountsFromTheNewReading) {
  SimClock clock({}, kEpoch);
  clock.Read(SimTime(Seconds(9).ns()));
  clock.RestartMono(SimTime(Seconds(10).ns()), MonoTime(500));
  EXPECT_EQ(clock.Mono(SimTime(Seconds(10).ns())), MonoTime(500));
  EXPECT_EQ(clock.Mono(SimTime(Seconds(11).ns())), MonoTime(500) + Seconds(1));
  EXPECT_EQ(
      clock.WhenMono(MonoTime(500) + Seconds(1), SimTime(Seconds(10).ns())),
      SimTime(Seconds(11).ns()));
}

TEST(SimClock, GainedAndSlowed_CountFromATimeOn) {
  SimClock fast({.mono_drift_ppm = 100}, kEpoch);
  fast.JumpMono(SimTime(Seconds(2).ns()), Seconds(3));
  const auto at = [](int64_t s) { return SimTime(Seconds(s).ns()); };
  EXPECT_EQ(fast.Gained(at(0), at(10)), Seconds(3) + Milliseconds(1));
  EXPECT_EQ(fast.Gained(at(2), at(2)), Seconds(3));
  EXPECT_EQ(fast.Gained(at(5), at(10)), Microseconds(500));
  EXPECT_EQ(fast.Slowed(at(0), at(10)), Duration());
  const SimClock slow({.mono_drift_ppm = -100}, kEpoch);
  EXPECT_EQ(slow.Gained(at(0), at(10)), Duration());
  EXPECT_EQ(slow.Slowed(at(5), at(10)), Microseconds(500));
}

TEST(SimClock, Jump_IsAhead) {
  SimClock clock({}, kEpoch);
  const MonoTime before = clock.Mono(SimTime(1000));
  clock.JumpMono(SimTime(1000), Seconds(3));
  EXPECT_EQ(clock.Mono(SimTime(1000)), before + Seconds(3));
}

TEST(SimClock, WallWithinItsBound_HoldsTheTruth) {
  SimClock clock({}, kEpoch);
  const SimTime now(Seconds(7).ns());
  const WallTime truth = kEpoch + Seconds(7);
  for (Duration offset :
       {Milliseconds(-10), Milliseconds(0), Milliseconds(10)}) {
    clock.SetWallOffset(offset);
    EXPECT_LE(clock.Wall(now).earliest, truth);
    EXPECT_GE(clock.Wall(now).latest, truth);
  }
  clock.SetWallOffset(Milliseconds(11));
  EXPECT_GT(clock.Wall(now).earliest, truth);  // The stated interval is wrong.
  clock.SetWallErrorBound(now, Duration(-1));
  EXPECT_FALSE(clock.Wall(now).bounded());
}

RC_GTEST_PROP(SimClock, WhenMono_IsTheFirstTimeThatReadsTheDeadline, ()) {
  SimClockOptions options;
  options.mono_drift_ppm = *rc::gen::inRange(-5000, 5000);
  SimClock clock(options, kEpoch);
  SimTime now(*rc::gen::inRange<int64_t>(0, Seconds(1000).ns()));
  clock.SetMonoDrift(now, *rc::gen::inRange(-5000, 5000));
  now = now + Duration(*rc::gen::inRange<int64_t>(0, Seconds(10).ns()));
  const MonoTime deadline =
      clock.Mono(now) +
      Duration(*rc::gen::inRange<int64_t>(-1000, Seconds(100).ns()));
  const SimTime when = clock.WhenMono(deadline, now);
  RC_ASSERT(when >= now);
  RC_ASSERT(clock.Mono(when) >= deadline);
  if (when > now) RC_ASSERT(clock.Mono(when - Nanoseconds(1)) < deadline);
}

}  // namespace
}  // namespace quorate::sim

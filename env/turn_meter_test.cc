#include "env/turn_meter.h"

#include "gtest/gtest.h"

namespace quorate::env {
namespace {

class StandingLoop final : public Loop {
 public:
  Now ReadClock() override { return now; }
  Pending At(MonoTime, Callback) override { return Pending(); }
  Pending Defer(Callback) override { return Pending(); }

  Now now = {};
};

TEST(TurnMeter, WorkOfAStep_IsBoundedButForTheLastPiece) {
  StandingLoop loop;
  TurnMeter meter(loop, 10);
  EXPECT_EQ(meter.left(), 10u);
  meter.Add(4);
  EXPECT_EQ(meter.left(), 6u);
  EXPECT_FALSE(meter.exhausted());
  meter.Add(9);
  EXPECT_EQ(meter.left(), 0u);
  EXPECT_TRUE(meter.exhausted());
  EXPECT_EQ(meter.longest(), 13u);
}

TEST(TurnMeter, LaterStepOrTurn_HasAllOfTheWorkAgain) {
  StandingLoop loop;
  TurnMeter meter(loop, 10);
  meter.Add(10);
  loop.now.mono = loop.now.mono + Nanoseconds(1);
  EXPECT_EQ(meter.left(), 10u);
  meter.Add(7);
  meter.Begin();
  EXPECT_EQ(meter.left(), 10u);
  EXPECT_EQ(meter.longest(), 10u);
}

}  // namespace
}  // namespace quorate::env

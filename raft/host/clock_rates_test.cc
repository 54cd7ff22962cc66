// The rates of clocks, measured by the times in envelopes.
#include "raft/host/clock_rates.h"

#include <cstdint>
#include <optional>

#include "env/random.h"
#include "gtest/gtest.h"

namespace quorate::raft {
namespace {

constexpr NodeId kNear(2), kFar(3), kThird(4);

class ClockRatesTest : public ::testing::Test {
 protected:
  // Both nodes send for `time`, five times in a second. The clock of a node
  // reads its offset plus true time, made faster by its parts per million.
  void Run(Duration time, NodeId node, int64_t ppm, uint64_t process = 1) {
    for (Duration passed; passed < time; passed = passed + Milliseconds(200)) {
      const MonoTime sent(7'000'000'000 + ppm * true_.ns() / 1'000'000 +
                          true_.ns());
      true_ = true_ + Milliseconds(200);
      // Most messages are slow, and a few take 1 ms.
      const uint64_t draw = random_.Bits("delay", ++draws_, 0);
      const Duration delay =
          draw % 10 == 0
              ? Milliseconds(1)
              : Microseconds(static_cast<int64_t>(1000 + draw / 10 % 30'000));
      now_.mono = now_.mono + Milliseconds(200) + Nanoseconds(own_ppm_ * 200);
      Now arrived = now_;
      arrived.mono = arrived.mono + delay;
      rates_.Heard(node, process, sent, arrived);
    }
  }

  ClockRates rates_;
  Random random_{5};
  Duration true_;
  Now now_;
  int64_t own_ppm_ = 0;
  uint64_t draws_ = 0;
};

TEST_F(ClockRatesTest, Rate_IsUnknownForAMinute) {
  Run(Seconds(59), kNear, 0);
  EXPECT_EQ(rates_.AheadOf(kNear), std::nullopt);
  EXPECT_FALSE(rates_.MostDiffer(0));
  Run(Seconds(30), kNear, 0);
  ASSERT_TRUE(rates_.AheadOf(kNear).has_value());
  EXPECT_EQ(rates_.AheadOf(kFar), std::nullopt);
}

TEST_F(ClockRatesTest, Rate_IsThatOfTheClocksDespiteDelays) {
  for (const int64_t ppm : {-2000, -400, 0, 30, 900}) {
    SCOPED_TRACE(ppm);
    own_ppm_ = 100;
    rates_.Forget(kNear);
    Run(Seconds(180), kNear, ppm);
    ASSERT_TRUE(rates_.AheadOf(kNear).has_value());
    EXPECT_NEAR(*rates_.AheadOf(kNear), 100 - ppm, 15);
  }
}

TEST_F(ClockRatesTest, ClockThatChangesItsRate_IsNoticedWithinMinutes) {
  Run(Seconds(400), kNear, 0);
  EXPECT_FALSE(rates_.MostDiffer(100));
  own_ppm_ = 1500;
  Run(Seconds(180), kNear, 0);
  EXPECT_TRUE(rates_.MostDiffer(500));
}

TEST_F(ClockRatesTest, OneOfTwoOthers_IsTheWrongOne) {
  Run(Seconds(90), kNear, 900);
  Run(Seconds(90), kFar, 10);
  EXPECT_GT(std::abs(*rates_.AheadOf(kNear)), 500);
  EXPECT_FALSE(rates_.MostDiffer(500));
  Run(Seconds(90), kThird, 900);
  EXPECT_TRUE(rates_.MostDiffer(500));
}

TEST_F(ClockRatesTest, AnotherProcessOrAJump_MakesRatesUnknown) {
  Run(Seconds(90), kNear, 0);
  ASSERT_TRUE(rates_.AheadOf(kNear).has_value());
  Run(Seconds(1), kNear, 0, /*process=*/2);
  EXPECT_EQ(rates_.AheadOf(kNear), std::nullopt);
  Run(Seconds(90), kNear, 0, /*process=*/2);
  ASSERT_TRUE(rates_.AheadOf(kNear).has_value());
  ++now_.disruptions;
  Run(Seconds(1), kFar, 0);
  EXPECT_EQ(rates_.AheadOf(kNear), std::nullopt);
}

}  // namespace
}  // namespace quorate::raft

// Values of a key at times and positions.
#include "sim/checks/value_history.h"

#include "gtest/gtest.h"

namespace quorate::sim {
namespace {

constexpr uint64_t kNothing = ValueHistory::kNothing;

SimTime AfterNs(int64_t ns) { return SimTime(ns); }

// The key has value 7 from 100 ns and position 10 on, and value 8 from 200 ns
// and position 20 on.
class ValueHistoryTest : public testing::Test {
 protected:
  ValueHistoryTest() {
    history_.OnValue("k", 10, AfterNs(100), 7);
    history_.OnValue("k", 20, AfterNs(200), 8);
  }
  bool Between(uint64_t value, int64_t from, int64_t to) {
    return history_.CurrentBetween("k", value, AfterNs(from), AfterNs(to));
  }

  ValueHistory history_;
};

TEST_F(ValueHistoryTest, ValueDuringASpan_IsCurrent) {
  EXPECT_TRUE(Between(kNothing, 10, 20));
  EXPECT_TRUE(Between(7, 50, 120));
  EXPECT_TRUE(Between(7, 150, 300));
  EXPECT_TRUE(Between(8, 250, 300));
}

TEST_F(ValueHistoryTest, ValueBeforeOrAfterASpan_IsNotCurrent) {
  EXPECT_FALSE(Between(kNothing, 150, 300));
  EXPECT_FALSE(Between(7, 250, 300));
  EXPECT_FALSE(Between(8, 10, 150));
  EXPECT_FALSE(Between(9, 10, 300));
}

TEST_F(ValueHistoryTest, KeyWithoutAValue_IsNothing) {
  EXPECT_TRUE(history_.CurrentBetween("l", kNothing, AfterNs(1), AfterNs(2)));
  EXPECT_FALSE(history_.CurrentBetween("l", 7, AfterNs(1), AfterNs(2)));
  EXPECT_EQ(history_.FirstFrom(9, "l", kNothing), 9u);
}

TEST_F(ValueHistoryTest, FirstPosition_IsTheFloorOrTheBeginningOfTheValue) {
  EXPECT_EQ(history_.FirstFrom(0, "k", kNothing), 0u);
  EXPECT_EQ(history_.FirstFrom(9, "k", kNothing), 9u);
  EXPECT_EQ(history_.FirstFrom(0, "k", 7), 10u);
  EXPECT_EQ(history_.FirstFrom(19, "k", 7), 19u);
  EXPECT_EQ(history_.FirstFrom(19, "k", 8), 20u);
}

TEST_F(ValueHistoryTest, ValueThatEndedOrNeverWas_HasNoPosition) {
  EXPECT_EQ(history_.FirstFrom(10, "k", kNothing), std::nullopt);
  EXPECT_EQ(history_.FirstFrom(20, "k", 7), std::nullopt);
  EXPECT_EQ(history_.FirstFrom(0, "k", 9), std::nullopt);
}

}  // namespace
}  // namespace quorate::sim

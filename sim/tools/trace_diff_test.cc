#include "sim/tools/trace_diff.h"

#include "gtest/gtest.h"

namespace quorate::sim {
namespace {

constexpr char kFirst[] =
    "t=0.0 m1 boot 01\n"
    "t=0.1 m1 timer 02 <-1\n"
    "t=0.2 m2 message 03 <-2 from m1\n";

TEST(CompareTraces, CausesAndWords_DoNotCount) {
  const TraceDifference same = CompareTraces(
      kFirst, "t=0.0 m1 boot 01\nt=0.1 m1 timer 02\nt=0.2 m2 message 03 x\n");
  EXPECT_TRUE(same.equal);
  EXPECT_EQ(same.text, "equal: 3 events\n");
}

TEST(CompareTraces, AnotherEvent_IsShownWithItsCauses) {
  const TraceDifference other = CompareTraces(
      kFirst,
      "t=0.0 m1 boot 01\nt=0.1 m1 timer 02 <-1\nt=0.2 m3 message 04 <-1\n");
  EXPECT_FALSE(other.equal);
  EXPECT_EQ(other.text,
            "different after 2 equal events\n"
            "A: t=0.2 m2 message 03 <-2 from m1\n"
            "    caused by 2: t=0.1 m1 timer 02 <-1\n"
            "    caused by 1: t=0.0 m1 boot 01\n"
            "B: t=0.2 m3 message 04 <-1\n"
            "    caused by 1: t=0.0 m1 boot 01\n");
}

TEST(CompareTraces, OneEndsEarlier_IsSaid) {
  const TraceDifference shorter = CompareTraces(kFirst, "t=0.0 m1 boot 01\n");
  EXPECT_FALSE(shorter.equal);
  EXPECT_NE(shorter.text.find("B: ends here"), std::string::npos);
}

// A cause that is not earlier is damage: it is not followed.
TEST(CompareTraces, CauseOfItself_IsNotFollowed) {
  EXPECT_EQ(CompareTraces("t=0.0 m1 boot 01 <-1\n", "").text,
            "different after 0 equal events\nA: t=0.0 m1 boot 01 <-1\n"
            "B: ends here\n");
}

}  // namespace
}  // namespace quorate::sim

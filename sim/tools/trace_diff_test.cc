#include "sim/tools/trace_diff.h"

#include "gtest/gtest.h"

namespace quorate::sim {
namespace {

constexpr char kFirst[] =
    "t=0.0 m1 boot 01\n"
    "t=0.1 m1 timer 02 <-1\n"
    "t=0.2 m2 message 03 <-2 from m1\n";

TEST(CompareRuns, CausesAndWords_DoNotCount) {
  const RunDifference same = CompareRuns(
      {kFirst},
      {"t=0.0 m1 boot 01\nt=0.1 m1 timer 02\nt=0.2 m2 message 03 x\n"});
  EXPECT_TRUE(same.equal);
  EXPECT_EQ(same.text, "equal: 3 events\n");
}

TEST(CompareRuns, AnotherEvent_IsShownWithItsCauses) {
  const RunDifference other = CompareRuns(
      {kFirst},
      {"t=0.0 m1 boot 01\nt=0.1 m1 timer 02 <-1\nt=0.2 m3 message 04 <-1\n"});
  EXPECT_FALSE(other.equal);
  EXPECT_EQ(other.text,
            "different after 2 equal events\n"
            "A: t=0.2 m2 message 03 <-2 from m1\n"
            "    caused by 2: t=0.1 m1 timer 02 <-1\n"
            "    caused by 1: t=0.0 m1 boot 01\n"
            "B: t=0.2 m3 message 04 <-1\n"
            "    caused by 1: t=0.0 m1 boot 01\n");
}

TEST(CompareRuns, OneEndsEarlier_IsSaid) {
  const RunDifference shorter = CompareRuns({kFirst}, {"t=0.0 m1 boot 01\n"});
  EXPECT_FALSE(shorter.equal);
  EXPECT_NE(shorter.text.find("B: ends here"), std::string::npos);
}

// A cause that is not earlier is damage: it is not followed.
TEST(CompareRuns, CauseOfItself_IsNotFollowed) {
  EXPECT_EQ(CompareRuns({"t=0.0 m1 boot 01 <-1\n"}, {}).text,
            "different after 0 equal events\nA: t=0.0 m1 boot 01 <-1\n"
            "B: ends here\n");
}

TEST(CompareRuns, RunsThatDie_TheirEndCounts) {
  const RecordedRun dead{kFirst, {"the run died of signal 11"}};
  const RunDifference same = CompareRuns(dead, dead);
  EXPECT_TRUE(same.equal);
  EXPECT_EQ(same.text,
            "equal: 3 events\n"
            "A: violation: the run died of signal 11\n"
            "B: violation: the run died of signal 11\n");
  const RunDifference other = CompareRuns(dead, {kFirst});
  EXPECT_FALSE(other.equal);
  EXPECT_EQ(other.text,
            "equal: 3 events, but another end\n"
            "A: violation: the run died of signal 11\n"
            "B: clean\n");
}

TEST(CompareRuns, NothingRecorded_NotEqual) {
  EXPECT_FALSE(CompareRuns({}, {}).equal);
}

}  // namespace
}  // namespace quorate::sim

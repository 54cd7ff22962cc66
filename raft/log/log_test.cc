// The log as its users see it, on a disk that behaves well or crashes.
#include "raft/log/log.h"

#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "raft/log/log_harness.h"

namespace quorate::raft {
namespace {

using sim::CrashKind;

const GroupKey kGroup = TestGroup(1);

class LogTest : public ::testing::Test {
 protected:
  void SetUp() override { h_.Start(); }
  RecoveredGroup& Recovered(GroupKey key = kGroup) {
    return h_.log()->recovered()[key];
  }
  LogHarness h_;
};

TEST_F(LogTest, FreshStore_HasNoGroups) {
  EXPECT_TRUE(h_.log()->recovered().empty());
  EXPECT_TRUE(h_.log()->status().ok());
  ASSERT_TRUE(h_.Restart().ok());
  EXPECT_TRUE(h_.log()->recovered().empty());
}

TEST_F(LogTest, AcknowledgedAppend_SurvivesEitherCrash) {
  const HardState hard_state{Term(3), NodeId(2)};
  const std::vector<Entry> entries = {TestEntry(1, 1, "a"),
                                      TestEntry(3, 2, std::string(3000, 'b'))};
  ASSERT_TRUE(h_.Append(kGroup, entries, &hard_state).ok());
  for (CrashKind kind :
       {CrashKind::kProcess, CrashKind::kMachine, CrashKind::kMachine}) {
    ASSERT_TRUE(h_.Restart(kind).ok());
    EXPECT_EQ(Recovered().hard_state, hard_state);
    EXPECT_EQ(Recovered().entries, entries);
    EXPECT_TRUE(Recovered().fenced.ok());
  }
}

TEST_F(LogTest, LaterAppend_ReplacesTheSuffix) {
  ASSERT_TRUE(h_.Append(kGroup, {TestEntry(1, 1, "a"), TestEntry(1, 2, "b"),
                                 TestEntry(1, 3, "c")})
                  .ok());
  ASSERT_TRUE(h_.Append(kGroup, {TestEntry(2, 2, "x")}).ok());
  ASSERT_TRUE(h_.Restart(CrashKind::kMachine).ok());
  const std::vector<Entry> expected = {TestEntry(1, 1, "a"),
                                       TestEntry(2, 2, "x")};
  EXPECT_EQ(Recovered().entries, expected);
}

TEST_F(LogTest, ManySegments_RollAndComeBack) {
  std::vector<Entry> expected;
  for (uint64_t i = 1; i <= 300; ++i) {
    const Entry entry = TestEntry(1, i, std::string(1000, 'a' + i % 26));
    expected.push_back(entry);
    ASSERT_TRUE(h_.Append(kGroup, {entry}).ok());
  }
  EXPECT_GT(h_.log()->counters().segments, 3u);
  ASSERT_TRUE(h_.Restart(CrashKind::kMachine).ok());
  EXPECT_EQ(Recovered().entries, expected);
  ASSERT_TRUE(h_.Restart(CrashKind::kMachine).ok());
  EXPECT_EQ(Recovered().entries, expected);
}

// Recovery copies what nothing witnesses in front of the states of a new segment, which may become the first of the chain.
TEST_F(LogTest, RestartsAndBoundaries_TakingTurns_NeverFence) {
  std::vector<Entry> expected;
  LogPosition boundary;
  uint64_t index = 0;
  for (int round = 0; round < 30; ++round) {
    for (int i = 0; i < 3; ++i) {
      const Entry entry = TestEntry(1, ++index, std::string(100, 'x'));
      expected.push_back(entry);
      const HardState hard_state{Term(1 + round), NodeId(1)};
      ASSERT_TRUE(h_.Append(kGroup, {entry}, &hard_state).ok());
    }
    if (round % 2 == 1) {
      boundary = expected[expected.size() - 2].position();
      expected.erase(expected.begin(), expected.end() - 1);
      ASSERT_TRUE(h_.SetBoundary(kGroup, boundary).ok());
    }
    ASSERT_TRUE(
        h_.Restart(round % 3 == 0 ? CrashKind::kProcess : CrashKind::kMachine)
            .ok());
    ASSERT_TRUE(Recovered().fenced.ok()) << round << Recovered().fenced;
    ASSERT_EQ(Recovered().boundary, boundary) << round;
    ASSERT_EQ(Recovered().entries, expected) << round;
  }
}

}  // namespace
}  // namespace quorate::raft

// Programs of two versions in one cluster. They differ by one command: payloads
// that begin with "new".
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "raft/host/host.h"
#include "raft/host/testing/journal_cluster.h"

namespace quorate::raft {
namespace {

using testing::JournalCluster;
using testing::kGroup;

class UpgradeTest : public ::testing::Test {
 protected:
  // Adds a line that every program knows.
  void Write() {
    ASSERT_EQ(cluster_.Propose("line").outcome, Outcome::kDone);
    ++lines_;
  }
  Level level() {
    return cluster_.node(cluster_.leader())
        ->host.core(kGroup)
        ->configuration()
        .level;
  }
  bool halted(uint32_t n) {
    const Core* core = cluster_.node(n)->host.core(kGroup);
    return core != nullptr && core->halted_at() != Index();
  }
  // Replaces the programs of all nodes, one by one.
  void UpgradeAll() {
    for (uint32_t n = 1; n <= 3; ++n) {
      cluster_.Replace(n, Level(2));
      ASSERT_TRUE(cluster_.WaitConverged(lines_));
    }
    ASSERT_TRUE(cluster_.WaitForLeader());
    ASSERT_TRUE(
        cluster_.world_.RunUntilTrue([this] { return level() == Level(2); }));
  }

  JournalCluster cluster_{24, /*snapshot_threshold_bytes=*/4 << 10};
  size_t lines_ = 0;
};

TEST_F(UpgradeTest, NodeByNode_TheNewCommandWaitsForTheLast) {
  for (uint32_t n = 1; n <= 3; ++n) {
    Write();
    const ProposeResult early = cluster_.Propose("new line");
    EXPECT_EQ(early.outcome, Outcome::kNotExecuted);
    EXPECT_TRUE(absl::IsFailedPrecondition(early.status)) << early.status;
    EXPECT_TRUE(absl::StrContains(early.status.message(),
                                  "need level 2, but group 1 is at level 1"))
        << early.status;
    cluster_.Replace(n, Level(2));
    Write();
    ASSERT_TRUE(cluster_.WaitConverged(lines_));
  }
  ASSERT_TRUE(cluster_.WaitForLeader());
  ASSERT_TRUE(
      cluster_.world_.RunUntilTrue([this] { return level() == Level(2); }));
  ASSERT_EQ(cluster_.Propose("new line").outcome, Outcome::kDone);
  ASSERT_TRUE(cluster_.WaitConverged(lines_ + 1));
  for (uint32_t n = 1; n <= 3; ++n) {
    EXPECT_TRUE(cluster_.node(n)->host.group_status(kGroup).ok());
  }
}

// It votes with the log that it has. The majority needs it.
TEST_F(UpgradeTest, ReplicaLeftBehind_VotesAndCatchesUp) {
  Write();
  UpgradeAll();
  const uint32_t old = cluster_.leader() % 3 + 1;
  const uint32_t third = 6 - cluster_.leader() - old;
  cluster_.Replace(old, Level(1));
  ASSERT_TRUE(cluster_.world_.RunUntilTrue([&] { return halted(old); }));
  const absl::Status why = cluster_.node(old)->host.group_status(kGroup);
  EXPECT_TRUE(absl::IsFailedPrecondition(why)) << why;
  EXPECT_TRUE(absl::StrContains(why.message(), "start the newer program"));
  cluster_.Crash(third, sim::CrashKind::kProcess);
  ASSERT_EQ(cluster_.Propose("new line").outcome, Outcome::kDone);
  // A restart with the old program halts again, and never leads.
  cluster_.Replace(old, Level(1));
  cluster_.world_.RunFor(Seconds(20));
  EXPECT_TRUE(halted(old));
  ASSERT_EQ(cluster_.Propose("new line").outcome, Outcome::kDone);
  cluster_.Restart(third);
  cluster_.Replace(old, Level(2));
  ASSERT_TRUE(cluster_.WaitConverged(lines_ + 2));
}

// Its snapshot is of a level that the old program does not know.
TEST_F(UpgradeTest, ReplicaWithANewerSnapshot_IsHaltedAndKeepsIt) {
  Write();
  UpgradeAll();
  const std::string large = absl::StrCat("new ", std::string(1 << 10, 'x'));
  const uint32_t old = cluster_.leader() % 3 + 1;
  const auto snapshot_of_level_2 = [&] {
    return cluster_.node(old)
               ->host.core(kGroup)
               ->snapshot()
               .configuration.level == Level(2);
  };
  for (; lines_ < 50 || !snapshot_of_level_2(); ++lines_) {
    ASSERT_LT(lines_, 500u);
    ASSERT_EQ(cluster_.Propose(large).outcome, Outcome::kDone);
  }
  cluster_.Replace(old, Level(1));
  cluster_.AwaitStart(old);
  EXPECT_TRUE(halted(old));
  EXPECT_FALSE(cluster_.node(old)->host.group_status(kGroup).ok());
  cluster_.world_.RunFor(Seconds(5));
  ASSERT_EQ(cluster_.Propose(large).outcome, Outcome::kDone);
  cluster_.Replace(old, Level(2));
  ASSERT_TRUE(cluster_.WaitConverged(lines_ + 1));
}

// Such a node gets the snapshot of a leader with a newer program, because the
// leader has not kept the entries.
TEST_F(UpgradeTest, ReplicaOfferedANewerSnapshot_Halts) {
  Write();
  const uint32_t old = cluster_.leader() % 3 + 1;
  UpgradeAll();
  cluster_.Crash(old, sim::CrashKind::kProcess);
  const std::string large = absl::StrCat("new ", std::string(1 << 10, 'x'));
  for (int i = 0; i < 100; ++i, ++lines_) {
    ASSERT_EQ(cluster_.Propose(large).outcome, Outcome::kDone);
  }
  cluster_.known_[old] = Level(1);
  cluster_.Restart(old);
  ASSERT_TRUE(cluster_.world_.RunUntilTrue([&] { return halted(old); }));
  cluster_.Replace(old, Level(2));
  ASSERT_TRUE(cluster_.WaitConverged(lines_));
}

}  // namespace
}  // namespace quorate::raft

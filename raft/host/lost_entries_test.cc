// A follower whose disk lost entries that it had acknowledged as durable.
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "raft/host/host.h"
#include "raft/host/testing/journal_cluster.h"

namespace quorate::raft {
namespace {

using testing::JournalCluster;
using testing::kGroup;

class LostEntriesTest : public ::testing::Test {
 protected:
  // Writes a line, and starts a follower again without it: its last write is
  // damaged, and recovery takes it for one that the crash tore. Returns the
  // follower.
  uint32_t LoseALine() {
    EXPECT_EQ(cluster_.Propose("first").outcome, Outcome::kDone);
    EXPECT_EQ(cluster_.Propose("lost line").outcome, Outcome::kDone);
    EXPECT_TRUE(cluster_.WaitConverged(lines_ + 2));
    cluster_.world_.RunFor(Milliseconds(50));
    const uint32_t n = cluster_.leader() % 3 + 1;
    const sim::MachineId machine = cluster_.machines_[n - 1];
    cluster_.Crash(n, sim::CrashKind::kMachine);
    bool damaged = false;
    for (const std::string& name : cluster_.world_.DiskFiles(machine)) {
      const size_t at =
          cluster_.world_.ReadDiskFile(machine, name).find("lost line");
      if (!name.starts_with("log-") || at == std::string::npos) continue;
      damaged = cluster_.world_.FlipDiskBit(machine, name, at, 3);
    }
    EXPECT_TRUE(damaged);
    cluster_.Restart(n);
    cluster_.AwaitStart(n);
    EXPECT_EQ(cluster_.node(n)->host.core(kGroup)->last().index.value() + 1,
              cluster_.node(cluster_.leader())
                  ->host.core(kGroup)
                  ->last()
                  .index.value());
    return n;
  }
  absl::Status StatusOf(uint32_t n) {
    return cluster_.node(n)->host.group_status(kGroup);
  }
  bool FencedSoon(uint32_t n) {
    return cluster_.world_.RunUntilTrue([&] { return !StatusOf(n).ok(); });
  }

  JournalCluster cluster_{17};
  size_t lines_ = 0;  // Written before LoseALine.
};

TEST_F(LostEntriesTest, Follower_IsToldAndFenced) {
  const uint32_t n = LoseALine();
  ASSERT_EQ(cluster_.Propose("after").outcome, Outcome::kDone);
  ASSERT_TRUE(FencedSoon(n));
  EXPECT_TRUE(absl::IsDataLoss(StatusOf(n))) << StatusOf(n);
  EXPECT_TRUE(absl::StrContains(StatusOf(n).message(), "lacks entries"));
  EXPECT_EQ(cluster_.node(n)->host.condition(kGroup), Host::Condition::kFenced);
  EXPECT_EQ(cluster_.node(n)->observer.fenced, 1);
  // It stays so.
  cluster_.world_.RunFor(Milliseconds(100));
  cluster_.Crash(n, sim::CrashKind::kMachine);
  cluster_.Restart(n);
  cluster_.AwaitStart(n);
  EXPECT_TRUE(cluster_.node(n)->started.ok());
  EXPECT_EQ(cluster_.node(n)->host.condition(kGroup), Host::Condition::kFenced);
}

// Its entries leave the memory, and the other groups have the whole budgets.
TEST_F(LostEntriesTest, FencedFollower_GivesItsLogBack) {
  for (; lines_ < 100; ++lines_) {
    ASSERT_EQ(cluster_.Propose(std::string(1'000, 'x')).outcome,
              Outcome::kDone);
  }
  const uint32_t n = LoseALine();
  Host& host = cluster_.node(n)->host;
  EXPECT_GT(host.stats().log_memory_bytes, 100'000u);
  EXPECT_GT(host.stats().log_bytes, 100'000u);
  ASSERT_EQ(cluster_.Propose("after").outcome, Outcome::kDone);
  ASSERT_TRUE(FencedSoon(n));
  EXPECT_LT(host.stats().log_memory_bytes, 1'000u);
  EXPECT_EQ(host.stats().log_bytes, 0u);
  EXPECT_LT(host.core(kGroup)->resident_log_bytes(), 1'000u);
}

// The third replica may lack them, too. Both together would lose them.
TEST_F(LostEntriesTest, FencedFollower_ElectsNoLeader) {
  const uint32_t n = LoseALine();
  ASSERT_EQ(cluster_.Propose("after").outcome, Outcome::kDone);
  ASSERT_TRUE(FencedSoon(n));
  const uint32_t leader = cluster_.leader();
  cluster_.Crash(leader, sim::CrashKind::kProcess);
  cluster_.world_.RunFor(Seconds(10));
  EXPECT_EQ(cluster_.leader(), 0u);
  cluster_.Restart(leader);
  EXPECT_TRUE(cluster_.WaitForLeader());
}

}  // namespace
}  // namespace quorate::raft

// Entries beyond the budget of memory: they stay on disk, and followers get
// them from there.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "raft/host/host.h"
#include "raft/host/testing/journal_cluster.h"

namespace quorate::raft {
namespace {

constexpr size_t kPayloadBytes = 200;
constexpr uint64_t kBudget = 16 << 10;

// No snapshot is due, and few entries fit into the memory.
class HostEviction : public ::testing::Test {
 protected:
  void SetUp() override {
    cluster_.options_.log_memory_bytes_max = kBudget;
    cluster_.options_.log.segment_bytes = 64 << 10;
    for (uint32_t n = 1; n <= 3; ++n) {
      cluster_.Crash(n, sim::CrashKind::kProcess);
      cluster_.Restart(n);
    }
  }
  void Propose(int count) {
    for (int i = 0; i < count; ++i) {
      ++lines_;
      ASSERT_EQ(cluster_.Propose(std::string(kPayloadBytes, 'x')).outcome,
                Outcome::kDone);
    }
  }
  // A follower lacks entries that the leader has only on its disk.
  void ReplaceEntriesThatTheLeaderCannotRead() {
    Propose(10);
    const uint32_t lagging = cluster_.leader() % 3 + 1;
    cluster_.Crash(lagging, sim::CrashKind::kMachine);
    Propose(1000);
    for (uint32_t n = 1; n <= 3; ++n) {
      if (n == lagging) continue;
      const sim::MachineId machine = cluster_.machines_[n - 1];
      for (const std::string& file : cluster_.world_.DiskFiles(machine)) {
        if (!file.starts_with("log-")) continue;
        cluster_.world_.MakeUnreadable(machine, file, 4096, 1 << 20);
        break;  // The oldest segment.
      }
    }
    cluster_.Restart(lagging);
    ASSERT_TRUE(cluster_.WaitConverged(lines_));
    EXPECT_EQ(cluster_.node(lagging)->observer.restored, 1);
    EXPECT_GT(core(cluster_.leader()).log_start().index, Index(900));
    Propose(10);
    ASSERT_TRUE(cluster_.WaitConverged(lines_));
  }
  Host& host(uint32_t n) { return cluster_.node(n)->host; }
  const Core& core(uint32_t n) { return *host(n).core(testing::kGroup); }

  testing::JournalCluster cluster_{31, /*snapshot_threshold_bytes=*/1 << 30};
  size_t lines_ = 0;
};

TEST_F(HostEviction, EntriesBeyondTheBudget_LeaveTheMemory) {
  for (int i = 0; i < 40; ++i) {
    Propose(10);
    for (uint32_t n = 1; n <= 3; ++n) {
      EXPECT_LE(host(n).stats().log_memory_bytes, kBudget + 1024);
    }
  }
  for (uint32_t n = 1; n <= 3; ++n) {
    EXPECT_GT(host(n).stats().log_bytes, 390 * kPayloadBytes);
    EXPECT_EQ(core(n).log_start().index, Index(0));
  }
  // A start reads all of them, applies them, and then frees them again.
  cluster_.Crash(2, sim::CrashKind::kMachine);
  cluster_.Restart(2);
  ASSERT_TRUE(cluster_.WaitConverged(lines_));
  Propose(1);
  ASSERT_TRUE(cluster_.WaitConverged(lines_));
  EXPECT_LE(host(2).stats().log_memory_bytes, kBudget + 1024);
}

// In an idle group each member has all entries.
TEST(HostEvictionOfIdleGroups, EntriesWithinTheBudget_LeaveTheMemoryToo) {
  testing::JournalCluster cluster{32, /*snapshot_threshold_bytes=*/1 << 30};
  size_t lines = 0;
  uint64_t largest = 0;
  for (; lines < 1000; ++lines) {
    ASSERT_EQ(cluster.Propose(std::string(kPayloadBytes, 'x')).outcome,
              Outcome::kDone);
    largest = std::max(largest, cluster.node(1)->host.stats().log_memory_bytes);
  }
  EXPECT_GT(largest, 1000 * kPayloadBytes * 3 / 4);
  ASSERT_TRUE(cluster.WaitConverged(lines));
  cluster.world_.RunFor(Seconds(10));
  for (uint32_t n = 1; n <= 3; ++n) {
    EXPECT_LE(cluster.node(n)->host.stats().log_memory_bytes, 70 << 10);
    EXPECT_GT(cluster.node(n)->host.stats().log_bytes, 1000 * kPayloadBytes);
  }
}

// It catches up although the leader's memory has lost what it needs, while
// more entries follow.
TEST_F(HostEviction, LaggingFollower_GetsEntriesFromTheLeadersDisk) {
  Propose(10);
  const uint32_t lagging = cluster_.leader() % 3 + 1;
  cluster_.Crash(lagging, sim::CrashKind::kMachine);
  Propose(1000);
  ASSERT_GT(core(cluster_.leader()).evicted(), Index(900));
  cluster_.Restart(lagging);
  Propose(100);
  ASSERT_TRUE(cluster_.WaitConverged(lines_));
  EXPECT_EQ(cluster_.node(lagging)->observer.restored, 0);
  EXPECT_EQ(core(lagging).log_start().index, Index(0));
  for (uint32_t n = 1; n <= 3; ++n) {
    EXPECT_LE(host(n).stats().log_memory_bytes, kBudget + 1024);
  }
}

// The segments are rewritten and cut while followers read them.
TEST_F(HostEviction, LaggingFollowers_WhileLogsAreCut_CatchUp) {
  cluster_.options_.snapshot_threshold_bytes = 64 << 10;
  cluster_.options_.snapshot_threshold_bytes_max = 64 << 10;
  cluster_.options_.log.slack_segments = 0;
  for (uint32_t n = 1; n <= 3; ++n) {
    cluster_.Crash(n, sim::CrashKind::kProcess);
    cluster_.Restart(n);
  }
  for (int round = 0; round < 12; ++round) {
    Propose(20);
    const uint32_t lagging = (cluster_.leader() + round) % 3 + 1;
    if (lagging == cluster_.leader()) continue;
    cluster_.Crash(lagging, sim::CrashKind::kMachine);
    Propose(100 + 20 * round);
    cluster_.Restart(lagging);
  }
  ASSERT_TRUE(cluster_.WaitConverged(lines_));
}

// The process has too many open files, or the disk fails once. No snapshot
// takes the place of entries that can be read later.
TEST_F(HostEviction, EntriesThatCannotBeReadForAWhile_AreReadLater) {
  Propose(10);
  const uint32_t lagging = cluster_.leader() % 3 + 1;
  cluster_.Crash(lagging, sim::CrashKind::kMachine);
  Propose(1000);
  for (uint32_t n = 1; n <= 3; ++n) {
    const sim::MachineId machine = cluster_.machines_[n - 1];
    if (n != lagging) cluster_.world_.LimitOpenFiles(machine, 0);
  }
  cluster_.Restart(lagging);
  cluster_.world_.RunFor(Seconds(10));
  EXPECT_LT(core(lagging).last().index, Index(900));
  const sim::MachineId leader = cluster_.machines_[cluster_.leader() - 1];
  EXPECT_GT(cluster_.world_.disk_failures(leader), 0u);
  for (const sim::MachineId machine : cluster_.machines_) {
    cluster_.world_.HealDisk(machine);
    cluster_.world_.FailDiskOperation(machine, sim::World::DiskOperation::kRead,
                                      1,
                                      /*persistent=*/false);
  }
  ASSERT_TRUE(cluster_.WaitConverged(lines_));
  EXPECT_EQ(cluster_.node(lagging)->observer.restored, 0);
  EXPECT_EQ(core(cluster_.leader()).log_start().index, Index(0));
}

// A bad page below an idle group must not keep the segments of all groups.
TEST(HostOldSegments, UnreadableEntriesOfAnIdleGroup_AreReplacedByASnapshot) {
  constexpr GroupId kIdle(2);
  testing::JournalCluster cluster{
      33, /*snapshot_threshold_bytes=*/32 << 10, {}};
  cluster.SetGroups(2);
  cluster.options_.log.segment_bytes = 64 << 10;
  cluster.options_.log.slack_segments = 1;
  for (uint32_t n = 1; n <= 3; ++n) cluster.StartNode(n);
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(cluster.Propose(std::string(3000, 'i'), kIdle).outcome,
              Outcome::kDone);
  }
  ASSERT_TRUE(cluster.WaitConverged(5, kIdle));
  const sim::MachineId machine = cluster.machines_[0];
  const auto log_files = [&] {
    std::vector<std::string> names = cluster.world_.DiskFiles(machine);
    std::erase_if(names, [](const auto& s) { return !s.starts_with("log-"); });
    return names;
  };
  cluster.world_.MakeUnreadable(machine, log_files().front(), 12 << 10, 4096);
  size_t most = 0;
  for (int round = 0; round < 40; ++round) {
    for (int i = 0; i < 20; ++i) {
      ASSERT_EQ(cluster.Propose(std::string(3000, 'x')).outcome,
                Outcome::kDone);
    }
    cluster.world_.RunFor(Seconds(1));
    most = std::max(most, log_files().size());
  }
  EXPECT_GT(cluster.world_.marks().at("log.unreadable_reported"), 0u);
  EXPECT_GT(cluster.world_.marks().at("raft.unreadable_entries_cut"), 0u);
  EXPECT_EQ(cluster.node(1)->host.core(kIdle)->log_start().index,
            cluster.node(1)->host.core(kIdle)->applied_index());
  EXPECT_LE(most, 20u);
  ASSERT_TRUE(cluster.WaitConverged(800));
  cluster.Crash(1, sim::CrashKind::kMachine);
  cluster.Restart(1);
  EXPECT_TRUE(cluster.WaitConverged(5, kIdle));
}

TEST_F(HostEviction, EntriesThatTheLeaderCannotRead_AreReplacedByASnapshot) {
  ReplaceEntriesThatTheLeaderCannotRead();
}

// Otherwise the follower would never catch up.
TEST_F(HostEviction, EntriesThatCannotBeRead_AreReplacedWithoutOtherSnapshots) {
  cluster_.options_.snapshot_threshold_bytes = 0;
  for (uint32_t n = 1; n <= 3; ++n) {
    cluster_.Crash(n, sim::CrashKind::kProcess);
    cluster_.Restart(n);
  }
  ReplaceEntriesThatTheLeaderCannotRead();
}

// An installed snapshot replaces the entries that cannot be read, so the own
// one that was to do so is not begun again.
TEST_F(HostEviction, SnapshotInstalledOverAnOwnOne_LeavesNoneToTake) {
  Propose(10);
  const uint32_t slow = cluster_.leader();
  const uint32_t lagging = slow % 3 + 1;
  const uint32_t other = lagging % 3 + 1;
  const auto restart = [&](uint32_t n) {
    cluster_.Crash(n, sim::CrashKind::kProcess);
    cluster_.Restart(n);
    cluster_.AwaitStart(n);
  };
  // Its snapshot is still being written when it gets another one.
  cluster_.options_.bulk.ceiling = 20'000;
  restart(slow);
  cluster_.options_.bulk = {};
  cluster_.options_.snapshot_threshold_bytes = 32 << 10;
  cluster_.options_.snapshot_threshold_bytes_max = 32 << 10;
  cluster_.options_.snapshot_trailing_bytes = 8 << 10;
  restart(lagging);
  restart(other);
  while (cluster_.leader() != slow) {
    ASSERT_TRUE(cluster_.WaitForLeader());
    host(cluster_.leader())
        .TransferLeadership(testing::kGroup, cluster_.ReplicaOn(slow));
    cluster_.world_.RunFor(Seconds(1));
  }
  cluster_.Crash(lagging, sim::CrashKind::kMachine);
  Propose(1000);
  const sim::MachineId machine = cluster_.machines_[slow - 1];
  const auto files = [&](std::string_view part) {
    std::vector<std::string> names = cluster_.world_.DiskFiles(machine);
    std::erase_if(names, [&](const auto& s) { return s.find(part) == s.npos; });
    return names;
  };
  const std::vector<std::string> segments = files("log-");
  cluster_.world_.MakeUnreadable(machine, segments[segments.size() / 2], 4096,
                                 1 << 20);
  cluster_.Restart(lagging);
  ASSERT_TRUE(cluster_.world_.RunUntilTrue(
      [&] { return cluster_.leader() == slow && !files(".w").empty(); }));
  for (const uint32_t n : {lagging, other}) {
    cluster_.world_.BlockLink(machine, cluster_.machines_[n - 1]);
    cluster_.world_.BlockLink(cluster_.machines_[n - 1], machine);
  }
  ASSERT_TRUE(cluster_.world_.RunUntilTrue(
      [&] { return cluster_.leader() != 0 && cluster_.leader() != slow; }));
  Propose(500);
  ASSERT_GT(core(cluster_.leader()).log_start().index,
            core(slow).applied_index());
  ASSERT_FALSE(files(".w").empty());
  cluster_.world_.HealNetwork();
  ASSERT_TRUE(cluster_.WaitConverged(lines_));
  EXPECT_EQ(cluster_.node(slow)->observer.restored, 1);
  Propose(1);
  ASSERT_TRUE(cluster_.WaitConverged(lines_));
  cluster_.world_.RunFor(Seconds(1));
  EXPECT_TRUE(files(".w").empty());
}

}  // namespace
}  // namespace quorate::raft

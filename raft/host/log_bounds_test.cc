// Bounds of the logs of a node while snapshots and their transfers are slow.
#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "raft/core/configuration.h"
#include "raft/host/host.h"
#include "raft/host/testing/journal_cluster.h"

namespace quorate::raft {
namespace {

class LogBoundsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    cluster_.world_.SetLogSink(
        env::Severity::kWarning, [this](sim::SimTime, sim::MachineId,
                                        env::Severity, std::string_view line) {
          cut_off_ += line.find("needs another snapshot") != line.npos;
          warned_ +=
              line.find("bytes of entries, and of their places") != line.npos;
        });
  }
  void Start() {
    cluster_.options_.digest_interval = 0;
    for (uint32_t n = 1; n <= 3; ++n) cluster_.StartNode(n);
  }
  void Propose(int count, size_t bytes = 400) {
    for (int i = 0; i < count; ++i) {
      ++lines_;
      ASSERT_EQ(cluster_.Propose(std::string(bytes, 'x')).outcome,
                Outcome::kDone);
      for (uint32_t n = 1; n <= 3; ++n) {
        if (cluster_.node(n) == nullptr) continue;
        most_ = std::max(most_, host(n).stats().log_bytes);
      }
    }
  }
  Host& host(uint32_t n) { return cluster_.node(n)->host; }

  testing::JournalCluster cluster_{
      41, /*snapshot_threshold_bytes=*/1 << 30, {}};
  size_t lines_ = 0;
  uint64_t most_ = 0;  // Size of the log of any node so far.
  int warned_ = 0;
  int cut_off_ = 0;
};

// At the configured speed one snapshot would take longer than all of this.
TEST_F(LogBoundsTest, SnapshotsOfALargeState_AreFasterBeyondTheBudget) {
  constexpr uint64_t kBudget = 512 << 10;
  cluster_.options_.log_bytes_max = kBudget;
  cluster_.options_.bulk.ceiling = 1'000'000;
  Start();
  Propose(2500, 4000);
  const Core& core = *host(cluster_.leader()).core(testing::kGroup);
  EXPECT_GT(core.snapshot().size_bytes, 6 * kBudget);
  EXPECT_LT(most_, 10 * kBudget);
  EXPECT_GE(warned_, 1);
  EXPECT_LE(warned_, 30);
}

// None of them can shorten its log by a snapshot.
TEST_F(LogBoundsTest, HaltedReplicasOfANode_ShareABound) {
  constexpr uint64_t kBudget = 512 << 10;
  constexpr uint32_t kGroups = 2;
  constexpr int kLines = 200;
  cluster_.options_.log_bytes_max = kBudget;
  cluster_.SetGroups(kGroups);
  for (uint32_t n = 1; n <= 3; ++n) cluster_.known_[n] = Level(2);
  Start();
  const auto each = [](const std::function<bool(GroupId)>& holds) {
    return holds(GroupId(1)) && holds(GroupId(2));
  };
  ASSERT_TRUE(cluster_.world_.RunUntilTrue([&] {
    return each([&](GroupId group) {
      const uint32_t n = cluster_.leader(group);
      return n != 0 && host(n).core(group)->configuration().level == Level(2);
    });
  }));
  cluster_.Replace(3, Level(1));
  cluster_.AwaitStart(3);
  const auto propose = [&](GroupId group) {
    return cluster_.Propose("new" + std::string(3000, 'x'), group).outcome ==
           Outcome::kDone;
  };
  for (int i = 0; i < kLines; ++i) ASSERT_TRUE(each(propose));
  uint64_t halted_bytes = 0;
  EXPECT_TRUE(each([&](GroupId group) {
    halted_bytes += host(3).core(group)->log_bytes();
    return host(3).core(group)->halted_at() != Index();
  }));
  EXPECT_GT(halted_bytes, kBudget / 4 - (8 << 10));
  EXPECT_LT(halted_bytes, kBudget / 4 + (32 << 10));
  cluster_.Replace(3, Level(2));
  EXPECT_TRUE(each(
      [&](GroupId group) { return cluster_.WaitConverged(kLines, group); }));
}

// The second follower comes when there is another snapshot. The newest one is
// there in any case. Without the older one, the first would begin again.
TEST_F(LogBoundsTest, TransfersOfTwoSnapshots_EachBeginOnce) {
  cluster_.options_.plan.groups = {{.group = testing::kGroup,
                                    .voters = {NodeId(1)},
                                    .learners = {NodeId(2), NodeId(3)}}};
  cluster_.options_.log_bytes_max = 64 << 10;
  cluster_.options_.core.snapshot_chunk_bytes = 2000;
  cluster_.options_.core.snapshot_inflight_bytes_max = 2000;
  Start();
  Propose(10);
  const Core& leader = *host(1).core(testing::kGroup);
  // The snapshots whose first bytes are read for each follower.
  std::map<ReplicaId, std::set<Index>> begun;
  uint64_t most_offset = 0;
  cluster_.node(1)->observer.on_step = [&](GroupId, const Output& output) {
    for (const SnapshotWork& work : output.snapshots) {
      if (work.kind != SnapshotWork::Kind::kRead) continue;
      most_offset = std::max(most_offset, work.offset);
      if (work.offset > 0) continue;
      begun[work.to].insert(work.snapshot.position.index);
    }
  };
  const auto change = [&](const Configuration& target) {
    bool done = false;
    host(1).ChangeConfiguration(testing::kGroup, leader.configuration_index(),
                                target, [&](const ProposeResult& result) {
                                  EXPECT_EQ(result.outcome, Outcome::kDone);
                                  done = true;
                                });
    ASSERT_TRUE(cluster_.world_.RunUntilTrue([&] { return done; }));
  };
  const Configuration both = leader.configuration();
  const ReplicaId first = ReplicaOn(both, NodeId(2));
  const ReplicaId second = ReplicaOn(both, NodeId(3));
  Configuration one = both;
  std::erase_if(one.learners, [&](const Member& learner) {
    return learner.replica == second;
  });
  change(one);
  cluster_.Crash(2, sim::CrashKind::kMachine);
  cluster_.world_.RunFor(Seconds(5));
  Propose(2000, 1000);
  cluster_.Restart(2);
  // A transfer that is still at its beginning changes to the newest snapshot.
  ASSERT_TRUE(cluster_.world_.RunUntilTrue([&] { return most_offset > 0; }));
  begun[first] = {leader.snapshot().position.index};
  const Index older = leader.snapshot().position.index;
  for (int i = 0; i < 1000 && leader.snapshot().position.index == older; ++i) {
    Propose(1, 1000);
  }
  change(both);
  ASSERT_TRUE(cluster_.world_.RunUntilTrue([&] { return begun.size() == 2; }));
  ASSERT_EQ(cluster_.node(2)->observer.restored, 0);
  ASSERT_TRUE(cluster_.world_.RunUntilTrue([&] {
    return cluster_.node(2)->observer.restored > 0 &&
           cluster_.node(3)->observer.restored > 0;
  }));
  cluster_.world_.RunFor(Seconds(1));
  EXPECT_TRUE(cluster_.Converged(lines_));
  EXPECT_EQ(begun[first], std::set<Index>{older});
  EXPECT_EQ(begun[second].size(), 1u);
  EXPECT_GT(*begun[second].begin(), older);
}

// A follower needs the state while writes go on.
class TransferUnderLoadTest : public LogBoundsTest {
 protected:
  static constexpr uint64_t kBudget = 64 << 10;

  // Returns the follower, which gets chunks one after another.
  uint32_t BeginTransfer(int lines) {
    cluster_.options_.log_bytes_max = kBudget;
    cluster_.options_.core.snapshot_chunk_bytes = 2000;
    cluster_.options_.core.snapshot_inflight_bytes_max = 2000;
    Start();
    Propose(10);
    const uint32_t lagging = cluster_.leader() % 3 + 1;
    cluster_.Crash(lagging, sim::CrashKind::kMachine);
    cluster_.world_.RunFor(Seconds(5));
    Propose(lines, 1000);
    cluster_.Restart(lagging);
    cluster_.AwaitStart(lagging);
    EXPECT_TRUE(cluster_.world_.RunUntilTrue([&] {
      for (const auto& follower :
           host(cluster_.leader()).core(testing::kGroup)->followers()) {
        if (follower.snapshot != LogPosition()) return true;
      }
      return false;
    }));
    Propose(20, 1000);
    cut_off_before_ = host(cluster_.leader()).stats().followers_cut_off;
    cut_off_ = 0;
    return lagging;
  }
  uint64_t cut_off() {
    return host(cluster_.leader()).stats().followers_cut_off - cut_off_before_;
  }
  // As many bytes as the state has, and what the budget allows.
  void CheckLog() {
    const Host& leader = host(cluster_.leader());
    const Core& core = *leader.core(testing::kGroup);
    ASSERT_LE(leader.stats().log_retained_bytes, core.snapshot().size_bytes);
    ASSERT_LE(leader.stats().log_bytes,
              leader.stats().log_retained_bytes + 2 * kBudget);
  }
  // The log was cut when this follower had crashed, too.
  uint64_t cut_off_before_ = 0;
};

TEST_F(TransferUnderLoadTest, FollowerThatGetsTheState_NeedsItOnce) {
  const uint32_t lagging = BeginTransfer(2000);
  uint64_t most_retained = 0;
  for (int i = 0; i < 200; ++i) {
    Propose(10, 1000);
    ASSERT_NO_FATAL_FAILURE(CheckLog());
    const uint64_t retained =
        host(cluster_.leader()).stats().log_retained_bytes;
    most_retained = std::max(most_retained, retained);
    if (cluster_.node(lagging)->observer.restored > 0) break;
  }
  EXPECT_GT(most_retained, 6 * kBudget);
  Propose(100, 100);
  ASSERT_TRUE(cluster_.WaitConverged(lines_));
  EXPECT_EQ(cluster_.node(lagging)->observer.restored, 1);
  EXPECT_EQ(cut_off(), 0u);
  // The entries are not kept any longer than the follower lacks them.
  cluster_.world_.RunFor(Seconds(5));
  EXPECT_EQ(host(cluster_.leader()).stats().log_retained_bytes, 0u);
  EXPECT_LE(host(cluster_.leader()).stats().log_bytes, kBudget);
}

// The entries have more bytes than the state, which has lines without headers.
TEST_F(TransferUnderLoadTest, MoreEntriesThanState_AreGivenUpAndReported) {
  const uint32_t lagging = BeginTransfer(300);
  ASSERT_EQ(cluster_.node(lagging)->observer.restored, 0);
  cluster_.Crash(lagging, sim::CrashKind::kMachine);
  for (int i = 0; i < 1000 && cut_off() == 0; ++i) {
    Propose(20, 1);
    ASSERT_NO_FATAL_FAILURE(CheckLog());
  }
  Propose(1000, 1);
  EXPECT_EQ(cut_off(), 1u);
  EXPECT_EQ(cut_off_, 1);
  cluster_.Restart(lagging);
  ASSERT_TRUE(cluster_.WaitConverged(lines_));
}

// The leader takes two snapshots or more while one chunk is under way, and the
// followers get their chunks in turn. It keeps one older snapshot for them.
TEST(SnapshotTransfers, ThatAreSlowerThanSnapshots_EndOneAfterAnother) {
  constexpr size_t kLine = 200;
  constexpr uint32_t kNodes = 4;
  testing::JournalCluster cluster(41, /*snapshot_threshold_bytes=*/1, {},
                                  kNodes);
  cluster.options_.plan.groups = {
      {.group = testing::kGroup,
       .voters = {NodeId(1)},
       .learners = {NodeId(2), NodeId(3), NodeId(4)}}};
  cluster.options_.core.snapshot_chunk_bytes = 5 * kLine;
  cluster.options_.core.snapshot_inflight_bytes_max = 5 * kLine;
  for (uint32_t n = 1; n <= kNodes; ++n) cluster.StartNode(n);
  size_t lines = 0;
  const auto propose = [&] {
    ++lines;
    ASSERT_EQ(cluster.Propose(std::string(kLine, 'x')).outcome, Outcome::kDone);
    cluster.world_.RunFor(Milliseconds(15));
  };
  propose();
  for (uint32_t n = 2; n <= kNodes; ++n) {
    cluster.Crash(n, sim::CrashKind::kMachine);
    cluster.world_.SetDistance(cluster.machines_[n - 1], Milliseconds(25));
  }
  cluster.world_.RunFor(Seconds(5));
  for (int i = 0; i < 50; ++i) propose();
  for (uint32_t n = 2; n <= kNodes; ++n) {
    cluster.Restart(n);
    cluster.AwaitStart(n);
    for (int i = 0; i < 8; ++i) propose();
  }
  const auto restored = [&cluster] {
    int nodes = 0;
    for (uint32_t n = 2; n <= kNodes; ++n) {
      nodes += cluster.node(n)->observer.restored > 0;
    }
    return nodes;
  };
  for (int i = 0; i < 300 && restored() < 3; ++i) propose();
  EXPECT_EQ(restored(), 3);
  EXPECT_TRUE(cluster.WaitConverged(lines));
}

}  // namespace
}  // namespace quorate::raft

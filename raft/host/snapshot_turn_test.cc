#include "raft/host/bounds/snapshot_turn.h"

#include <algorithm>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "raft/host/host.h"
#include "raft/host/testing/journal_cluster.h"

namespace quorate::raft {
namespace {

constexpr GroupKey KeyOf(uint32_t group) {
  return {GroupId(group), ReplicaId(group)};
}

class SnapshotTurnTest : public ::testing::Test {
 protected:
  int free_ = 0;
  SnapshotTurn turn_{[this] { ++free_; }};
};

TEST_F(SnapshotTurnTest, OneWrites_OthersWaitInOrder) {
  EXPECT_TRUE(turn_.Take(KeyOf(1)));
  EXPECT_FALSE(turn_.Take(KeyOf(3)));
  EXPECT_FALSE(turn_.Take(KeyOf(2)));
  EXPECT_FALSE(turn_.Take(KeyOf(3)));
  EXPECT_TRUE(turn_.taken());
  turn_.End(KeyOf(1));
  EXPECT_EQ(free_, 1);
  EXPECT_FALSE(turn_.taken());
  EXPECT_EQ(turn_.CallNext(), KeyOf(3));
  EXPECT_TRUE(turn_.Take(KeyOf(3)));
  turn_.End(KeyOf(3));
  EXPECT_EQ(turn_.CallNext(), KeyOf(2));
  EXPECT_EQ(turn_.CallNext(), std::nullopt);
}

// A busy group would have the turn for ever.
TEST_F(SnapshotTurnTest, OneThatWroteJustNow_WaitsBehindTheOthers) {
  EXPECT_TRUE(turn_.Take(KeyOf(1)));
  EXPECT_FALSE(turn_.Take(KeyOf(2)));
  turn_.End(KeyOf(1));
  EXPECT_FALSE(turn_.Take(KeyOf(1)));
  EXPECT_EQ(turn_.CallNext(), KeyOf(2));
  EXPECT_TRUE(turn_.Take(KeyOf(2)));
  turn_.End(KeyOf(2));
  EXPECT_EQ(turn_.CallNext(), KeyOf(1));
  EXPECT_TRUE(turn_.Take(KeyOf(1)));
}

TEST_F(SnapshotTurnTest, OneThatIsGone_WaitsNoMore) {
  EXPECT_TRUE(turn_.Take(KeyOf(1)));
  EXPECT_FALSE(turn_.Take(KeyOf(2)));
  EXPECT_FALSE(turn_.Take(KeyOf(3)));
  turn_.End(KeyOf(2));
  EXPECT_EQ(free_, 0) << "it had no turn";
  turn_.End(KeyOf(1));
  EXPECT_EQ(turn_.CallNext(), KeyOf(3));
  // It wants no snapshot, and none waits.
  EXPECT_TRUE(turn_.Take(KeyOf(4)));
}

// A place that was given up is gone, however long the turn lasts.
TEST_F(SnapshotTurnTest, OneThatAsksAgain_WaitsBehindTheOthers) {
  EXPECT_TRUE(turn_.Take(KeyOf(1)));
  EXPECT_FALSE(turn_.Take(KeyOf(2)));
  EXPECT_FALSE(turn_.Take(KeyOf(3)));
  turn_.End(KeyOf(2));
  EXPECT_FALSE(turn_.Take(KeyOf(2)));
  turn_.End(KeyOf(1));
  EXPECT_EQ(turn_.CallNext(), KeyOf(3));
  EXPECT_EQ(turn_.CallNext(), KeyOf(2));
  EXPECT_EQ(turn_.CallNext(), std::nullopt);
}

TEST_F(SnapshotTurnTest, OneThatIsCalled_GoesBeforeTheOthers) {
  EXPECT_TRUE(turn_.Take(KeyOf(1)));
  EXPECT_FALSE(turn_.Take(KeyOf(2)));
  turn_.Call(KeyOf(3));
  EXPECT_FALSE(turn_.Take(KeyOf(3))) << "another one writes";
  turn_.End(KeyOf(1));
  turn_.Call(KeyOf(3));
  EXPECT_TRUE(turn_.Take(KeyOf(3)));
  turn_.End(KeyOf(3));
  EXPECT_EQ(turn_.CallNext(), KeyOf(2));
}

// On every node at most one own snapshot is written at any time, though those
// of all groups become due together. Each group has its snapshot in the end.
TEST(SnapshotTurnOfHosts, SnapshotsOfAllGroups_AreWrittenOneAfterAnother) {
  constexpr uint32_t kGroups = 5;
  testing::JournalCluster cluster(3, /*snapshot_threshold_bytes=*/4'000, {});
  cluster.options_.bulk.ceiling = 20'000;
  cluster.SetGroups(kGroups);
  for (uint32_t n = 1; n <= 3; ++n) cluster.StartNode(n);
  for (uint32_t g = 1; g <= kGroups; ++g) {
    ASSERT_TRUE(cluster.WaitForLeader(GroupId(g)));
    Host& leader = cluster.node(cluster.leader(GroupId(g)))->host;
    for (int i = 0; i < 60; ++i) {
      leader.Propose(GroupId(g), Buffer::Copy(std::string(100, 'x')),
                     [](const ProposeResult&) {});
    }
  }
  size_t most = 0;
  const auto all_done = [&] {
    bool done = true;
    for (uint32_t n = 1; n <= 3; ++n) {
      size_t written = 0;
      for (const std::string& name :
           cluster.world_.DiskFiles(cluster.machines_[n - 1])) {
        written += name.find(".w") != std::string::npos;
      }
      most = std::max(most, written);
      done &= cluster.SnapshotFiles(n) == kGroups;
    }
    return done;
  };
  EXPECT_TRUE(cluster.world_.RunUntilTrue(all_done));
  EXPECT_EQ(most, 1u);
}

// Else no other group of the node would have a snapshot until the next start.
TEST(SnapshotTurnOfHosts, ReplicaThatStopsWhileItWrites_GivesTheTurnBack) {
  constexpr GroupId kStops(1);
  constexpr GroupId kOther(2);
  for (const bool fenced : {false, true}) {
    SCOPED_TRACE(fenced);
    testing::JournalCluster cluster(3, /*snapshot_threshold_bytes=*/4'000, {});
    cluster.options_.bulk.ceiling = 2'000;
    cluster.SetGroups(2);
    for (uint32_t n = 1; n <= 3; ++n) cluster.StartNode(n);
    ASSERT_TRUE(cluster.WaitForLeader(kStops));
    const uint32_t n = cluster.leader(kStops) % 3 + 1;
    const auto propose = [&](GroupId group, int count) {
      for (int i = 0; i < count; ++i) {
        ASSERT_EQ(cluster.Propose(std::string(100, 'x'), group).outcome,
                  Outcome::kDone);
      }
    };
    const auto writes = [&] {
      const auto files = cluster.world_.DiskFiles(cluster.machines_[n - 1]);
      return std::any_of(files.begin(), files.end(), [](const auto& name) {
        return name.find(".w") != std::string::npos;
      });
    };
    for (int i = 0; i < 100 && !writes(); ++i) propose(kStops, 1);
    ASSERT_TRUE(writes());
    testing::JournalProgram& program = *cluster.node(n);
    bool stopped = false;
    if (fenced) {
      program.observer.on_fenced = [&] { stopped = true; };
      program.journal(kStops)->Damage();
      propose(kStops, 8);
    } else {
      program.host.DropReplica(kStops,
                               [&](const absl::Status&) { stopped = true; });
    }
    ASSERT_TRUE(cluster.world_.RunUntilTrue([&] { return stopped; }));
    ASSERT_EQ(cluster.SnapshotFiles(n), 0u) << "it had written the snapshot";
    propose(kOther, 60);
    EXPECT_TRUE(cluster.world_.RunUntilTrue(
        [&] { return cluster.SnapshotFiles(n) == 1; }));
  }
}

}  // namespace
}  // namespace quorate::raft

// Bytes that wait for the disk of a node, or to be applied, have a limit for
// all groups together.
#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>

#include "gtest/gtest.h"
#include "raft/host/testing/journal_cluster.h"

namespace quorate::raft {
namespace {

constexpr uint32_t kGroups = 20;
constexpr size_t kEntryBytes = 1'000;
constexpr uint64_t kBound = 64 << 10;
// First entries of the terms of all groups.
constexpr uint64_t kOwnBytes = 4 << 10;

class DiskBoundsTest : public ::testing::Test {
 protected:
  // Groups have no bounds that they would reach.
  void Start(uint64_t snapshot_threshold_bytes = 0) {
    cluster_ = std::make_unique<testing::JournalCluster>(
        5, snapshot_threshold_bytes, std::vector<uint32_t>());
    cluster_->options_.unwritten_bytes_max = kBound;
    cluster_->options_.unapplied_bytes_max = kBound;
    if (slow_at_applying_) cluster_->options_.turn_apply_work_max = 1;
    if (window_bytes_ > 0) {
      cluster_->options_.core.inflight_bytes_max = window_bytes_;
      cluster_->options_.core.append_bytes_max = window_bytes_ / 2;
    }
    if (rare_heartbeats_) {
      CoreOptions& core = cluster_->options_.core;
      core.heartbeat_interval = Seconds(2);
      core.election_timeout_min = Seconds(6);
      core.election_timeout_max = Seconds(12);
      core.retry_interval = Seconds(60);
    }
    cluster_->SetGroups(kGroups);
    for (uint32_t n = 1; n <= 3; ++n) cluster_->StartNode(n);
    for (uint32_t g = 1; g <= kGroups; ++g) {
      ASSERT_TRUE(cluster_->WaitForLeader(GroupId(g)));
    }
  }
  sim::World& world() { return cluster_->world_; }
  Host& host(uint32_t n) { return cluster_->node(n)->host; }
  void StallDisk(uint32_t n, Duration duration) {
    world().StallDisk(cluster_->machines_[n - 1], world().now() + duration);
  }
  // Proposes one entry in each group.
  void Propose() {
    for (uint32_t g = 1; g <= kGroups; ++g) {
      const uint32_t leader = cluster_->leader(GroupId(g));
      if (leader == 0) continue;
      host(leader).Propose(
          GroupId(g), Buffer::Copy(std::string(kEntryBytes, 'x')),
          [this](const ProposeResult& result) {
            refused_ += absl::IsResourceExhausted(result.status);
            done_ += result.outcome == Outcome::kDone;
          });
    }
  }
  // Runs for so long, and calls `each` after each event.
  void RunFor(Duration duration, const std::function<void()>& each) {
    const sim::SimTime end = world().now() + duration;
    world().RunUntilTrue([&] {
      each();
      return world().now() >= end;
    });
  }
  bool LeadsNothing(uint32_t n) {
    for (uint32_t g = 1; g <= kGroups; ++g) {
      if (host(n).core(GroupId(g))->role() == RoleKind::kLeader) return false;
    }
    return true;
  }
  bool HaveConverged() {
    const auto lines = [&](uint32_t n, uint32_t g) {
      return cluster_->node(n)->journal(GroupId(g))->lines().size();
    };
    for (uint32_t g = 1; g <= kGroups; ++g) {
      const size_t most = std::max({lines(1, g), lines(2, g), lines(3, g)});
      if (!cluster_->Converged(most, GroupId(g))) return false;
    }
    return true;
  }
  // All nodes have the same state of each group in the end.
  void AwaitConvergence() {
    for (int i = 0; i < 600 && !HaveConverged(); ++i) {
      RunFor(Milliseconds(100), [] {});
    }
    EXPECT_TRUE(HaveConverged());
  }

  // The groups whose leaders were asked by this node for no entries.
  int GroupsThatWait(uint32_t n) {
    int count = 0;
    for (uint32_t g = 1; g <= kGroups; ++g) {
      count += host(n).core(GroupId(g))->asked_for_no_entries();
    }
    return count;
  }

  std::unique_ptr<testing::JournalCluster> cluster_;
  bool rare_heartbeats_ = false;
  bool slow_at_applying_ = false;  // A node applies one entry in a turn.
  uint64_t window_bytes_ = 0;  // If not 0: that of a follower, for each group.
  int refused_ = 0;
  int done_ = 0;
};

TEST_F(DiskBoundsTest, LeaderOfManyGroups_RefusesProposalsAndGivesThemAway) {
  Start();
  const uint32_t slow = cluster_->leader(GroupId(1));
  StallDisk(slow, Seconds(20));
  uint64_t most = 0;
  for (int round = 0; round < 100; ++round) {
    Propose();
    RunFor(Milliseconds(50),
           [&] { most = std::max(most, host(slow).stats().unwritten_bytes); });
  }
  EXPECT_GT(most, kBound - 2 * kEntryBytes);
  EXPECT_LE(most, kBound + kOwnBytes);
  EXPECT_GT(refused_, 0);
  EXPECT_TRUE(LeadsNothing(slow));
  const int done = done_;
  Propose();
  RunFor(Seconds(1), [] {});
  EXPECT_EQ(done_, done + static_cast<int>(kGroups)) << "the others go on";
  StallDisk(slow, Duration());
  AwaitConvergence();
  EXPECT_TRUE(world().RunUntilTrue(
      [&] { return host(slow).stats().unwritten_bytes == 0; }));
}

TEST_F(DiskBoundsTest, FollowerOfManyGroups_AcceptsNoMoreEntries) {
  Start();
  const uint32_t slow = cluster_->leader(GroupId(1)) % 3 + 1;
  RunFor(Seconds(1), [] {});
  StallDisk(slow, Seconds(20));
  uint64_t most = 0;
  uint64_t sent = 0;
  for (int round = 0; round < 200; ++round) {
    Propose();
    RunFor(Milliseconds(50),
           [&] { most = std::max(most, host(slow).stats().unwritten_bytes); });
    if (round == 99) sent = host(cluster_->leader()).sent_bytes(NodeId(slow));
  }
  EXPECT_GT(most, kBound - 20 * kEntryBytes);
  EXPECT_LE(most, kBound + kOwnBytes);
  // Entries are not sent again and again: each at most once.
  EXPECT_LT(host(cluster_->leader()).sent_bytes(NodeId(slow)) - sent,
            2 * 100 * kGroups * kEntryBytes);
  StallDisk(slow, Duration());
  AwaitConvergence();
}

// No heartbeat and no retry is needed.
TEST_F(DiskBoundsTest, FollowerThatGetsRoom_GetsEntriesOfAllGroupsAtOnce) {
  rare_heartbeats_ = true;
  Start();
  const uint32_t slow = cluster_->leader(GroupId(1)) % 3 + 1;
  world().RunFor(Seconds(1));
  StallDisk(slow, Milliseconds(500));
  for (int round = 0; round < 20; ++round) {
    Propose();
    world().RunFor(Milliseconds(10));
  }
  EXPECT_GT(GroupsThatWait(slow), static_cast<int>(kGroups / 4));
  EXPECT_FALSE(HaveConverged());
  world().RunFor(Milliseconds(500));
  EXPECT_EQ(GroupsThatWait(slow), 0);
  EXPECT_TRUE(HaveConverged());
}

class TransferBoundsTest : public DiskBoundsTest {
 protected:
  static constexpr uint64_t kChunk = 2'000;
  static constexpr uint64_t kChunksAtOnce = 5;

  // Node 3 needs a snapshot of every group.
  void Prepare() {
    Start(/*snapshot_threshold_bytes=*/8'000);
    cluster_->options_.core.snapshot_chunk_bytes = kChunk;
    cluster_->options_.snapshot_transfer_bytes_max = kChunksAtOnce * kChunk;
    LeaveNode3Behind(/*rounds=*/30);
  }
  // All nodes start again with the present options. Then node 3 misses as many
  // entries of every group.
  void LeaveNode3Behind(int rounds) {
    for (uint32_t n = 1; n <= 3; ++n) {
      cluster_->Crash(n, sim::CrashKind::kProcess);
      cluster_->StartNode(n);
    }
    RunFor(Seconds(2), [] {});
    cluster_->Crash(3, sim::CrashKind::kProcess);
    RunFor(Seconds(2), [] {});
    for (int round = 0; round < rounds; ++round) {
      Propose();
      RunFor(Milliseconds(100), [] {});
    }
    RunFor(Seconds(2), [] {});
  }
};

TEST_F(TransferBoundsTest, SnapshotsOfManyGroups_ShareTheBytesInTransfer) {
  Prepare();
  cluster_->StartNode(3);
  uint64_t staged = 0;
  uint64_t read[2] = {0, 0};
  const auto note = [&] {
    staged = std::max(staged, host(3).stats().staged_bytes);
    for (uint32_t n = 1; n <= 2; ++n) {
      read[n - 1] = std::max(read[n - 1], host(n).stats().follower_read_bytes);
    }
  };
  RunFor(Seconds(20), note);
  EXPECT_EQ(cluster_->node(3)->observer.restored, static_cast<int>(kGroups));
  EXPECT_GT(staged, (kChunksAtOnce - 1) * kChunk);
  EXPECT_LE(staged, kChunksAtOnce * kChunk);
  EXPECT_EQ(std::max(read[0], read[1]), kChunksAtOnce * kChunk);
  AwaitConvergence();
  EXPECT_EQ(host(3).stats().staged_bytes, 0u);
  EXPECT_EQ(
      host(1).stats().follower_read_bytes + host(2).stats().follower_read_bytes,
      0u);
}

// Node 3 needs entries of every group that its leaders have on disk only.
TEST_F(TransferBoundsTest, EntriesOfManyGroups_ShareTheBytesThatAreRead) {
  Start();
  cluster_->options_.log_memory_bytes_max = 1;
  cluster_->options_.snapshot_transfer_bytes_max = 4 * kEntryBytes;
  LeaveNode3Behind(/*rounds=*/20);
  cluster_->StartNode(3);
  uint64_t read = 0;
  RunFor(Seconds(10), [&] {
    for (uint32_t n = 1; n <= 2; ++n) {
      read = std::max(read, host(n).stats().follower_read_bytes);
    }
  });
  EXPECT_EQ(cluster_->node(3)->observer.restored, 0);
  EXPECT_GT(read, 0u);
  // A first read always fits, and takes the records of other groups with it.
  EXPECT_LE(read, 64u << 10);
  AwaitConvergence();
  EXPECT_EQ(
      host(1).stats().follower_read_bytes + host(2).stats().follower_read_bytes,
      0u);
}

// Each group may have one window of entries on its way beyond the limit.
TEST_F(DiskBoundsTest, FollowerThatWasAway_HasABoundedBacklog) {
  constexpr uint64_t kWindow = 8 << 10;
  slow_at_applying_ = true;
  window_bytes_ = kWindow;
  Start();
  const uint32_t away = cluster_->leader(GroupId(1)) % 3 + 1;
  cluster_->Crash(away, sim::CrashKind::kProcess);
  RunFor(Seconds(2), [] {});
  for (int round = 0; round < 100; ++round) {
    Propose();
    RunFor(Milliseconds(20), [] {});
  }
  world().loop_options(cluster_->machines_[away - 1]).turn_cost =
      Microseconds(50);
  cluster_->Restart(away);
  cluster_->AwaitStart(away);
  uint64_t most = 0;
  RunFor(Seconds(5),
         [&] { most = std::max(most, host(away).stats().unapplied_bytes); });
  EXPECT_GT(most, kBound / 2);
  EXPECT_LE(most, kBound + kGroups * kWindow);
  AwaitConvergence();
  EXPECT_EQ(host(away).stats().unapplied_bytes, 0u);
}

}  // namespace
}  // namespace quorate::raft

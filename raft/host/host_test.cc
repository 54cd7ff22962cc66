// Hosts of three machines in the simulated world, over simulated disks and
// links, with a state machine of this test.
#include "raft/host/host.h"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "raft/host/envelope.h"
#include "raft/host/testing/journal_cluster.h"
#include "sim/world/world.h"

namespace quorate::raft {
namespace {

using testing::Journal;
using testing::kCluster;
using testing::kGroup;
using Cluster = testing::JournalCluster;
using Program = testing::JournalProgram;

TEST(Host, ProposalsThroughTheLeader_AreAppliedEverywhereInOrder) {
  Cluster cluster(1);
  for (int i = 0; i < 20; ++i) {
    const ProposeResult result = cluster.Propose(absl::StrCat("line ", i));
    ASSERT_EQ(result.outcome, Outcome::kDone) << result.status;
    EXPECT_EQ(result.result.view(), absl::StrCat(i + 1));
  }
  ASSERT_TRUE(cluster.WaitConverged(20));
  EXPECT_EQ(cluster.node(2)->journal()->lines()[7], "line 7");
}

// A lane drops what it cannot hold. So entries wait at the leader.
TEST(Host, SlowLinks_CarryNoMoreThanTheirLanesHold) {
  Cluster cluster(9);
  ASSERT_TRUE(cluster.WaitForLeader());
  cluster.world_.network_options().lane_bytes_max = 4 << 20;
  cluster.world_.network_options().bytes_per_second = 40'000'000;
  constexpr size_t kLines = 48;
  const std::string line(256 << 10, 'x');
  Host& leader = cluster.node(cluster.leader())->host;
  for (size_t i = 0; i < kLines; ++i) {
    leader.Propose(kGroup, Buffer::Copy(line), [](const ProposeResult& result) {
      EXPECT_EQ(result.outcome, Outcome::kDone) << result.status;
    });
  }
  EXPECT_TRUE(cluster.WaitConverged(kLines));
  EXPECT_EQ(cluster.world_.faults().count(sim::Fault::kMessageOverflow), 0u);
}

// Chunks of snapshots have a lane of their own.
TEST(Host, CongestedLaneOfSnapshots_DelaysNoEntry) {
  Cluster cluster(9);
  ASSERT_EQ(cluster.Propose("first").outcome, Outcome::kDone);
  const uint32_t leader = cluster.leader();
  cluster.world_.network_options().lane_bytes_max = 1 << 20;
  cluster.world_.network_options().latency_min = Milliseconds(20);
  env::Transport& transport =
      cluster.world_.env(cluster.machines_[leader - 1]).transport;
  const Buffer chunk = Buffer::Copy(std::string(200 << 10, 'x'));
  const auto fill_lane = [&](NodeId to) {
    while (!transport.Congested(to, env::Lane::kBulk)) {
      transport.Send(to, env::Lane::kBulk, absl::MakeSpan(&chunk, 1));
    }
  };
  bool done = false;
  for (int i = 0; i < 100 && !done; ++i) {
    for (uint32_t n = 1; n <= 3; ++n) {
      if (n != leader) fill_lane(NodeId(n));
    }
    if (i == 0) {
      cluster.node(leader)->host.Propose(
          kGroup, Buffer::Copy("second"),
          [&](const ProposeResult&) { done = true; });
    }
    cluster.world_.RunFor(Milliseconds(1));
  }
  EXPECT_TRUE(done);
}

TEST(Host, ProposalsOfOneTurn_ShareTheirWrites) {
  Cluster cluster(10);
  ASSERT_EQ(cluster.Propose("first").outcome, Outcome::kDone);
  Host& leader = cluster.node(cluster.leader())->host;
  const uint64_t before = leader.stats().log.durable_writes;
  constexpr size_t kLines = 40;
  for (size_t i = 0; i < kLines; ++i) {
    leader.Propose(kGroup, Buffer::Copy("x"), [](const ProposeResult& result) {
      EXPECT_EQ(result.outcome, Outcome::kDone) << result.status;
    });
  }
  ASSERT_TRUE(cluster.WaitConverged(kLines + 1));
  EXPECT_LE(leader.stats().log.durable_writes - before, 2u);
}

// One piece is the work of a turn.
TEST(Host, Snapshots_AreTakenAndLoadedInSmallPieces) {
  constexpr size_t kPieceBytesMax = 64 << 10;
  Cluster cluster(12, /*snapshot_threshold_bytes=*/300 << 10);
  const std::string line(100 << 10, 'x');
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(cluster.Propose(line).outcome, Outcome::kDone);
  }
  const auto written = [&] { return cluster.SnapshotFiles(1) > 0; };
  ASSERT_TRUE(cluster.world_.RunUntilTrue(written));
  EXPECT_EQ(cluster.node(1)->journal()->largest_piece(), kPieceBytesMax);
  cluster.Crash(1, sim::CrashKind::kProcess);
  cluster.Restart(1);
  ASSERT_TRUE(cluster.WaitConverged(5));
  EXPECT_EQ(cluster.node(1)->journal()->largest_piece(), kPieceBytesMax);
}

// A stop ends the replicas' work and the log, in this order.
TEST(Host, Stop_AnswersEverythingAndWritesAWitness) {
  Cluster cluster(11);
  ASSERT_EQ(cluster.Propose("first").outcome, Outcome::kDone);
  const uint32_t n = cluster.leader();
  Host& leader = cluster.node(n)->host;
  const uint64_t witnesses = leader.stats().log.witnesses;
  int proposals = 0;
  int reads = 0;
  bool stopped = false;
  const auto on_proposal = [&](const ProposeResult& result) {
    EXPECT_NE(result.outcome, Outcome::kDone);
    ++proposals;
  };
  env::Pending turn =
      cluster.world_.env(cluster.machines_[n - 1]).loop.Defer([&] {
        leader.Propose(kGroup, Buffer::Copy("outstanding"), on_proposal);
        leader.Read(kGroup, [&](const absl::Status& status) {
          EXPECT_FALSE(status.ok());
          ++reads;
        });
        leader.Stop([&](const absl::Status& status) {
          EXPECT_TRUE(status.ok()) << status;
          stopped = true;
        });
        leader.Propose(kGroup, Buffer::Copy("late"), on_proposal);
      });
  ASSERT_TRUE(cluster.world_.RunUntilTrue([&] { return stopped; }));
  cluster.world_.RunFor(Milliseconds(1));
  EXPECT_EQ(proposals, 2);
  EXPECT_EQ(reads, 1);
  EXPECT_FALSE(leader.status().ok());
  EXPECT_EQ(leader.stats().log.witnesses, witnesses + 1);
  // The others elect a leader, of which this node hears nothing.
  const Term term = leader.core(kGroup)->term();
  const uint64_t writes = leader.stats().log.durable_writes;
  cluster.world_.RunFor(Seconds(5));
  EXPECT_GT(cluster.node(n % 3 + 1)->host.core(kGroup)->term(), term);
  EXPECT_EQ(leader.core(kGroup)->term(), term);
  EXPECT_EQ(leader.stats().log.durable_writes, writes);
}

TEST(Host, ProposalOnAFollower_IsNotExecuted) {
  Cluster cluster(2);
  ASSERT_TRUE(cluster.WaitForLeader());
  const uint32_t follower = cluster.leader() % 3 + 1;
  bool done = false;
  cluster.node(follower)->host.Propose(
      kGroup, Buffer::Copy("x"), [&](const ProposeResult& result) {
        EXPECT_EQ(result.outcome, Outcome::kNotExecuted);
        done = true;
      });
  EXPECT_TRUE(cluster.world_.RunUntilTrue([&] { return done; }));
}

// A caller that asks again at once must leave turns to others.
TEST(Host, RefusedCallerThatAsksAgain_TakesATurnEachTime) {
  Cluster cluster(2);
  ASSERT_TRUE(cluster.WaitForLeader());
  const uint32_t follower = cluster.leader() % 3 + 1;
  Host& host = cluster.node(follower)->host;
  constexpr int kAttempts = 100;
  for (const GroupId group : {kGroup, GroupId(77)}) {
    int turns = 0;
    int attempts = 0;
    int last_turn = -1;
    cluster.world_.SetStepHook([&](sim::MachineId machine) {
      if (machine == cluster.machines_[follower - 1]) ++turns;
    });
    std::function<void()> again = [&] {
      if (++attempts > kAttempts) return;
      // The first one is made outside of turns.
      if (attempts > 2) {
        EXPECT_NE(turns, last_turn) << "attempt " << attempts;
      }
      last_turn = turns;
      host.Propose(group, Buffer::Copy("x"), [&](const ProposeResult& result) {
        EXPECT_EQ(result.outcome, Outcome::kNotExecuted);
        again();
      });
    };
    again();
    EXPECT_TRUE(
        cluster.world_.RunUntilTrue([&] { return attempts > kAttempts; }));
    cluster.world_.SetStepHook(nullptr);
  }
}

// With one voter, a read is confirmed in the turn in which it is asked for. A
// caller that reads again must leave turns to others.
TEST(Host, SoleVoter_CallerThatReadsAgain_TakesATurnEachTime) {
  Cluster cluster(2, /*snapshot_threshold_bytes=*/0, /*first=*/{});
  cluster.options_.plan.groups.front().voters = {NodeId(1)};
  for (uint32_t n = 1; n <= 3; ++n) cluster.StartNode(n);
  ASSERT_TRUE(cluster.WaitForLeader());
  ASSERT_EQ(cluster.leader(), 1u);
  Host& host = cluster.node(1)->host;
  constexpr int kReads = 100;
  int turns = 0;
  int reads = 0;
  int last_turn = -1;
  cluster.world_.SetStepHook([&](sim::MachineId machine) {
    if (machine == cluster.machines_[0]) ++turns;
  });
  std::function<void(absl::Status)> again = [&](const absl::Status& status) {
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_NE(turns, last_turn) << "read " << reads;
    last_turn = turns;
    if (++reads < kReads) host.Read(kGroup, again);
  };
  host.Read(kGroup, again);
  EXPECT_TRUE(cluster.world_.RunUntilTrue([&] { return reads == kReads; }));
  cluster.world_.SetStepHook(nullptr);
}

// Both reads have one round.
TEST(Host, ReadWhoseReplicaAnotherReadDrops_IsNotLinearizable) {
  Cluster cluster(2);
  ASSERT_EQ(cluster.Propose("first").outcome, Outcome::kDone);
  Host& host = cluster.node(cluster.leader())->host;
  absl::Status first = absl::UnknownError("not yet");
  absl::Status second = first;
  host.Read(kGroup, [&](absl::Status status) {
    first = std::move(status);
    host.DropReplica(kGroup, [](const absl::Status&) {});
  });
  host.Read(kGroup, [&](absl::Status status) { second = std::move(status); });
  ASSERT_TRUE(
      cluster.world_.RunUntilTrue([&] { return !absl::IsUnknown(second); }));
  EXPECT_TRUE(first.ok()) << first;
  EXPECT_TRUE(absl::IsNotFound(second)) << second;
}

TEST(Host, TransferThatTheObserverAsksFor_IsNoStepWithinAStep) {
  Cluster cluster(2);
  ASSERT_EQ(cluster.Propose("first").outcome, Outcome::kDone);
  const uint32_t before = cluster.leader();
  const NodeId to(before % 3 + 1);
  Program& leader = *cluster.node(before);
  leader.observer.on_applied = [&] {
    leader.host.TransferLeadership(kGroup, cluster.ReplicaOn(to.value()));
  };
  ASSERT_EQ(cluster.Propose("second").outcome, Outcome::kDone);
  EXPECT_TRUE(cluster.world_.RunUntilTrue(
      [&] { return NodeId(cluster.leader()) == to; }));
  EXPECT_EQ(leader.observer.nested_steps, 0);
}

// The list of a turn's proposals is full, so the proposal would be a step of
// its own.
TEST(Host, ProposalsAndReadsOfTheObserver_AreNoStepWithinAStep) {
  Cluster cluster(2);
  ASSERT_EQ(cluster.Propose("first").outcome, Outcome::kDone);
  Program& leader = *cluster.node(cluster.leader());
  const std::string large(CoreOptions().append_bytes_max, 'x');
  int done = 0;
  bool again = true;
  leader.observer.on_applied = [&] {
    if (!std::exchange(again, false)) return;
    for (int i = 0; i < 2; ++i) {
      leader.host.Propose(kGroup, Buffer::Copy(large),
                          [&](const ProposeResult& result) {
                            EXPECT_EQ(result.outcome, Outcome::kDone);
                            ++done;
                          });
    }
    leader.host.Read(kGroup, [&](absl::Status status) {
      EXPECT_TRUE(status.ok()) << status;
      ++done;
    });
  };
  ASSERT_EQ(cluster.Propose("second").outcome, Outcome::kDone);
  EXPECT_TRUE(cluster.world_.RunUntilTrue([&] { return done == 3; }));
  EXPECT_EQ(leader.observer.nested_steps, 0);
}

TEST(Host, ReadOnEveryNode_SeesTheLastWrite) {
  Cluster cluster(3);
  for (int i = 1; i <= 5; ++i) {
    ASSERT_EQ(cluster.Propose("w").outcome, Outcome::kDone);
    for (uint32_t n = 1; n <= 3; ++n) {
      bool done = false;
      cluster.node(n)->host.Read(kGroup, [&](absl::Status status) {
        EXPECT_TRUE(status.ok()) << status;
        EXPECT_GE(cluster.node(n)->journal()->lines().size(),
                  static_cast<size_t>(i));
        done = true;
      });
      ASSERT_TRUE(cluster.world_.RunUntilTrue([&] { return done; }));
    }
  }
}

TEST(Host, LeaderCrash_AnotherIsElected_AndKeepsAcknowledgedEntries) {
  for (sim::CrashKind kind :
       {sim::CrashKind::kProcess, sim::CrashKind::kMachine}) {
    Cluster cluster(4);
    for (int i = 0; i < 5; ++i) {
      ASSERT_EQ(cluster.Propose(absl::StrCat(i)).outcome, Outcome::kDone);
    }
    const uint32_t old_leader = cluster.leader();
    cluster.Crash(old_leader, kind);
    ASSERT_EQ(cluster.Propose("after").outcome, Outcome::kDone);
    EXPECT_NE(cluster.leader(), old_leader);
    cluster.Restart(old_leader);
    ASSERT_TRUE(cluster.WaitConverged(6));
    EXPECT_EQ(cluster.node(old_leader)->journal()->lines().back(), "after");
  }
}

TEST(Host, AllMachinesCrash_EverythingAcknowledgedIsThereAfterRestart) {
  Cluster cluster(5);
  for (int i = 0; i < 10; ++i) {
    ASSERT_EQ(cluster.Propose(absl::StrCat(i)).outcome, Outcome::kDone);
  }
  for (uint32_t n = 1; n <= 3; ++n) {
    cluster.Crash(n, sim::CrashKind::kMachine);
  }
  for (uint32_t n = 1; n <= 3; ++n) cluster.Restart(n);
  ASSERT_EQ(cluster.Propose("last").outcome, Outcome::kDone);
  ASSERT_TRUE(cluster.WaitConverged(11));
}

TEST(Host, EachStart_HasAGreaterNumber) {
  Cluster cluster(5);
  ASSERT_EQ(cluster.Propose("first").outcome, Outcome::kDone);
  // The store was in no cluster when the program was started, and is now.
  uint64_t last = cluster.node(1)->host.identity().start.number;
  EXPECT_GT(last, 0u);
  for (const sim::CrashKind kind :
       {sim::CrashKind::kMachine, sim::CrashKind::kProcess}) {
    cluster.Crash(1, kind);
    cluster.Restart(1);
    ASSERT_TRUE(cluster.WaitConverged(1));
    const uint64_t number = cluster.node(1)->host.identity().start.number;
    EXPECT_GT(number, last);
    last = number;
  }
}

// Too little room for a snapshot beside the log is no failure of the node.
TEST(Host, SnapshotWithoutRoom_IsTakenWhenThereIsRoom) {
  Cluster cluster(6, /*snapshot_threshold_bytes=*/4096);
  ASSERT_EQ(cluster.Propose("first").outcome, Outcome::kDone);
  uint64_t& capacity =
      cluster.world_.disk_options(cluster.machines_[0]).capacity_bytes;
  const uint64_t before = capacity;
  uint64_t used = 0;
  for (const auto& name : cluster.world_.DiskFiles(cluster.machines_[0])) {
    used += cluster.world_.DiskFileSize(cluster.machines_[0], name);
  }
  capacity = used + (1 << 20);
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(cluster.Propose(std::string(100, 'x')).outcome, Outcome::kDone);
  }
  cluster.world_.RunFor(Seconds(25));
  ASSERT_EQ(cluster.Propose("more").outcome, Outcome::kDone);
  cluster.world_.RunFor(Seconds(5));
  EXPECT_EQ(cluster.SnapshotFiles(1), 0u);
  EXPECT_EQ(cluster.node(1)->host.stats().snapshots_without_room, 2u);
  EXPECT_TRUE(cluster.node(1)->host.status().ok());
  capacity = before;
  cluster.world_.RunFor(Seconds(10));
  ASSERT_EQ(cluster.Propose("last").outcome, Outcome::kDone);
  cluster.world_.RunFor(Seconds(1));
  EXPECT_EQ(cluster.SnapshotFiles(1), 1u);
}

TEST(Host, LaggingFollower_IsBroughtBackByASnapshot) {
  Cluster cluster(6, /*snapshot_threshold_bytes=*/4096);
  ASSERT_EQ(cluster.Propose("first").outcome, Outcome::kDone);
  const uint32_t lagging = cluster.leader() % 3 + 1;
  cluster.Crash(lagging, sim::CrashKind::kMachine);
  for (int i = 0; i < 300; ++i) {
    ASSERT_EQ(cluster.Propose(std::string(100, 'x')).outcome, Outcome::kDone);
  }
  ASSERT_GT(
      cluster.node(cluster.leader())->host.core(kGroup)->log_start().index,
      Index(10));
  cluster.Restart(lagging);
  ASSERT_TRUE(cluster.WaitConverged(301));
  EXPECT_GE(cluster.node(lagging)->observer.restored, 1);
  // The state survives another crash.
  cluster.Crash(lagging, sim::CrashKind::kMachine);
  cluster.Restart(lagging);
  ASSERT_EQ(cluster.Propose("tail").outcome, Outcome::kDone);
  ASSERT_TRUE(cluster.WaitConverged(302));
}

// Entries that a restart restores count once for the next snapshot. It is due
// at three to five quarters of the threshold.
TEST(Host, RestartBelowTheThreshold_TakesNoSnapshot) {
  constexpr uint64_t kThreshold = 40'000;
  Cluster cluster(17, kThreshold);
  ASSERT_TRUE(cluster.WaitForLeader());
  size_t lines = 0;
  while (cluster.node(cluster.leader())->host.core(kGroup)->log_bytes() <
         kThreshold / 100 * 70) {
    ASSERT_EQ(cluster.Propose(std::string(100, 'x')).outcome, Outcome::kDone);
    ++lines;
  }
  ASSERT_TRUE(cluster.WaitConverged(lines));
  for (uint32_t n = 1; n <= 3; ++n) {
    EXPECT_EQ(cluster.SnapshotFiles(n), 0u);
    cluster.Crash(n, sim::CrashKind::kProcess);
    cluster.Restart(n);
  }
  ASSERT_TRUE(cluster.WaitConverged(lines));
  cluster.world_.RunFor(Seconds(5));
  for (uint32_t n = 1; n <= 3; ++n) EXPECT_EQ(cluster.SnapshotFiles(n), 0u);
  // It is due in time, too.
  for (size_t i = 0; i < lines; ++i) {
    ASSERT_EQ(cluster.Propose(std::string(100, 'x')).outcome, Outcome::kDone);
  }
  cluster.world_.RunFor(Seconds(5));
  for (uint32_t n = 1; n <= 3; ++n) EXPECT_EQ(cluster.SnapshotFiles(n), 1u);
}

// Entries behind a snapshot are in the log for followers that lag a little, and
// so they are after a restart.
TEST(Host, RestartAfterASnapshot_KeepsTheEntriesBehindIt) {
  Cluster cluster(17, /*snapshot_threshold_bytes=*/4096);
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(cluster.Propose(std::string(100, 'x')).outcome, Outcome::kDone);
  }
  ASSERT_TRUE(cluster.WaitConverged(100));
  cluster.world_.RunFor(Seconds(1));
  for (uint32_t n = 1; n <= 3; ++n) {
    const Core* core = cluster.node(n)->host.core(kGroup);
    const LogStart before = core->boundary();
    const LogPosition snapshot = core->snapshot().position;
    ASSERT_LT(before.position.index, snapshot.index);
    ASSERT_GT(before.position.index, Index(0));
    ASSERT_GT(before.latest, WallTime(0));
    const WallTime latest = core->snapshot().latest;
    EXPECT_GE(latest, before.latest);
    cluster.Crash(n, sim::CrashKind::kProcess);
    cluster.Restart(n);
    ASSERT_TRUE(cluster.world_.RunUntilTrue(
        [&] { return cluster.node(n)->host.core(kGroup) != nullptr; }));
    core = cluster.node(n)->host.core(kGroup);
    EXPECT_EQ(core->boundary(), before) << n;
    EXPECT_EQ(core->snapshot().position, snapshot);
    EXPECT_EQ(core->snapshot().latest, latest);
    EXPECT_GE(core->last().index, snapshot.index);
  }
  ASSERT_EQ(cluster.Propose("tail").outcome, Outcome::kDone);
  ASSERT_TRUE(cluster.WaitConverged(101));
}

// Entries that are applied while a snapshot is written make the next one due,
// although no entry follows.
TEST(Host, IdleGroup_TakesTheSnapshotThatBecameDueMeanwhile) {
  Cluster cluster(18, /*snapshot_threshold_bytes=*/4096);
  cluster.options_.core.apply_bytes_max = 1024;
  for (uint32_t n = 1; n <= 3; ++n) {
    cluster.Crash(n, sim::CrashKind::kProcess);
    cluster.Restart(n);
  }
  ASSERT_TRUE(cluster.WaitForLeader());
  Host& leader = cluster.node(cluster.leader())->host;
  for (int i = 0; i < 100; ++i) {
    leader.Propose(kGroup, Buffer::Copy(std::string(400, 'x')),
                   [](const ProposeResult&) {});
  }
  ASSERT_TRUE(cluster.WaitConverged(100));
  cluster.world_.RunFor(Seconds(2));
  for (uint32_t n = 1; n <= 3; ++n) {
    const Core& core = *cluster.node(n)->host.core(kGroup);
    // A threshold varies by a quarter.
    EXPECT_LT((core.last().index - core.snapshot().position.index) * 448,
              4096u * 5 / 4 + 448)
        << n;
  }
}

// The threshold of the group is far away; the budget of the node is not.
TEST(Host, EntriesBeyondTheBudgetOfTheLogs_MakeAGroupTakeSnapshots) {
  Cluster cluster(19, /*snapshot_threshold_bytes=*/1 << 30);
  cluster.options_.log_bytes_max = 16 << 10;
  for (uint32_t n = 1; n <= 3; ++n) {
    cluster.Crash(n, sim::CrashKind::kProcess);
    cluster.Restart(n);
  }
  for (int i = 0; i < 400; ++i) {
    ASSERT_EQ(cluster.Propose(std::string(200, 'x')).outcome, Outcome::kDone);
    for (uint32_t n = 1; n <= 3; ++n) {
      EXPECT_LE(cluster.node(n)->host.stats().log_bytes, 32u << 10);
    }
  }
  cluster.world_.RunFor(Seconds(1));
  for (uint32_t n = 1; n <= 3; ++n) {
    EXPECT_LE(cluster.node(n)->host.stats().log_bytes, 16u << 10);
    EXPECT_GT(cluster.node(n)->host.core(kGroup)->snapshot().position.index,
              Index(0));
  }
  // The logs are counted again after a restart.
  cluster.Crash(1, sim::CrashKind::kMachine);
  cluster.Restart(1);
  ASSERT_TRUE(cluster.WaitConverged(400));
  EXPECT_EQ(cluster.node(1)->host.stats().log_bytes,
            cluster.node(1)->host.core(kGroup)->log_bytes());
}

// One group has nearly all entries: its snapshot makes the room.
TEST(Host, EntriesBeyondTheBudgetOfTheLogs_TheLargestGroupTakesTheSnapshot) {
  Cluster cluster(21, /*snapshot_threshold_bytes=*/1 << 30, /*first=*/{});
  cluster.options_.log_bytes_max = 64 << 10;
  cluster.SetGroups(8);
  for (uint32_t n = 1; n <= 3; ++n) cluster.StartNode(n);
  const GroupId large(5);
  for (uint32_t g = 1; g <= 8; ++g) {
    for (int i = 0; i < 10; ++i) {
      ASSERT_EQ(cluster.Propose(std::string(200, 'x'), GroupId(g)).outcome,
                Outcome::kDone);
    }
  }
  for (int i = 0; i < 150; ++i) {
    ASSERT_EQ(cluster.Propose(std::string(200, 'x'), large).outcome,
              Outcome::kDone);
  }
  cluster.world_.RunFor(Seconds(1));
  for (uint32_t n = 1; n <= 3; ++n) {
    for (uint32_t g = 1; g <= 8; ++g) {
      const Core& core = *cluster.node(n)->host.core(GroupId(g));
      EXPECT_EQ(core.snapshot().position.index > Index(0), GroupId(g) == large)
          << "node " << n << ", group " << g;
    }
  }
}

// The places of entries on disk take memory. Those of many groups with small
// entries count more than the entries.
TEST(Host, PlacesOfEntries_CountInTheBudgetOfTheLogs) {
  constexpr uint32_t kGroups = 100;
  Cluster cluster(22, /*snapshot_threshold_bytes=*/1 << 30, /*first=*/{});
  cluster.options_.log_bytes_max = 256 << 10;
  cluster.SetGroups(kGroups);
  for (uint32_t n = 1; n <= 3; ++n) cluster.StartNode(n);
  for (uint32_t g = 1; g <= kGroups; ++g) {
    ASSERT_TRUE(cluster.WaitForLeader(GroupId(g)));
  }
  size_t done = 0;
  size_t asked = 0;
  for (int round = 0; round < 10; ++round) {
    for (uint32_t g = 1; g <= kGroups; ++g) {
      const uint32_t leader = cluster.leader(GroupId(g));
      if (leader == 0) continue;
      ++asked;
      cluster.node(leader)->host.Propose(
          GroupId(g), Buffer::Copy("x"),
          [&done](const ProposeResult&) { ++done; });
    }
    ASSERT_TRUE(cluster.world_.RunUntilTrue([&] { return done == asked; }));
  }
  cluster.world_.RunFor(Seconds(1));
  const auto snapshots = [&] {
    int taken = 0;
    for (uint32_t g = 1; g <= kGroups; ++g) {
      taken += cluster.node(1)->host.core(GroupId(g))->snapshot().position >
               LogPosition();
    }
    return taken;
  };
  EXPECT_GT(snapshots(), 0);
  // The entries and their places are within the budget, and no further
  // snapshots are taken. Two entries or more share a place here.
  uint64_t entries = 0;
  for (uint32_t g = 1; g <= kGroups; ++g) {
    const Core& core = *cluster.node(1)->host.core(GroupId(g));
    entries += core.last().index - core.log_start().index;
  }
  EXPECT_LE(cluster.node(1)->host.stats().log_bytes + entries * 512,
            256u << 10);
  const int before = snapshots();
  cluster.world_.RunFor(Seconds(5));
  EXPECT_EQ(snapshots(), before);
}

// Nothing is proposed any more, so no other snapshot would be due.
TEST(Host, SnapshotThatTheLeaderCannotRead_IsReplaced) {
  Cluster cluster(6, /*snapshot_threshold_bytes=*/4096);
  ASSERT_EQ(cluster.Propose("first").outcome, Outcome::kDone);
  const uint32_t lagging = cluster.leader() % 3 + 1;
  cluster.Crash(lagging, sim::CrashKind::kMachine);
  for (int i = 0; i < 300; ++i) {
    ASSERT_EQ(cluster.Propose(std::string(100, 'x')).outcome, Outcome::kDone);
  }
  cluster.world_.RunFor(Seconds(1));
  for (uint32_t n = 1; n <= 3; ++n) {
    if (n == lagging) continue;
    const sim::MachineId machine = cluster.machines_[n - 1];
    for (const std::string& file : cluster.world_.DiskFiles(machine)) {
      if (!file.starts_with("snap-")) continue;
      cluster.world_.MakeUnreadable(machine, file, 0, 1 << 20);
    }
  }
  cluster.Restart(lagging);
  ASSERT_TRUE(cluster.world_.RunUntilTrue(
      [&] { return cluster.node(lagging)->observer.restored > 0; }));
  ASSERT_TRUE(cluster.WaitConverged(301));
}

// Its log was cut already. The node and its other groups go on.
TEST(Host, ReceivedSnapshotThatDoesNotLoad_FencesTheReplicaAlone) {
  Cluster cluster(17, /*snapshot_threshold_bytes=*/4096);
  ASSERT_EQ(cluster.Propose("first").outcome, Outcome::kDone);
  const uint32_t lagging = cluster.leader() % 3 + 1;
  cluster.Crash(lagging, sim::CrashKind::kMachine);
  for (int i = 0; i < 300; ++i) {
    ASSERT_EQ(cluster.Propose(std::string(100, 'x')).outcome, Outcome::kDone);
  }
  cluster.Restart(lagging);
  cluster.AwaitStart(lagging);
  cluster.node(lagging)->journal()->RefuseSnapshots();
  ASSERT_TRUE(cluster.world_.RunUntilTrue(
      [&] { return cluster.node(lagging)->observer.fenced == 1; }));
  EXPECT_TRUE(cluster.node(lagging)->observer.stopped.ok());
  const absl::Status status = cluster.node(lagging)->host.group_status(kGroup);
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  ASSERT_EQ(cluster.Propose("tail").outcome, Outcome::kDone);
  // The snapshot itself is good: the next start loads it.
  cluster.Crash(lagging, sim::CrashKind::kProcess);
  cluster.Restart(lagging);
  ASSERT_TRUE(cluster.WaitConverged(302));
}

// The log was cut already when the file cannot be opened. A replica without
// descriptors waits for them.
TEST(Host, ReceivedSnapshotThatCannotBeOpened_IsLoadedLater) {
  Cluster cluster(17, /*snapshot_threshold_bytes=*/4096);
  ASSERT_EQ(cluster.Propose("first").outcome, Outcome::kDone);
  const uint32_t lagging = cluster.leader() % 3 + 1;
  const sim::MachineId machine = cluster.machines_[lagging - 1];
  cluster.Crash(lagging, sim::CrashKind::kMachine);
  for (int i = 0; i < 300; ++i) {
    ASSERT_EQ(cluster.Propose(std::string(100, 'x')).outcome, Outcome::kDone);
  }
  cluster.Restart(lagging);
  cluster.AwaitStart(lagging);
  ASSERT_TRUE(cluster.world_.RunUntilTrue(
      [&] { return cluster.SnapshotFiles(lagging) > 0; }));
  cluster.world_.FailDiskOperation(machine, sim::World::DiskOperation::kRead, 1,
                                   /*persistent=*/true);
  cluster.world_.RunFor(Seconds(60));
  EXPECT_EQ(cluster.node(lagging)->observer.restored, 0);
  EXPECT_TRUE(cluster.node(lagging)->host.group_status(kGroup).ok());
  cluster.world_.HealDisk(machine);
  ASSERT_TRUE(cluster.WaitConverged(301));
  EXPECT_EQ(cluster.node(lagging)->observer.fenced, 0);
}

// The leader takes many snapshots during one snapshot transfer.
TEST(Host, LaggingFollowerUnderLoad_IsBroughtBackByASnapshot) {
  Cluster cluster(16, /*snapshot_threshold_bytes=*/4096);
  cluster.options_.core.snapshot_chunk_bytes = 1024;
  for (uint32_t n = 1; n <= 3; ++n) {
    cluster.Crash(n, sim::CrashKind::kProcess);
    cluster.Restart(n);
  }
  ASSERT_EQ(cluster.Propose("first").outcome, Outcome::kDone);
  const uint32_t lagging = cluster.leader() % 3 + 1;
  cluster.Crash(lagging, sim::CrashKind::kMachine);
  for (int i = 0; i < 300; ++i) {
    ASSERT_EQ(cluster.Propose(std::string(100, 'x')).outcome, Outcome::kDone);
  }
  cluster.Restart(lagging);
  int restored = 0;
  for (int i = 0; i < 4000 && restored == 0; ++i) {
    ASSERT_EQ(cluster.Propose(std::string(400, 'y')).outcome, Outcome::kDone);
    restored = cluster.node(lagging)->observer.restored;
  }
  EXPECT_EQ(restored, 1);
  // Entries bring the follower up to date, and the log is compacted again.
  for (int i = 0; i < 400; ++i) {
    ASSERT_EQ(cluster.Propose(std::string(400, 'z')).outcome, Outcome::kDone);
  }
  EXPECT_EQ(cluster.node(lagging)->observer.restored, 1);
  const Core& core = *cluster.node(cluster.leader())->host.core(kGroup);
  EXPECT_GT(core.log_start().index + 100, core.last().index);
}

TEST(Host, ReceiverOfASnapshotThatRestarts_GetsTheRest) {
  for (const sim::CrashKind kind :
       {sim::CrashKind::kProcess, sim::CrashKind::kMachine}) {
    Cluster cluster(23, /*snapshot_threshold_bytes=*/4096);
    cluster.options_.core.snapshot_chunk_bytes = 256;
    cluster.options_.core.snapshot_inflight_bytes_max = 1024;
    cluster.options_.log.snapshot_sync_bytes = 2048;
    for (uint32_t n = 1; n <= 3; ++n) {
      cluster.Crash(n, sim::CrashKind::kProcess);
      cluster.Restart(n);
    }
    ASSERT_EQ(cluster.Propose("first").outcome, Outcome::kDone);
    const uint32_t lagging = cluster.leader() % 3 + 1;
    cluster.Crash(lagging, sim::CrashKind::kMachine);
    for (int i = 0; i < 600; ++i) {
      ASSERT_EQ(cluster.Propose(std::string(100, 'x')).outcome, Outcome::kDone);
    }
    // It restarts whenever it has received about a fifth of the snapshot.
    const sim::MachineId machine = cluster.machines_[lagging - 1];
    const auto staged = [&] {
      uint64_t bytes = 0;
      for (const std::string& file : cluster.world_.DiskFiles(machine)) {
        if (!file.starts_with("snap-") || file.ends_with(".p")) continue;
        bytes = std::max(bytes, cluster.world_.DiskFileSize(machine, file));
      }
      return bytes;
    };
    cluster.Restart(lagging);
    for (uint64_t part = 1; part <= 4; ++part) {
      ASSERT_TRUE(cluster.world_.RunUntilTrue(
          [&] { return staged() >= part * 12'000; }));
      EXPECT_EQ(cluster.node(lagging)->observer.restored, 0);
      cluster.Crash(lagging, kind);
      cluster.Restart(lagging);
    }
    ASSERT_TRUE(cluster.WaitConverged(601));
    EXPECT_EQ(cluster.node(lagging)->observer.restored, 1);
    EXPECT_EQ(cluster.world_.marks().at("raft.snapshot_transfer_resumed"), 4u);
  }
}

// Stops a follower, and makes the others' logs begin behind its log. Returns
// the follower. Its next start receives a snapshot.
uint32_t StopFollowerForASnapshot(Cluster* cluster, size_t chunk_bytes) {
  cluster->options_.core.snapshot_chunk_bytes = chunk_bytes;
  cluster->options_.core.snapshot_inflight_bytes_max = chunk_bytes * 8;
  for (uint32_t n = 1; n <= 3; ++n) {
    cluster->Crash(n, sim::CrashKind::kProcess);
    cluster->Restart(n);
  }
  EXPECT_EQ(cluster->Propose("first").outcome, Outcome::kDone);
  const uint32_t lagging = cluster->leader() % 3 + 1;
  cluster->Crash(lagging, sim::CrashKind::kMachine);
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(cluster->Propose(std::string(100, 'x')).outcome, Outcome::kDone);
  }
  return lagging;
}

// A follower that cannot store a snapshot gets it again, but not all the time.
// The first run fails at chunks, and the second one at the end.
TEST(Host, SnapshotThatCannotBeStored_IsSentAgainAfterPauses) {
  for (const size_t sync_bytes : {size_t{2048}, size_t{1} << 20}) {
    Cluster cluster(24, /*snapshot_threshold_bytes=*/4096);
    cluster.options_.log.snapshot_sync_bytes = sync_bytes;
    const uint32_t lagging = StopFollowerForASnapshot(&cluster, 256);
    const sim::MachineId machine = cluster.machines_[lagging - 1];
    int logged = 0;
    cluster.world_.SetLogSink(
        env::Severity::kError, [&](sim::SimTime, sim::MachineId, env::Severity,
                                   std::string_view line) {
          logged += line.find("could not store") != line.npos ||
                    line.find("could not install") != line.npos;
        });
    cluster.Restart(lagging);
    cluster.AwaitStart(lagging);
    cluster.world_.FailDiskOperation(machine, sim::World::DiskOperation::kSync,
                                     1, /*persistent=*/true);
    cluster.world_.RunFor(Seconds(10));
    EXPECT_GE(logged, 1);
    EXPECT_LE(logged, 2);
    EXPECT_EQ(cluster.node(lagging)->observer.restored, 0);
    // A snapshot has 126 chunks, and a pause takes 0.6 s.
    EXPECT_GT(cluster.world_.disk_changes(machine), 150u);
    EXPECT_LT(cluster.world_.disk_changes(machine),
              sync_bytes == 2048 ? 400u : 3'000u);
    cluster.world_.HealDisk(machine);
    ASSERT_TRUE(cluster.WaitConverged(301));
  }
}

// Answers to chunks may come late and out of order.
TEST(Host, SnapshotWhoseChunksAreAnsweredOddly_IsInstalled) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    Cluster cluster(seed, /*snapshot_threshold_bytes=*/4096);
    cluster.options_.log.snapshot_sync_bytes = 4096;
    const uint32_t lagging = StopFollowerForASnapshot(&cluster, 4096);
    cluster.world_.buggify_options() = {.active = {1, 1}, .fire = {1, 4}};
    cluster.Restart(lagging);
    cluster.world_.RunFor(Seconds(20));
    cluster.world_.buggify_options() = {};
    ASSERT_TRUE(cluster.WaitConverged(301));
  }
}

// One chunk for each round trip of 60 ms would take a minute.
TEST(Host, SnapshotOverALongLink_HasManyChunksInFlight) {
  Cluster cluster(22, /*snapshot_threshold_bytes=*/64 << 10);
  cluster.options_.core.snapshot_chunk_bytes = 256;
  ASSERT_EQ(cluster.Propose("first").outcome, Outcome::kDone);
  for (uint32_t n = 1; n <= 3; ++n) {
    cluster.Crash(n, sim::CrashKind::kProcess);
    cluster.Restart(n);
  }
  ASSERT_TRUE(cluster.WaitForLeader());
  const uint32_t lagging = cluster.leader() % 3 + 1;
  cluster.Crash(lagging, sim::CrashKind::kMachine);
  cluster.world_.RunFor(Seconds(1));
  for (int i = 0; i < 300; ++i) {
    ASSERT_EQ(cluster.Propose(std::string(1000, 'x')).outcome, Outcome::kDone);
  }
  cluster.world_.SetDistance(cluster.machines_[lagging - 1], Milliseconds(30));
  cluster.Restart(lagging);
  const sim::SimTime begin = cluster.world_.now();
  ASSERT_TRUE(cluster.WaitConverged(301));
  EXPECT_GT(cluster.node(lagging)->observer.restored, 0);
  EXPECT_LT(cluster.world_.now() - begin, Seconds(3));
}

// The budget makes the leader take many snapshots during one transfer. The log
// keeps as much behind the first one as the state has.
TEST(Host, LaggingFollowerBeyondTheBudgetOfMemory_IsBroughtBackByASnapshot) {
  Cluster cluster(20, /*snapshot_threshold_bytes=*/1 << 30);
  cluster.options_.log_bytes_max = 16 << 10;
  cluster.options_.core.snapshot_chunk_bytes = 256;
  for (uint32_t n = 1; n <= 3; ++n) {
    cluster.Crash(n, sim::CrashKind::kProcess);
    cluster.Restart(n);
  }
  ASSERT_EQ(cluster.Propose("first").outcome, Outcome::kDone);
  const uint32_t lagging = cluster.leader() % 3 + 1;
  cluster.Crash(lagging, sim::CrashKind::kMachine);
  for (int i = 0; i < 300; ++i) {
    ASSERT_EQ(cluster.Propose(std::string(200, 'x')).outcome, Outcome::kDone);
  }
  cluster.Restart(lagging);
  size_t lines = 301;
  for (int i = 0; i < 4000; ++i) {
    ASSERT_EQ(cluster.Propose(std::string(200, 'y')).outcome, Outcome::kDone);
    ++lines;
    const Host& host = cluster.node(cluster.leader())->host;
    ASSERT_LE(host.stats().log_bytes - host.stats().log_retained_bytes,
              32u << 10);
    ASSERT_LE(host.stats().log_retained_bytes,
              host.core(kGroup)->snapshot().size_bytes);
    if (cluster.node(lagging)->observer.restored > 0) break;
  }
  EXPECT_EQ(cluster.node(lagging)->observer.restored, 1);
  ASSERT_TRUE(cluster.WaitConverged(lines));
  // The file that was in transfer is removed.
  cluster.world_.RunFor(Seconds(1));
  EXPECT_EQ(cluster.SnapshotFiles(cluster.leader()), 1u);
}

TEST(Host, EmptyDirectoryWithoutBootstrap_IsRefused) {
  Cluster cluster(7);
  ASSERT_TRUE(cluster.WaitForLeader());
  cluster.options_.bootstrap = false;
  cluster.Crash(2, sim::CrashKind::kMachine);
  cluster.world_.EraseDisk(cluster.machines_[1]);
  cluster.Restart(2);
  cluster.AwaitStart(2);
  EXPECT_EQ(cluster.node(2)->started.code(), absl::StatusCode::kNotFound)
      << cluster.node(2)->started;
}

TEST(Host, AnotherPlan_StopsTheStart) {
  Cluster cluster(17);
  ASSERT_TRUE(cluster.WaitForLeader());
  cluster.options_.plan.groups[0].parameters = Buffer::Copy("another");
  cluster.Crash(2, sim::CrashKind::kProcess);
  cluster.Restart(2);
  cluster.AwaitStart(2);
  EXPECT_TRUE(absl::IsFailedPrecondition(cluster.node(2)->started))
      << cluster.node(2)->started;
}

TEST(Host, FoundedPlan_IsWhatTheCallerChecks) {
  Cluster cluster(18);
  ASSERT_TRUE(cluster.WaitForLeader());
  const BootstrapPlan founded = cluster.options_.plan;
  BootstrapPlan checked;
  cluster.options_.plan.groups[0].parameters = Buffer::Copy("of today");
  cluster.options_.accept_plan = [&](const BootstrapPlan& plan) {
    checked = plan;
    return absl::AbortedError("checked");
  };
  cluster.Crash(2, sim::CrashKind::kProcess);
  cluster.Restart(2);
  cluster.AwaitStart(2);
  EXPECT_TRUE(absl::IsAborted(cluster.node(2)->started));
  EXPECT_EQ(checked, founded);
}

// A program that cannot read the parameters fences the replica.
TEST(Host, UnreadableParameters_FenceTheReplica) {
  Cluster cluster(23);
  ASSERT_EQ(cluster.Propose("x").outcome, Outcome::kDone);
  cluster.known_[2] = Level();
  cluster.Crash(2, sim::CrashKind::kProcess);
  cluster.Restart(2);
  cluster.AwaitStart(2);
  ASSERT_TRUE(cluster.node(2)->started.ok()) << cluster.node(2)->started;
  EXPECT_TRUE(
      absl::IsFailedPrecondition(cluster.node(2)->host.group_status(kGroup)));
}

TEST(Host, FailingSync_StopsTheNodeAndSaysWhy) {
  Cluster cluster(9);
  ASSERT_EQ(cluster.Propose("x").outcome, Outcome::kDone);
  const uint32_t broken = cluster.leader();
  cluster.world_.FailDiskOperation(cluster.machines_[broken - 1],
                                   sim::World::DiskOperation::kWrite, 1,
                                   /*persistent=*/true);
  bool done = false;
  ProposeResult result;
  cluster.node(broken)->host.Propose(kGroup, Buffer::Copy("y"),
                                     [&](const ProposeResult& r) {
                                       result = r;
                                       done = true;
                                     });
  ASSERT_TRUE(cluster.world_.RunUntilTrue(
      [&] { return done && !cluster.node(broken)->observer.stopped.ok(); }));
  EXPECT_FALSE(cluster.node(broken)->host.status().ok());
  EXPECT_NE(result.outcome, Outcome::kNotExecuted);
  ASSERT_TRUE(cluster.world_.RunUntilTrue(
      [&] { return cluster.leader() != 0 && cluster.leader() != broken; }));
  EXPECT_EQ(cluster.Propose("z").outcome, Outcome::kDone);
}

// A node that sends what the test wants.
struct Impostor final : env::Transport::Receiver {
  Impostor(env::Env& environment, const env::TransportIdentity& identity,
           const HostOptions& options)
      : env(environment), link{identity.cluster, identity.node, NodeId()} {
    CHECK(env.transport
              .Start(identity, options.listen_address, options.peers, this)
              .ok());
  }
  ~Impostor() { env.transport.Stop(); }
  void OnMessage(NodeId, StoreIncarnation, Buffer) override {}
  void Send(NodeId to, const Message& message) {
    link.to = to;
    EnvelopeBuilder envelope;
    ASSERT_TRUE(envelope.Add(kGroup, message));
    env.transport.Send(to, env::Lane::kControl, envelope.Take(link, {}));
  }

  env::Env& env;
  MessageLink link;
};

// A heartbeat says that a majority has another state, while a snapshot comes.
TEST(Host, ReplicaThatIsFencedWhileItReceives_KeepsNoPart) {
  Cluster cluster(24, /*snapshot_threshold_bytes=*/4096);
  cluster.options_.log.snapshot_sync_bytes = 2048;
  cluster.options_.core.snapshot_chunk_bytes = 256;
  cluster.options_.core.snapshot_inflight_bytes_max = 256 * 8;
  for (uint32_t n = 1; n <= 3; ++n) {
    cluster.Crash(n, sim::CrashKind::kProcess);
    cluster.Restart(n);
  }
  for (int i = 0; i < 16; ++i) {
    ASSERT_EQ(cluster.Propose("x").outcome, Outcome::kDone);
  }
  ASSERT_TRUE(cluster.WaitConverged(16));
  const uint32_t leader = cluster.leader();
  const uint32_t lagging = leader % 3 + 1;
  const sim::MachineId machine = cluster.machines_[lagging - 1];
  for (const sim::MachineId other : cluster.machines_) {
    if (other == machine) continue;
    cluster.world_.BlockLink(machine, other);
    cluster.world_.BlockLink(other, machine);
  }
  for (int i = 0; i < 300; ++i) {
    ASSERT_EQ(cluster.Propose(std::string(100, 'x')).outcome, Outcome::kDone);
  }
  const auto parts = [](const std::vector<std::string>& names) {
    return std::count_if(names.begin(), names.end(), [](const auto& name) {
      return name.find(".r") != name.npos;
    });
  };
  cluster.world_.HealNetwork();
  // The part, and the list of its pieces.
  ASSERT_TRUE(cluster.world_.RunUntilTrue(
      [&] { return parts(cluster.world_.DiskFiles(machine)) == 2; }));
  const env::TransportIdentity identity = cluster.node(leader)->host.identity();
  const Message heartbeat{
      .type = MessageType::kHeartbeat,
      .from = cluster.ReplicaOn(leader),
      .to = cluster.ReplicaOn(lagging),
      .term = cluster.node(leader)->host.core(kGroup)->term(),
      .state = {.index = Index(8), .digest = 1}};
  cluster.Crash(leader, sim::CrashKind::kProcess);
  Impostor* impostor = nullptr;
  cluster.world_.Start(cluster.machines_[leader - 1], [&](env::Env& env) {
    auto program =
        std::make_shared<Impostor>(env, identity, cluster.OptionsOf(leader));
    impostor = program.get();
    return program;
  });
  const auto& observer = cluster.node(lagging)->observer;
  // A message may come before the link is there.
  for (int i = 0; i < 20 && observer.fenced == 0; ++i) {
    impostor->Send(NodeId(lagging), heartbeat);
    cluster.world_.RunUntilTrue([&] { return observer.fenced == 1; },
                                Milliseconds(5));
  }
  ASSERT_EQ(observer.fenced, 1);
  EXPECT_EQ(observer.restored, 0);
  EXPECT_GT(parts(cluster.world_.DiskFiles(machine)), 0);
  cluster.world_.RunFor(Seconds(1));
  EXPECT_EQ(parts(cluster.world_.DiskFiles(machine)), 0);
  EXPECT_EQ(parts(cluster.world_.OpenFiles(machine)), 0);
}

// A message counts if its receiver is the replica here, and if it came from its
// sender's node.
TEST(HostMembers_Messages_OfOtherReplicas, AreDropped) {
  Cluster cluster(41);
  ASSERT_TRUE(cluster.WaitForLeader());
  const uint32_t leader = cluster.leader();
  const uint32_t false_node = leader == 1 ? 2 : 1;
  const uint32_t third = 6 - leader - false_node;
  const env::TransportIdentity identity =
      cluster.node(false_node)->host.identity();
  cluster.Crash(false_node, sim::CrashKind::kProcess);
  Impostor* impostor = nullptr;
  cluster.world_.Start(cluster.machines_[false_node - 1], [&](env::Env& env) {
    auto program = std::make_shared<Impostor>(env, identity,
                                              cluster.OptionsOf(false_node));
    impostor = program.get();
    return program;
  });
  cluster.world_.RunFor(Seconds(1));
  const auto term = [&] {
    return cluster.node(leader)->host.core(kGroup)->term();
  };
  const Term before = term();
  Message message{.type = MessageType::kHeartbeatReply,
                  .from = cluster.ReplicaOn(third),
                  .to = cluster.ReplicaOn(leader),
                  .term = before + 5};
  impostor->Send(NodeId(leader), message);
  message.from = cluster.ReplicaOn(false_node);
  message.to = cluster.ReplicaOn(third);
  impostor->Send(NodeId(leader), message);
  cluster.world_.RunFor(Seconds(1));
  EXPECT_EQ(term(), before);
  message.to = cluster.ReplicaOn(leader);
  impostor->Send(NodeId(leader), message);
  cluster.world_.RunFor(Seconds(1));
  EXPECT_GE(term(), before + 5);
}

}  // namespace
}  // namespace quorate::raft

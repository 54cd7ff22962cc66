// Groups that are created, dropped and created again while the nodes run, with
// crashes at every point.
#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "env/random.h"
#include "gtest/gtest.h"
#include "raft/core/configuration.h"
#include "raft/host/bootstrap_record.h"
#include "raft/host/host.h"
#include "raft/host/testing/journal_cluster.h"

namespace quorate::raft {
namespace {

using testing::kGroup;
using Ids = std::map<uint32_t, ReplicaId>;  // By node.

constexpr GroupId kMade(2);
constexpr uint64_t kSnapshotBytes = 600;

// Entry 1 of a group with these voters.
Configuration FirstConfigurationOf(testing::JournalCluster* cluster,
                                   const Ids& ids) {
  Configuration first;
  for (const auto& [n, id] : ids) {
    first.voters.push_back(
        {.replica = id,
         .node = NodeId(n),
         .store = cluster->node(n)->host.identity().incarnation});
  }
  SortMembers(&first.voters);
  first.level = Level(1);
  first.hash_key = cluster->node(1)->host.hash_key();
  return first;
}

class GroupLifecycle : public ::testing::Test {
 protected:
  GroupLifecycle() { EXPECT_TRUE(cluster_.WaitForLeader()); }

  Host& host(uint32_t n) { return cluster_.node(n)->host; }
  absl::Status StatusOn(uint32_t n, GroupId group) {
    return host(n).group_status(group);
  }

  absl::StatusOr<ReplicaId> Prepare(uint32_t n, GroupId group) {
    std::optional<absl::StatusOr<ReplicaId>> result;
    host(n).PrepareReplica(
        group, [&](absl::StatusOr<ReplicaId> id) { result = std::move(id); });
    EXPECT_TRUE(
        cluster_.world_.RunUntilTrue([&] { return result.has_value(); }));
    return *std::move(result);
  }
  absl::Status Found(uint32_t n, GroupId group, const Configuration& first) {
    std::optional<absl::Status> result;
    host(n).FoundReplica(group, first,
                         [&](absl::Status status) { result = status; });
    EXPECT_TRUE(
        cluster_.world_.RunUntilTrue([&] { return result.has_value(); }));
    return *result;
  }
  absl::Status Drop(uint32_t n, GroupId group) {
    std::optional<absl::Status> result;
    host(n).DropReplica(group, [&](absl::Status status) { result = status; });
    EXPECT_TRUE(
        cluster_.world_.RunUntilTrue([&] { return result.has_value(); }));
    return *result;
  }
  Configuration FirstOf(const Ids& ids) {
    return FirstConfigurationOf(&cluster_, ids);
  }
  Ids Create(GroupId group) {
    Ids ids;
    for (uint32_t n = 1; n <= 3; ++n) {
      const absl::StatusOr<ReplicaId> id = Prepare(n, group);
      EXPECT_TRUE(id.ok()) << id.status();
      ids[n] = id.value_or(ReplicaId());
    }
    const Configuration first = FirstOf(ids);
    for (uint32_t n = 1; n <= 3; ++n) {
      EXPECT_EQ(Found(n, group, first), absl::OkStatus());
    }
    return ids;
  }
  void ProposeAll(GroupId group, int count) {
    for (int i = 0; i < count; ++i) {
      ASSERT_EQ(cluster_.Propose(std::string(100, 'x'), group).outcome,
                Outcome::kDone);
    }
  }
  void CrashAll(sim::CrashKind kind) {
    for (uint32_t n = 1; n <= 3; ++n) cluster_.Crash(n, kind);
    for (uint32_t n = 1; n <= 3; ++n) cluster_.Restart(n);
    for (uint32_t n = 1; n <= 3; ++n) cluster_.AwaitStart(n);
  }
  size_t FilesOf(uint32_t n, GroupId group) {
    const std::string begin =
        absl::StrCat("snap-", absl::Hex(group.value(), absl::kZeroPad8), "-");
    size_t files = 0;
    for (const std::string& name :
         cluster_.world_.DiskFiles(cluster_.machines_[n - 1])) {
      files += name.starts_with(begin);
    }
    return files;
  }

  testing::JournalCluster cluster_{71, kSnapshotBytes};
};

TEST_F(GroupLifecycle, CreatedGroup_OutlivesALossOfPower) {
  const Ids ids = Create(kMade);
  ProposeAll(kMade, 30);
  ASSERT_TRUE(cluster_.WaitConverged(30, kMade));
  CrashAll(sim::CrashKind::kMachine);
  ASSERT_TRUE(cluster_.WaitConverged(30, kMade));
  EXPECT_EQ(raft::ReplicaOn(host(1).core(kMade)->configuration(), NodeId(1)),
            ids.at(1));
  ProposeAll(kMade, 1);
  ProposeAll(kGroup, 1);
  EXPECT_TRUE(cluster_.WaitConverged(31, kMade));
  EXPECT_TRUE(cluster_.WaitConverged(1));
}

TEST_F(GroupLifecycle, DroppedGroup_LeavesNothing) {
  Create(kMade);
  ProposeAll(kMade, 30);
  ASSERT_TRUE(cluster_.WaitConverged(30, kMade));
  for (uint32_t n = 1; n <= 3; ++n) {
    EXPECT_GT(FilesOf(n, kMade), 0u);
    EXPECT_EQ(Drop(n, kMade), absl::OkStatus());
    EXPECT_EQ(FilesOf(n, kMade), 0u);
    EXPECT_TRUE(absl::IsNotFound(StatusOn(n, kMade)));
  }
  CrashAll(sim::CrashKind::kMachine);
  ProposeAll(kGroup, 1);
  for (uint32_t n = 1; n <= 3; ++n) {
    EXPECT_TRUE(absl::IsNotFound(StatusOn(n, kMade))) << StatusOn(n, kMade);
  }
}

// Its absence would look like a loss of its log.
TEST_F(GroupLifecycle, DroppedGroupOfTheFounding_IsGone_NotFenced) {
  ProposeAll(kGroup, 30);
  ASSERT_TRUE(cluster_.WaitConverged(30));
  EXPECT_EQ(Drop(3, kGroup), absl::OkStatus());
  for (int i = 0; i < 2; ++i) {
    CrashAll(sim::CrashKind::kMachine);
    ASSERT_TRUE(absl::IsNotFound(StatusOn(3, kGroup))) << StatusOn(3, kGroup);
    EXPECT_EQ(FilesOf(3, kGroup), 0u);
  }
  // The others go on, and the node takes part in a later group of this id.
  ProposeAll(kGroup, 1);
  EXPECT_EQ(Drop(1, kGroup), absl::OkStatus());
  EXPECT_EQ(Drop(2, kGroup), absl::OkStatus());
  Create(kGroup);
  ProposeAll(kGroup, 2);
  CrashAll(sim::CrashKind::kMachine);
  EXPECT_TRUE(cluster_.WaitConverged(2));
}

TEST_F(GroupLifecycle, CreatedAgain_HasOtherIdsAndAnEmptyState) {
  const Ids before = Create(kMade);
  ProposeAll(kMade, 3);
  for (uint32_t n = 1; n <= 3; ++n) EXPECT_EQ(Drop(n, kMade), absl::OkStatus());
  const Ids after = Create(kMade);
  for (uint32_t n = 1; n <= 3; ++n) EXPECT_NE(before.at(n), after.at(n));
  ProposeAll(kMade, 2);
  EXPECT_TRUE(cluster_.WaitConverged(2, kMade));
}

// Two founders that used the same ids could make two groups of them.
TEST_F(GroupLifecycle, IdsOfAnEarlierCreation_AreRefused) {
  Ids first;
  Ids second;
  for (uint32_t n = 1; n <= 3; ++n) first[n] = *Prepare(n, kMade);
  for (uint32_t n = 1; n <= 3; ++n) second[n] = *Prepare(n, kMade);
  for (uint32_t n = 1; n <= 3; ++n) EXPECT_NE(first[n], second[n]);
  EXPECT_TRUE(absl::IsFailedPrecondition(Found(1, kMade, FirstOf(first))));
  EXPECT_EQ(Found(1, kMade, FirstOf(second)), absl::OkStatus());
  EXPECT_TRUE(absl::IsAlreadyExists(Found(1, kMade, FirstOf(second))));
  EXPECT_TRUE(absl::IsAlreadyExists(Prepare(1, kMade).status()));
}

TEST_F(GroupLifecycle, PreparedReplica_OutlivesALossOfPower) {
  const ReplicaId id = *Prepare(2, kMade);
  CrashAll(sim::CrashKind::kMachine);
  EXPECT_EQ(host(2).prepared(), (std::map<GroupId, ReplicaId>{{kMade, id}}));
  EXPECT_TRUE(absl::IsNotFound(StatusOn(2, kMade)));
  EXPECT_EQ(Found(2, kMade, FirstOf({{2, id}})), absl::OkStatus());
  ASSERT_TRUE(cluster_.WaitForLeader(kMade));
  EXPECT_TRUE(host(2).prepared().empty());
}

TEST_F(GroupLifecycle, RefusedFoundings_LeaveTheIdPrepared) {
  const ReplicaId id = *Prepare(1, kMade);
  Configuration empty;
  EXPECT_TRUE(absl::IsInvalidArgument(Found(1, kMade, empty)));
  Configuration later = FirstOf({{1, id}});
  later.level = Level(2);
  EXPECT_TRUE(absl::IsFailedPrecondition(Found(1, kMade, later)));
  Configuration elsewhere = FirstOf({{1, id}});
  elsewhere.voters[0].store = StoreIncarnation(5);
  Configuration other_key = FirstOf({{1, id}});
  other_key.hash_key ^= 1;
  EXPECT_TRUE(absl::IsFailedPrecondition(Found(1, kMade, other_key)));
  EXPECT_TRUE(absl::IsFailedPrecondition(Found(1, kMade, elsewhere)));
  EXPECT_EQ(Found(1, kMade, FirstOf({{1, id}})), absl::OkStatus());
  EXPECT_TRUE(absl::IsNotFound(Drop(2, kMade)));
}

// Calls that do not wait for each other: the id of the first one is gone before
// that of the second one is told.
TEST_F(GroupLifecycle, PreparedAgainWhileFounding_TheFirstNeverRuns) {
  const ReplicaId first = *Prepare(1, kMade);
  std::optional<absl::Status> founded;
  std::optional<absl::StatusOr<ReplicaId>> second;
  std::optional<absl::Status> dropped;
  host(1).FoundReplica(kMade, FirstOf({{1, first}}),
                       [&](absl::Status status) { founded = status; });
  host(1).PrepareReplica(
      kMade, [&](absl::StatusOr<ReplicaId> id) { second = std::move(id); });
  host(1).DropReplica(kMade, [&](absl::Status status) { dropped = status; });
  ASSERT_TRUE(cluster_.world_.RunUntilTrue([&] { return second.has_value(); }));
  ASSERT_TRUE(founded.has_value() && dropped.has_value());
  EXPECT_TRUE(absl::IsAborted(*founded)) << *founded;
  EXPECT_TRUE(absl::IsUnavailable(*dropped)) << *dropped;
  ASSERT_TRUE(second->ok()) << second->status();
  CrashAll(sim::CrashKind::kMachine);
  EXPECT_TRUE(absl::IsNotFound(StatusOn(1, kMade))) << StatusOn(1, kMade);
  EXPECT_EQ(host(1).prepared(),
            (std::map<GroupId, ReplicaId>{{kMade, **second}}));
}

TEST_F(GroupLifecycle, PreparedReplica_CanBeDropped) {
  std::optional<absl::Status> founded;
  const ReplicaId id = *Prepare(1, kMade);
  host(1).FoundReplica(kMade, FirstOf({{1, id}}),
                       [&](absl::Status status) { founded = status; });
  EXPECT_EQ(Drop(1, kMade), absl::OkStatus());
  ASSERT_TRUE(founded.has_value());
  EXPECT_TRUE(absl::IsAborted(*founded)) << *founded;
  CrashAll(sim::CrashKind::kMachine);
  EXPECT_TRUE(host(1).prepared().empty());
  EXPECT_TRUE(absl::IsNotFound(StatusOn(1, kMade)));
}

// Writes, snapshots and reads of the disk are under way when the replica goes.
TEST_F(GroupLifecycle, DroppedUnderLoad_EachProposalEndsOnce) {
  for (int round = 0; round < 20; ++round) {
    Create(kMade);
    ASSERT_TRUE(cluster_.WaitForLeader(kMade));
    const uint32_t leader = cluster_.leader(kMade);
    int answers = 0;
    for (int i = 0; i < 40; ++i) {
      host(leader).Propose(kMade, Buffer::Copy(std::string(200, 'y')),
                           [&](const ProposeResult&) { ++answers; });
      host(leader).Read(kMade, [&](absl::Status) { ++answers; });
      if (i % 10 == 0) {
        cluster_.world_.RunFor(Microseconds(137 * (round + 1)));
      }
    }
    for (uint32_t n = 1; n <= 3; ++n) {
      EXPECT_EQ(Drop(n, kMade), absl::OkStatus());
      EXPECT_EQ(FilesOf(n, kMade), 0u);
    }
    EXPECT_TRUE(cluster_.world_.RunUntilTrue([&] { return answers == 80; }));
  }
  EXPECT_EQ(host(1).stats().log_memory_bytes,
            host(1).core(kGroup)->resident_log_bytes());
  EXPECT_EQ(host(1).stats().log_bytes, host(1).core(kGroup)->log_bytes());
}

TEST_F(GroupLifecycle, FencedReplica_IsDroppedAndCreatedAgain) {
  ProposeAll(kGroup, 6);
  ASSERT_TRUE(cluster_.WaitConverged(6));
  cluster_.node(2)->journal()->Damage();
  ProposeAll(kGroup, 8);
  ASSERT_TRUE(cluster_.world_.RunUntilTrue(
      [&] { return cluster_.node(2)->observer.fenced == 1; }));
  EXPECT_TRUE(absl::IsDataLoss(StatusOn(2, kGroup)));
  for (uint32_t n = 1; n <= 3; ++n) {
    EXPECT_EQ(Drop(n, kGroup), absl::OkStatus());
  }
  Create(kGroup);
  ProposeAll(kGroup, 1);
  EXPECT_TRUE(cluster_.WaitConverged(1));
}

// ---- Crashes at every point

// Creates and drops groups while machines crash in the middle of their disk
// operations. An operation whose node crashed is tried again.
class Lifecycles {
 public:
  // `founded`: the first group that is dropped was founded with the cluster.
  explicit Lifecycles(uint64_t seed, bool founded = false)
      : random_(seed),
        founded_(founded),
        cluster_(seed, kSnapshotBytes, /*first=*/{}) {
    if (founded) cluster_.SetGroups(kMade.value());
    for (uint32_t n = 1; n <= 3; ++n) cluster_.StartNode(n);
    cluster_.options_.log.segment_bytes = 64 << 10;
    EXPECT_TRUE(cluster_.WaitForLeader());
  }

  // How often the marks of this test were reached.
  uint64_t Reached(const std::string& mark) {
    const auto& marks = cluster_.world_.marks();
    const auto found = marks.find(mark);
    return found == marks.end() ? 0 : found->second;
  }

  // Operations during which a node crashed.
  uint64_t interrupted() const { return interrupted_; }

  void Run(int rounds = 8) {
    for (int round = 0; round < rounds && !::testing::Test::HasFailure();
         ++round) {
      if (!founded_ || round > 0) Create();
      Propose();
      if (Draw(3) == 0) LosePower();
      EXPECT_TRUE(cluster_.WaitConverged(lines_, kMade));
      Drop();
      if (Draw(3) == 0) LosePower();
      for (uint32_t n = 1; n <= 3; ++n) {
        EXPECT_TRUE(absl::IsNotFound(StatusOn(n))) << StatusOn(n);
      }
      EXPECT_EQ(cluster_.Propose("line").outcome, Outcome::kDone);
    }
  }

 private:
  uint64_t Draw(uint64_t bound) {
    return random_.Below(bound, "test.lifecycle", 0, next_draw_++);
  }
  sim::CrashKind DrawKind() {
    return Draw(2) == 0 ? sim::CrashKind::kMachine : sim::CrashKind::kProcess;
  }
  Host& host(uint32_t n) { return cluster_.node(n)->host; }
  absl::Status StatusOn(uint32_t n) { return host(n).group_status(kMade); }

  // Perhaps a crash within the next operations of the disk.
  void ArmCrash() {
    const uint32_t n = 1 + Draw(3);
    const sim::MachineId machine = cluster_.machines_[n - 1];
    switch (Draw(3)) {
      case 0:
        return cluster_.world_.CrashAtDiskOperation(machine, 1 + Draw(6),
                                                    DrawKind());
      case 1:
        return cluster_.world_.CrashAfterCalls(machine, 1 + Draw(40),
                                               DrawKind());
      default:
        return;
    }
  }
  // Restarts what is down. Armed crashes are disarmed.
  void Recover() {
    for (uint32_t n = 1; n <= 3; ++n) {
      const sim::MachineId machine = cluster_.machines_[n - 1];
      cluster_.world_.CrashAtDiskOperation(machine, 0, DrawKind());
      cluster_.world_.CrashAfterCalls(machine, 0, DrawKind());
      if (cluster_.node(n) == nullptr) cluster_.Restart(n);
      cluster_.AwaitStart(n);
      ASSERT_EQ(cluster_.node(n)->started, absl::OkStatus());
      // No crash looks like a loss.
      EXPECT_FALSE(absl::IsDataLoss(StatusOn(n))) << StatusOn(n);
    }
  }
  void LosePower() {
    for (uint32_t n = 1; n <= 3; ++n) {
      if (cluster_.node(n) != nullptr) {
        cluster_.Crash(n, sim::CrashKind::kMachine);
      }
    }
    Recover();
  }
  // Begins an operation on each node and waits until each has an answer or is
  // down.
  template <typename Begin, typename Answers>
  void OnEach(Begin begin, const Answers& answers) {
    ArmCrash();
    for (uint32_t n = 1; n <= 3; ++n) {
      if (cluster_.node(n) != nullptr) begin(n);
    }
    EXPECT_TRUE(cluster_.world_.RunUntilTrue([&] {
      for (uint32_t n = 1; n <= 3; ++n) {
        if (cluster_.node(n) != nullptr && !answers.contains(n)) return false;
      }
      return true;
    }));
    for (uint32_t n = 1; n <= 3; ++n) {
      if (cluster_.node(n) == nullptr) ++interrupted_;
    }
    Recover();
  }

  // Gives up and begins again unless all three have an id.
  Configuration PrepareAll() {
    while (true) {
      std::map<uint32_t, absl::StatusOr<ReplicaId>> ids;
      OnEach(
          [&](uint32_t n) {
            host(n).PrepareReplica(kMade, [&ids, n](auto id) { ids[n] = id; });
          },
          ids);
      Ids told;
      for (const auto& [n, id] : ids) {
        EXPECT_TRUE(id.ok()) << id.status();
        // An id that was told to anybody is there after a crash.
        const auto prepared = host(n).prepared();
        EXPECT_TRUE(prepared.contains(kMade) && prepared.at(kMade) == *id);
        told[n] = *id;
      }
      if (told.size() == 3) return FirstConfigurationOf(&cluster_, told);
    }
  }
  void Create() {
    const Configuration first = PrepareAll();
    std::map<uint32_t, absl::Status> founded;
    while (founded.size() < 3 && !::testing::Test::HasFailure()) {
      OnEach(
          [&](uint32_t n) {
            if (founded.contains(n)) return;
            if (StatusOn(n).ok()) {
              founded[n] = absl::OkStatus();
              return;
            }
            host(n).FoundReplica(kMade, first,
                                 [&founded, n](auto s) { founded[n] = s; });
          },
          founded);
      for (const auto& [n, status] : founded) {
        EXPECT_EQ(status, absl::OkStatus());
        EXPECT_EQ(StatusOn(n), absl::OkStatus());
      }
    }
    lines_ = 0;
  }
  void Propose() {
    const int count = static_cast<int>(Draw(20));
    for (int i = 0; i < count; ++i) {
      EXPECT_EQ(cluster_.Propose(std::string(100, 'x'), kMade).outcome,
                Outcome::kDone);
      ++lines_;
    }
  }
  void Drop() {
    std::map<uint32_t, absl::Status> dropped;
    while (dropped.size() < 3 && !::testing::Test::HasFailure()) {
      OnEach(
          [&](uint32_t n) {
            if (dropped.contains(n)) return;
            host(n).DropReplica(kMade,
                                [&dropped, n](auto s) { dropped[n] = s; });
          },
          dropped);
      for (const auto& [n, status] : dropped) {
        EXPECT_TRUE(status.ok() || absl::IsNotFound(status)) << status;
      }
    }
  }

  const Random random_;
  const bool founded_;
  uint64_t next_draw_ = 0;
  testing::JournalCluster cluster_;
  size_t lines_ = 0;
  uint64_t interrupted_ = 0;
};

TEST(GroupLifecycles, InAnyOrderOfCrashes_NothingIsLostAndNothingComesBack) {
  uint64_t left_snapshots = 0;
  uint64_t interrupted = 0;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    Lifecycles lifecycles(seed);
    lifecycles.Run();
    if (::testing::Test::HasFailure()) return;
    left_snapshots += lifecycles.Reached("raft.left_snapshot_removed");
    interrupted += lifecycles.interrupted();
  }
  EXPECT_GT(left_snapshots, 10u);
  EXPECT_GT(interrupted, 500u);
}

TEST(GroupLifecycles, GroupOfTheFounding_InAnyOrderOfCrashes_IsNeverFenced) {
  uint64_t interrupted = 0;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    Lifecycles lifecycles(seed, /*founded=*/true);
    lifecycles.Run(/*rounds=*/2);
    if (::testing::Test::HasFailure()) return;
    interrupted += lifecycles.interrupted();
  }
  EXPECT_GT(interrupted, 100u);
}

// Crashes node 3 at the `nth` operation of its disk after it began to drop the
// founded group. Returns false if the drop ended before.
bool CrashDuringDrop(uint64_t nth, sim::CrashKind kind) {
  testing::JournalCluster cluster(nth, kSnapshotBytes);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(cluster.Propose(std::string(100, 'x')).outcome, Outcome::kDone);
  }
  EXPECT_TRUE(cluster.WaitConverged(20));
  cluster.world_.CrashAtDiskOperation(cluster.machines_[2], nth, kind);
  std::optional<absl::Status> dropped;
  cluster.node(3)->host.DropReplica(kGroup,
                                    [&](absl::Status s) { dropped = s; });
  EXPECT_TRUE(cluster.world_.RunUntilTrue(
      [&] { return dropped.has_value() || cluster.node(3) == nullptr; }));
  const bool crashed = cluster.node(3) == nullptr;
  cluster.world_.CrashAtDiskOperation(cluster.machines_[2], 0, kind);
  if (!crashed) cluster.Crash(3, kind);
  cluster.Restart(3);
  cluster.AwaitStart(3);
  const absl::Status status = cluster.node(3)->host.group_status(kGroup);
  EXPECT_TRUE(absl::IsNotFound(status) || (crashed && status.ok())) << status;
  return crashed;
}

TEST(GroupLifecycles, GroupOfTheFounding_CrashesDuringItsDrop_IsThereOrGone) {
  for (const auto kind : {sim::CrashKind::kProcess, sim::CrashKind::kMachine}) {
    uint64_t nth = 1;
    while (CrashDuringDrop(nth, kind)) ++nth;
    EXPECT_GT(nth, 3u);
  }
}

}  // namespace
}  // namespace quorate::raft

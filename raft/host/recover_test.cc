// Groups that lost their majority for good and go on from one replica, with
// crashes at every operation of the recovery.
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "raft/core/configuration.h"
#include "raft/host/bootstrap_record.h"
#include "raft/host/host.h"
#include "raft/host/testing/journal_cluster.h"

namespace quorate::raft {
namespace {

using testing::kGroup;

constexpr uint64_t kSnapshotBytes = 600;
constexpr uint32_t kSurvivor = 1;
// Of one write of the log.
constexpr size_t kBatchBytes = 64 << 10;

// Three nodes; a fourth one has no replica at first.
class Recovers {
 public:
  explicit Recovers(uint64_t seed, uint64_t snapshot_bytes = 0)
      : cluster_(seed, snapshot_bytes, {}, 4) {
    cluster_.options_.log.batch_bytes_max = kBatchBytes;
    cluster_.options_.log.record_bytes_max = kBatchBytes / 2;
    for (uint32_t n = 1; n <= 4; ++n) cluster_.StartNode(n);
    EXPECT_TRUE(cluster_.WaitForLeader());
    cluster_.AwaitStart(4);
  }

  testing::JournalCluster& cluster() { return cluster_; }
  Host& host(uint32_t n = kSurvivor) { return cluster_.node(n)->host; }
  const Core& core(uint32_t n = kSurvivor) { return *host(n).core(kGroup); }
  template <typename Condition>
  bool Await(Condition condition) {
    return cluster_.world_.RunUntilTrue(std::move(condition));
  }
  std::vector<std::string> Lines(uint32_t n = kSurvivor) {
    return cluster_.node(n)->journal()->lines();
  }
  void ProposeAll(int count) {
    for (int i = 0; i < count; ++i) {
      const std::string line =
          absl::StrCat("line ", written_.size(), std::string(100, 'x'));
      ASSERT_EQ(cluster_.Propose(line).outcome, Outcome::kDone);
      written_.push_back(line);
    }
  }
  // Every node has what was written, so that the survivor loses nothing.
  void AwaitAll() {
    ASSERT_TRUE(Await([&] {
      for (uint32_t n = 1; n <= 3; ++n) {
        if (cluster_.node(n)->journal()->lines() != written_) return false;
      }
      return true;
    }));
  }
  void LoseOthers() {
    for (const uint32_t n : {2, 3}) {
      cluster_.Crash(n, sim::CrashKind::kMachine);
    }
  }
  // The survivor has entries that no other node has: it leads, and the others
  // are gone.
  void WriteTail(int count, size_t line_bytes = 10) {
    while (cluster_.leader() != kSurvivor) {
      ASSERT_TRUE(cluster_.WaitForLeader());
      host(cluster_.leader()).TransferLeadership(kGroup, core().replica());
      cluster_.world_.RunFor(Seconds(1));
    }
    LoseOthers();
    const Index last = core().last().index + static_cast<uint64_t>(count);
    for (int i = 0; i < count; ++i) {
      const std::string line =
          absl::StrCat("tail ", i, std::string(line_bytes, 'y'));
      host().Propose(kGroup, Buffer::Copy(line), [](const ProposeResult&) {});
      written_.push_back(line);
    }
    ASSERT_TRUE(Await([&] { return core().durable_index() >= last; }));
  }
  void Restart(uint32_t n, sim::CrashKind kind) {
    if (cluster_.node(n) != nullptr) cluster_.Crash(n, kind);
    cluster_.Restart(n);
    cluster_.AwaitStart(n);
    EXPECT_EQ(cluster_.node(n)->started, absl::OkStatus());
  }
  void BeginRecovery(std::optional<absl::Status>* done,
                     uint64_t generation = 1) {
    host().RecoverReplica(kGroup, core().replica(),
                          {.generation = generation, .known_term = Term(9)},
                          [done](absl::Status status) { *done = status; });
  }
  absl::Status Recover(uint64_t generation = 1) {
    while (true) {
      std::optional<absl::Status> done;
      BeginRecovery(&done, generation);
      EXPECT_TRUE(Await([&] { return done.has_value(); }));
      // After a start it applies what it knows to be committed.
      if (!absl::IsUnavailable(*done)) return *done;
      cluster_.world_.RunFor(Milliseconds(10));
    }
  }
  bool AwaitLeads() {
    return Await([&] {
      return cluster_.node(kSurvivor) != nullptr &&
             host().core(kGroup) != nullptr && core().CanServeReads();
    });
  }
  // The survivor is the only voter, leads, and has all that was written.
  void ExpectWhole(ReplicaId old) {
    ASSERT_TRUE(AwaitLeads());
    EXPECT_NE(core().replica(), old);
    EXPECT_GT(core().term(), Term(9));
    EXPECT_EQ(core().configuration().generation, 1u);
    EXPECT_EQ(VoterReplicas(core().configuration()),
              std::vector<ReplicaId>{core().replica()});
    EXPECT_EQ(MemberReplicas(core().configuration()).size(), 1u);
    EXPECT_TRUE(Await([&] { return Lines() == written_; })) << Lines().size();
    ProposeAll(3);
    EXPECT_TRUE(Await([&] { return Lines() == written_; })) << Lines().size();
  }
  uint64_t Reached(const std::string& mark) {
    const auto& marks = cluster_.world_.marks();
    const auto found = marks.find(mark);
    return found == marks.end() ? 0 : found->second;
  }
  std::vector<std::string>& written() { return written_; }

 private:
  testing::JournalCluster cluster_;
  std::vector<std::string> written_;
};

class RecoverAll : public ::testing::TestWithParam<uint64_t> {};
INSTANTIATE_TEST_SUITE_P(Snapshots, RecoverAll,
                         ::testing::Values(0, kSnapshotBytes));

TEST_P(RecoverAll, SurvivorOfThree_LeadsWithAllItsEntries) {
  Recovers group(1, GetParam());
  group.ProposeAll(20);
  group.AwaitAll();
  group.WriteTail(5);
  const ReplicaId old = group.core().replica();
  const Index commit = group.core().commit_index();
  const Index last = group.core().last().index;
  ASSERT_GE(last.value(), commit.value() + 5);
  EXPECT_EQ(group.Recover(), absl::OkStatus());
  EXPECT_NE(group.core().replica(), old);
  EXPECT_EQ(group.core().last().index, last);
  // A lost leader notices meanwhile that it has no majority.
  group.cluster().world_.RunFor(CoreOptions().election_timeout_min / 2);
  EXPECT_EQ(group.core().role(), RoleKind::kFollower);
  group.ExpectWhole(old);
  // No election of old members reaches such a term.
  EXPECT_GT(group.core().term(), Term(uint64_t{1} << 32));
  // Another node that recovers the group has other terms.
  EXPECT_EQ(group.core().term().value() >> 20 & 0xfff, kSurvivor);
  for (const auto kind : {sim::CrashKind::kProcess, sim::CrashKind::kMachine}) {
    group.Restart(kSurvivor, kind);
    group.ExpectWhole(old);
  }
  EXPECT_TRUE(group.Await(
      [&] { return group.cluster().SnapshotFiles(kSurvivor) <= 1; }));
}

// A survivor that was started again does not know what is committed.
TEST_P(RecoverAll, SurvivorThatWasStartedAgain_CommitsAll) {
  Recovers group(2, GetParam());
  group.ProposeAll(20);
  group.AwaitAll();
  group.LoseOthers();
  group.Restart(kSurvivor, sim::CrashKind::kMachine);
  const ReplicaId old = group.core().replica();
  EXPECT_EQ(group.Recover(), absl::OkStatus());
  group.ExpectWhole(old);
  group.Restart(kSurvivor, sim::CrashKind::kMachine);
  group.ExpectWhole(old);
}

// Configurations in the tail name members that are gone.
TEST_P(RecoverAll, UncommittedChange_IsGone) {
  Recovers group(3, GetParam());
  group.ProposeAll(5);
  group.AwaitAll();
  group.WriteTail(1);
  Configuration target = group.core().configuration();
  target.learners = {{.replica = ReplicaId(77),
                      .node = NodeId(4),
                      .store = group.host(4).identity().incarnation}};
  group.host().ChangeConfiguration(kGroup, group.core().configuration_index(),
                                   target, [](const ProposeResult&) {});
  group.cluster().world_.RunFor(Milliseconds(50));
  ASSERT_EQ(group.core().configuration().learners.size(), 1u);
  group.host().Propose(kGroup, Buffer::Copy("behind"),
                       [](const ProposeResult&) {});
  group.written().push_back("behind");
  group.cluster().world_.RunFor(Milliseconds(50));
  const ReplicaId old = group.core().replica();
  EXPECT_EQ(group.Recover(), absl::OkStatus());
  group.ExpectWhole(old);
  group.Restart(kSurvivor, sim::CrashKind::kMachine);
  group.ExpectWhole(old);
}

// The lost nodes come back with their directories: a majority of the old
// configuration, whose entries are not those of the group any more.
TEST_P(RecoverAll, OldMembersThatComeBack_DisturbNothing) {
  Recovers group(4, GetParam());
  group.ProposeAll(10);
  group.AwaitAll();
  group.LoseOthers();
  const ReplicaId old = group.core().replica();
  EXPECT_EQ(group.Recover(), absl::OkStatus());
  group.ExpectWhole(old);
  const Term term = group.core().term();
  const size_t before = group.written().size();
  for (const uint32_t n : {2, 3}) {
    group.Restart(n, sim::CrashKind::kMachine);
  }
  ASSERT_TRUE(group.Await([&] {
    return group.core(2).CanServeReads() || group.core(3).CanServeReads();
  }));
  const uint32_t other = group.core(2).CanServeReads() ? 2 : 3;
  group.host(other).Propose(kGroup, Buffer::Copy("of the old members"),
                            [](const ProposeResult&) {});
  group.cluster().world_.RunFor(Seconds(10));
  EXPECT_TRUE(group.Lines() == group.written());
  EXPECT_EQ(group.Lines().size(), before);
  EXPECT_EQ(group.core().term(), term);
  EXPECT_EQ(group.core().role(), RoleKind::kLeader);
}

// Two of three are held: no majority is left that could confirm anything, also
// after each of them was started again.
TEST_P(RecoverAll, HeldReplicas_TakeNoPartForGood) {
  Recovers group(6, GetParam());
  group.ProposeAll(10);
  group.AwaitAll();
  for (const uint32_t n : {2, 3}) {
    EXPECT_FALSE(group.core(n).held());
    group.host(n).HoldReplica(kGroup, group.core(n).replica());
  }
  ASSERT_TRUE(group.Await(
      [&] { return group.core(2).held() && group.core(3).held(); }));
  const auto expect_no_leader = [&] {
    group.cluster().world_.RunFor(Seconds(5));
    for (const uint32_t n : {1, 2, 3}) {
      EXPECT_NE(group.core(n).role(), RoleKind::kLeader) << n;
    }
  };
  expect_no_leader();
  for (const auto kind : {sim::CrashKind::kProcess, sim::CrashKind::kMachine}) {
    for (const uint32_t n : {2, 3}) {
      group.Restart(n, kind);
      EXPECT_TRUE(group.core(n).held());
      EXPECT_EQ(group.host(n).group_status(kGroup), absl::OkStatus());
    }
    expect_no_leader();
  }
  EXPECT_GE(group.Reached("raft.replica_held"), 2u);
}

// Its node was not the first one that was chosen.
TEST_P(RecoverAll, HeldReplica_IsRecovered) {
  Recovers group(7, GetParam());
  group.ProposeAll(20);
  group.AwaitAll();
  group.WriteTail(5);
  const ReplicaId old = group.core().replica();
  group.host().HoldReplica(kGroup, old);
  group.host().HoldReplica(kGroup, old);
  ASSERT_TRUE(group.Await([&] { return group.core().held(); }));
  group.Restart(kSurvivor, sim::CrashKind::kMachine);
  ASSERT_TRUE(group.core().held());
  EXPECT_EQ(group.Recover(), absl::OkStatus());
  EXPECT_FALSE(group.core().held());
  group.ExpectWhole(old);
}

// The new group takes members as any other one.
TEST_P(RecoverAll, NewMember_JoinsAndVotes) {
  Recovers group(5, GetParam());
  group.ProposeAll(20);
  group.AwaitAll();
  group.WriteTail(2);
  const ReplicaId old = group.core().replica();
  EXPECT_EQ(group.Recover(), absl::OkStatus());
  group.ExpectWhole(old);
  std::optional<ReplicaId> id;
  group.host(4).PrepareReplica(
      kGroup, [&](absl::StatusOr<ReplicaId> got) { id = got.value(); });
  ASSERT_TRUE(group.Await([&] { return id.has_value(); }));
  std::optional<absl::Status> joined;
  group.host(4).JoinReplica(kGroup, *id, group.core().configuration(),
                            [&](absl::Status status) { joined = status; });
  ASSERT_TRUE(group.Await([&] { return joined.has_value(); }));
  const Member member = {.replica = *id,
                         .node = NodeId(4),
                         .store = group.host(4).identity().incarnation};
  for (int i = 0; i < 100 && !IsVoter(group.core().configuration(), *id); ++i) {
    Configuration target = group.core().configuration();
    if (!target.learners.empty()) {
      target.learners.clear();
      target.voters.push_back(member);
      SortMembers(&target.voters);
    } else {
      target.learners = {member};
    }
    group.host().ChangeConfiguration(kGroup, group.core().configuration_index(),
                                     target, [](const ProposeResult&) {});
    group.cluster().world_.RunFor(Milliseconds(200));
  }
  ASSERT_TRUE(IsVoter(group.core().configuration(), *id));
  EXPECT_TRUE(group.Await([&] { return group.Lines(4) == group.written(); }));
}

TEST(Recover, RefusedCalls_ChangeNothing) {
  Recovers group(6);
  group.ProposeAll(3);
  group.AwaitAll();
  group.LoseOthers();
  const ReplicaId old = group.core().replica();
  EXPECT_TRUE(absl::IsInvalidArgument(group.Recover(/*generation=*/0)));
  std::optional<absl::Status> other;
  group.host().RecoverReplica(kGroup, ReplicaId(7), {.generation = 1},
                              [&](absl::Status status) { other = status; });
  ASSERT_TRUE(group.Await([&] { return other.has_value(); }));
  EXPECT_TRUE(absl::IsNotFound(*other));
  EXPECT_EQ(group.core().replica(), old);
  // Two calls at once, and a drop meanwhile: the first one goes on.
  std::optional<absl::Status> first, second, dropped;
  group.BeginRecovery(&first);
  group.BeginRecovery(&second, /*generation=*/2);
  group.host().DropReplica(kGroup,
                           [&](absl::Status status) { dropped = status; });
  ASSERT_TRUE(group.Await([&] {
    return first.has_value() && second.has_value() && dropped.has_value();
  }));
  EXPECT_EQ(*first, absl::OkStatus());
  EXPECT_TRUE(absl::IsUnavailable(*second)) << *second;
  EXPECT_TRUE(absl::IsUnavailable(*dropped)) << *dropped;
  group.ExpectWhole(old);
  EXPECT_TRUE(absl::IsInvalidArgument(group.Recover(/*generation=*/1)));
}

// A group that has its majority goes on, and its entries are not applied twice.
TEST(Recover, EntriesCommittedMeanwhile_EndIt) {
  Recovers group(7);
  group.ProposeAll(10);
  // The snapshot takes many writes.
  for (int i = 0; i < 4; ++i) {
    group.written().push_back(std::string(500 << 10, 'z'));
    ASSERT_EQ(group.cluster().Propose(group.written().back()).outcome,
              Outcome::kDone);
  }
  group.AwaitAll();
  const ReplicaId old = group.core().replica();
  std::optional<absl::Status> done;
  group.BeginRecovery(&done);
  group.host(group.cluster().leader())
      .Propose(kGroup, Buffer::Copy("meanwhile"), [](const ProposeResult&) {});
  group.written().push_back("meanwhile");
  ASSERT_TRUE(group.Await([&] { return done.has_value(); }));
  EXPECT_TRUE(absl::IsUnavailable(*done)) << *done;
  EXPECT_EQ(group.core().replica(), old);
  group.AwaitAll();
  EXPECT_EQ(group.cluster().SnapshotFiles(kSurvivor), 0u);
}

// ---- Crashes at every operation of the disk

constexpr int kTailEntries = 12;

struct Crashed {
  bool crashed = false;  // Else it ended before.
  bool old = false;      // The start found the old replica.
  uint64_t left_dropped = 0;
};

void PrepareTail(Recovers& group, size_t tail_bytes) {
  group.ProposeAll(15);
  group.AwaitAll();
  group.WriteTail(kTailEntries, tail_bytes / kTailEntries);
}

// The start after an interrupted recovery finds the old replica or the new one.
Crashed StartAgain(Recovers& group, ReplicaId old, sim::CrashKind kind) {
  Crashed result{.crashed = true};
  group.Restart(kSurvivor, kind);
  EXPECT_EQ(group.host().group_status(kGroup), absl::OkStatus());
  if (::testing::Test::HasFailure()) return result;
  EXPECT_TRUE(group.host().prepared().empty());
  result.old = group.core().replica() == old;
  result.left_dropped = group.Reached("raft.left_replica_dropped");
  if (result.old) {
    EXPECT_EQ(group.core().configuration().generation, 0u);
    EXPECT_EQ(group.core().configuration().voters.size(), 3u);
    EXPECT_EQ(group.Recover(), absl::OkStatus());
  }
  group.ExpectWhole(old);
  group.Restart(kSurvivor, sim::CrashKind::kMachine);
  group.ExpectWhole(old);
  EXPECT_TRUE(group.Await(
      [&] { return group.cluster().SnapshotFiles(kSurvivor) <= 1; }));
  return result;
}

Crashed RecoverWithCrash(uint64_t seed, uint64_t snapshot_bytes,
                         uint64_t operation, sim::CrashKind kind,
                         size_t tail_bytes) {
  Recovers group(seed, snapshot_bytes);
  PrepareTail(group, tail_bytes);
  const ReplicaId old = group.core().replica();
  const sim::MachineId machine = group.cluster().machines_[kSurvivor - 1];
  group.cluster().world_.CrashAtDiskOperation(machine, operation, kind);
  std::optional<absl::Status> done;
  group.BeginRecovery(&done);
  EXPECT_TRUE(group.Await([&] {
    return done.has_value() || group.cluster().node(kSurvivor) == nullptr;
  }));
  group.cluster().world_.CrashAtDiskOperation(machine, 0, kind);
  if (group.cluster().node(kSurvivor) != nullptr) {
    EXPECT_EQ(*done, absl::OkStatus());
    group.ExpectWhole(old);
    return {};
  }
  return StartAgain(group, old, kind);
}

TEST_P(RecoverAll, CrashAtEveryOperation_LeavesTheOldReplicaOrTheNewOne) {
  // The long tail takes more than one write of the log.
  for (const size_t tail_bytes : {size_t{50}, 4 * kBatchBytes}) {
    uint64_t old = 0;
    uint64_t fresh = 0;
    uint64_t left = 0;
    for (const auto kind :
         {sim::CrashKind::kProcess, sim::CrashKind::kMachine}) {
      uint64_t operation = 1;
      for (; operation < 200; ++operation) {
        SCOPED_TRACE(absl::StrCat("operation ", operation, ", tail of ",
                                  tail_bytes, " bytes, kind ",
                                  static_cast<int>(kind)));
        const Crashed crashed = RecoverWithCrash(operation, GetParam(),
                                                 operation, kind, tail_bytes);
        if (HasFailure()) return;
        if (!crashed.crashed) break;
        ++(crashed.old ? old : fresh);
        left += crashed.left_dropped;
      }
      EXPECT_GT(operation, 4u);
      EXPECT_LT(operation, 200u);
    }
    EXPECT_GT(old, 0u);
    EXPECT_GT(fresh, 0u);
    EXPECT_GT(left, 0u);
  }
}

// The disk may have what it did not confirm.
TEST_P(RecoverAll, FailureOfEverySync_LeavesTheOldReplicaOrTheNewOne) {
  uint64_t old = 0;
  uint64_t fresh = 0;
  for (const auto kind : {sim::CrashKind::kProcess, sim::CrashKind::kMachine}) {
    uint64_t nth = 1;
    for (; nth < 100; ++nth) {
      SCOPED_TRACE(
          absl::StrCat("sync ", nth, ", kind ", static_cast<int>(kind)));
      Recovers group(nth, GetParam());
      PrepareTail(group, 4 * kBatchBytes);
      const ReplicaId before = group.core().replica();
      sim::World& world = group.cluster().world_;
      const sim::MachineId machine = group.cluster().machines_[kSurvivor - 1];
      const uint64_t failures = world.disk_failures(machine);
      world.FailDiskOperation(machine, sim::World::DiskOperation::kSync, nth,
                              /*persistent=*/false);
      std::optional<absl::Status> done;
      group.BeginRecovery(&done);
      ASSERT_TRUE(group.Await([&] { return done.has_value(); }));
      if (world.disk_failures(machine) == failures) break;
      world.RunFor(Milliseconds(10));
      ++(StartAgain(group, before, kind).old ? old : fresh);
      if (HasFailure()) return;
    }
    EXPECT_GT(nth, 2u);
    EXPECT_LT(nth, 100u);
  }
  EXPECT_GT(old, 0u);
  EXPECT_GT(fresh, 0u);
}

}  // namespace
}  // namespace quorate::raft

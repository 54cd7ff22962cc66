// Replicas that join a group which runs, by its log or by a snapshot, with
// restarts at every point of the join. Members that replace each other.
#include <algorithm>
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

constexpr uint64_t kSnapshotBytes = 600;
constexpr uint32_t kJoiner = 4;

// Four nodes; the group has voters on the first three.
class Joins {
 public:
  explicit Joins(uint64_t seed, uint64_t snapshot_bytes = 0)
      : random_(seed), cluster_(seed, snapshot_bytes, {1, 2, 3, kJoiner}, 4) {
    EXPECT_TRUE(cluster_.WaitForLeader());
    cluster_.AwaitStart(kJoiner);
  }

  testing::JournalCluster& cluster() { return cluster_; }
  Host& host(uint32_t n) { return cluster_.node(n)->host; }
  Host& leader() {
    EXPECT_TRUE(cluster_.WaitForLeader());
    return host(cluster_.leader());
  }
  const Configuration& configuration() {
    return leader().core(kGroup)->configuration();
  }
  template <typename Condition>
  bool Await(Condition condition) {
    return cluster_.world_.RunUntilTrue(std::move(condition));
  }

  ReplicaId Prepare(uint32_t n = kJoiner) {
    std::optional<absl::StatusOr<ReplicaId>> id;
    host(n).PrepareReplica(kGroup, [&](absl::StatusOr<ReplicaId> prepared) {
      id = std::move(prepared);
    });
    EXPECT_TRUE(Await([&] { return id.has_value(); }));
    EXPECT_TRUE(id->ok()) << id->status();
    return id->value_or(ReplicaId());
  }
  absl::Status Join(ReplicaId id, const Configuration& known,
                    uint32_t n = kJoiner) {
    std::optional<absl::Status> joined;
    host(n).JoinReplica(kGroup, id, known,
                        [&](absl::Status status) { joined = status; });
    EXPECT_TRUE(Await([&] { return joined.has_value(); }));
    return *joined;
  }
  absl::Status Drop(uint32_t n) {
    std::optional<absl::Status> dropped;
    host(n).DropReplica(kGroup, [&](absl::Status status) { dropped = status; });
    EXPECT_TRUE(Await([&] { return dropped.has_value(); }));
    return *dropped;
  }
  Member MemberOn(uint32_t n, ReplicaId id) {
    return {.replica = id,
            .node = NodeId(n),
            .store = host(n).identity().incarnation};
  }
  // Proposes the change until the group has the target, or a minute is over.
  template <typename Change>
  bool ChangeTo(Change change) {
    for (int i = 0; i < 600; ++i) {
      Configuration target = configuration();
      change(&target);
      SortMembers(&target.voters);
      SortMembers(&target.learners);
      const Core& core = *leader().core(kGroup);
      if (target == core.configuration() &&
          core.configuration_index() <= core.commit_index()) {
        return true;
      }
      leader().ChangeConfiguration(kGroup, core.configuration_index(), target,
                                   [](const ProposeResult&) {});
      cluster_.world_.RunFor(Milliseconds(100));
    }
    return false;
  }
  bool Learn(const Member& member) {
    return ChangeTo([&](Configuration* target) {
      if (!IsMember(*target, member.replica)) target->learners = {member};
    });
  }
  // The learner votes, and the voter on `replaced` leaves.
  bool Promote(const Member& member, std::optional<uint32_t> replaced = {}) {
    return ChangeTo([&](Configuration* target) {
      target->learners.clear();
      if (!IsVoter(*target, member.replica)) target->voters.push_back(member);
      std::erase_if(target->voters, [&](const Member& voter) {
        return replaced.has_value() && voter.node == NodeId(*replaced) &&
               voter.replica != member.replica;
      });
    });
  }
  void ProposeAll(int count) {
    for (int i = 0; i < count; ++i, ++lines_) {
      ASSERT_EQ(cluster_.Propose(std::string(100, 'x')).outcome,
                Outcome::kDone);
    }
  }
  bool HasAll(uint32_t n) {
    return Await([&] {
      testing::JournalProgram* const program = cluster_.node(n);
      return program != nullptr && program->journal() != nullptr &&
             program->journal()->lines().size() == lines_;
    });
  }
  void Restart(uint32_t n, sim::CrashKind kind) {
    if (cluster_.node(n) != nullptr) cluster_.Crash(n, kind);
    cluster_.Restart(n);
    cluster_.AwaitStart(n);
    EXPECT_EQ(cluster_.node(n)->started, absl::OkStatus());
  }
  uint64_t Draw(uint64_t bound) {
    return random_.Below(bound, "test.join", 0, next_draw_++);
  }
  uint64_t Reached(const std::string& mark) {
    const auto& marks = cluster_.world_.marks();
    const auto found = marks.find(mark);
    return found == marks.end() ? 0 : found->second;
  }

 private:
  const Random random_;
  uint64_t next_draw_ = 0;
  testing::JournalCluster cluster_;
  size_t lines_ = 0;
};

TEST(Join, NewMember_LearnsVotesAndLeads) {
  Joins joins(1);
  joins.ProposeAll(5);
  const ReplicaId id = joins.Prepare();
  EXPECT_EQ(joins.Join(id, joins.configuration()), absl::OkStatus());
  EXPECT_TRUE(joins.host(kJoiner).core(kGroup)->joining());
  EXPECT_TRUE(joins.host(kJoiner).prepared().empty());
  const Member member = joins.MemberOn(kJoiner, id);
  ASSERT_TRUE(joins.Learn(member));
  ASSERT_TRUE(joins.HasAll(kJoiner));
  EXPECT_FALSE(joins.host(kJoiner).core(kGroup)->joining());
  ASSERT_TRUE(joins.Promote(member));
  EXPECT_EQ(joins.configuration().voters.size(), 4u);
  joins.leader().TransferLeadership(kGroup, id);
  ASSERT_TRUE(joins.Await([&] { return joins.cluster().leader() == kJoiner; }));
  joins.ProposeAll(5);
  for (uint32_t n = 1; n <= 4; ++n) EXPECT_TRUE(joins.HasAll(n)) << n;
}

TEST(Join, NewMember_GetsASnapshot) {
  Joins joins(2, kSnapshotBytes);
  joins.ProposeAll(40);
  ASSERT_GT(joins.leader().core(kGroup)->log_start().index, Index());
  const ReplicaId id = joins.Prepare();
  EXPECT_EQ(joins.Join(id, joins.configuration()), absl::OkStatus());
  const Member member = joins.MemberOn(kJoiner, id);
  ASSERT_TRUE(joins.Learn(member));
  ASSERT_TRUE(joins.HasAll(kJoiner));
  EXPECT_EQ(joins.cluster().node(kJoiner)->observer.restored, 1);
  ASSERT_TRUE(joins.Promote(member));
  joins.Restart(kJoiner, sim::CrashKind::kMachine);
  joins.ProposeAll(1);
  EXPECT_TRUE(joins.HasAll(kJoiner));
  // The snapshot takes the place of the one that said that it joins.
  EXPECT_EQ(joins.cluster().SnapshotFiles(kJoiner), 1u);
}

// Its group does not know it, so nothing but terms comes to it.
TEST(Join, ReplicaThatNoConfigurationNames_WaitsThroughRestarts) {
  Joins joins(3);
  const ReplicaId id = joins.Prepare();
  EXPECT_EQ(joins.Join(id, joins.configuration()), absl::OkStatus());
  for (const auto kind : {sim::CrashKind::kProcess, sim::CrashKind::kMachine}) {
    joins.cluster().world_.RunFor(Seconds(30));
    joins.Restart(kJoiner, kind);
    ASSERT_EQ(joins.host(kJoiner).group_status(kGroup), absl::OkStatus());
    const Core& core = *joins.host(kJoiner).core(kGroup);
    EXPECT_TRUE(core.joining());
    EXPECT_EQ(core.term(), Term());
    EXPECT_EQ(core.role(), RoleKind::kFollower);
    // The call of before the crash is repeated.
    EXPECT_EQ(joins.Join(id, joins.configuration()), absl::OkStatus());
  }
}

// A term is durable before the first entry is.
TEST(Join, LogWithATermAndNoEntries_Joins) {
  Joins joins(4);
  joins.ProposeAll(1);
  const ReplicaId id = joins.Prepare();
  EXPECT_EQ(joins.Join(id, joins.configuration()), absl::OkStatus());
  const Member member = joins.MemberOn(kJoiner, id);
  testing::JournalProgram* const program = joins.cluster().node(kJoiner);
  bool wrote_term = false;
  program->observer.on_step = [&](GroupId, const Output& output) {
    if (!output.write.has_value() || !output.write->hard_state_changed) return;
    if (!output.write->entries.empty() || wrote_term) return;
    wrote_term = true;
    // Before the entries that follow.
    joins.cluster().world_.CrashAtDiskOperation(
        joins.cluster().machines_[kJoiner - 1], 3, sim::CrashKind::kMachine);
  };
  joins.leader().ChangeConfiguration(
      kGroup, joins.leader().core(kGroup)->configuration_index(),
      [&] {
        Configuration target = joins.configuration();
        target.learners = {member};
        return target;
      }(),
      [](const ProposeResult&) {});
  ASSERT_TRUE(
      joins.Await([&] { return joins.cluster().node(kJoiner) == nullptr; }));
  joins.Restart(kJoiner, sim::CrashKind::kMachine);
  ASSERT_EQ(joins.host(kJoiner).group_status(kGroup), absl::OkStatus());
  ASSERT_TRUE(joins.Promote(member));
  EXPECT_TRUE(joins.HasAll(kJoiner));
}

TEST(Join, RefusedCalls_SayWhyAndLeaveTheIdPrepared) {
  Joins joins(5);
  const Configuration known = joins.configuration();
  EXPECT_TRUE(absl::IsFailedPrecondition(joins.Join(ReplicaId(7), known)));
  const ReplicaId id = joins.Prepare();
  EXPECT_TRUE(absl::IsFailedPrecondition(joins.Join(ReplicaId(7), known)));
  EXPECT_TRUE(absl::IsInvalidArgument(joins.Join(id, Configuration())));
  Configuration wrong = known;
  wrong.hash_key ^= 1;
  EXPECT_TRUE(absl::IsFailedPrecondition(joins.Join(id, wrong)));
  wrong = known;
  wrong.level = Level(2);
  EXPECT_TRUE(absl::IsFailedPrecondition(joins.Join(id, wrong)));
  wrong = known;
  wrong.learners = {joins.MemberOn(1, id)};
  EXPECT_TRUE(absl::IsFailedPrecondition(joins.Join(id, wrong)));
  // A voter has had entries.
  wrong = known;
  wrong.voters.push_back(joins.MemberOn(kJoiner, id));
  SortMembers(&wrong.voters);
  EXPECT_TRUE(absl::IsFailedPrecondition(joins.Join(id, wrong)));
  EXPECT_TRUE(absl::IsAlreadyExists(joins.Join(id, known, 1)));
  EXPECT_EQ(joins.host(kJoiner).prepared().at(kGroup), id);
  // Two calls at once: the replica runs once.
  std::vector<absl::Status> joined;
  for (int i = 0; i < 2; ++i) {
    joins.host(kJoiner).JoinReplica(
        kGroup, id, known, [&](absl::Status s) { joined.push_back(s); });
  }
  ASSERT_TRUE(joins.Await([&] { return joined.size() == 2; }));
  EXPECT_TRUE(absl::IsUnavailable(joined[0])) << joined[0];
  EXPECT_EQ(joined[1], absl::OkStatus());
  EXPECT_TRUE(absl::IsAlreadyExists(joins.Join(ReplicaId(7), known)));
}

TEST(Join, DroppedWhileItJoins_LeavesNothing) {
  Joins joins(6);
  for (const bool at_once : {true, false}) {
    const ReplicaId id = joins.Prepare();
    std::optional<absl::Status> joined;
    joins.host(kJoiner).JoinReplica(kGroup, id, joins.configuration(),
                                    [&](absl::Status s) { joined = s; });
    if (!at_once) {
      ASSERT_TRUE(joins.Await([&] { return joined.has_value(); }));
    }
    EXPECT_EQ(joins.Drop(kJoiner), absl::OkStatus());
    EXPECT_EQ(absl::IsAborted(*joined), at_once) << *joined;
    EXPECT_EQ(joins.cluster().SnapshotFiles(kJoiner), 0u);
    joins.Restart(kJoiner, sim::CrashKind::kMachine);
    EXPECT_TRUE(absl::IsNotFound(joins.host(kJoiner).group_status(kGroup)));
    EXPECT_TRUE(joins.host(kJoiner).prepared().empty());
  }
}

// The member leaves, its replica is dropped, and its node joins again under a
// new id. A voter is replaced by another one of its own node.
TEST(Join, MemberThatLeft_JoinsAgainUnderANewId) {
  Joins joins(7, kSnapshotBytes);
  joins.ProposeAll(10);
  uint32_t replaced = joins.cluster().leader() % 3 + 1;
  for (int round = 0; round < 3; ++round) {
    const ReplicaId old = ReplicaOn(joins.configuration(), NodeId(replaced));
    ASSERT_TRUE(joins.ChangeTo([&](Configuration* target) {
      std::erase_if(target->voters,
                    [&](const Member& m) { return m.replica == old; });
    }));
    EXPECT_EQ(joins.Drop(replaced), absl::OkStatus());
    const ReplicaId id = joins.Prepare(replaced);
    EXPECT_NE(id, old);
    EXPECT_EQ(joins.Join(id, joins.configuration(), replaced),
              absl::OkStatus());
    const Member member = joins.MemberOn(replaced, id);
    ASSERT_TRUE(joins.Learn(member));
    joins.ProposeAll(10);
    ASSERT_TRUE(joins.HasAll(replaced));
    ASSERT_TRUE(joins.Promote(member));
    EXPECT_EQ(joins.configuration().voters.size(), 3u);
  }
}

// Its node has two members until the new one has caught up.
TEST(Join, ReplicaOfTheSameNode_TakesThePlaceOfALostOne) {
  Joins joins(8);
  joins.ProposeAll(10);
  const uint32_t n = joins.cluster().leader() % 3 + 1;
  const StoreIncarnation store = joins.host(n).identity().incarnation;
  EXPECT_EQ(joins.Drop(n), absl::OkStatus());  // As if it were lost.
  const ReplicaId id = joins.Prepare(n);
  EXPECT_EQ(joins.Join(id, joins.configuration(), n), absl::OkStatus());
  const Member member = joins.MemberOn(n, id);
  ASSERT_TRUE(joins.Learn(member));
  EXPECT_FALSE(joins.leader().RefusesStore(kGroup, NodeId(n), store));
  EXPECT_TRUE(
      joins.leader().RefusesStore(kGroup, NodeId(n), StoreIncarnation(1)));
  ASSERT_TRUE(joins.HasAll(n));
  ASSERT_TRUE(joins.Promote(member, n));
  EXPECT_EQ(joins.configuration().voters.size(), 3u);
  EXPECT_TRUE(IsVoter(joins.configuration(), id));
  joins.ProposeAll(3);
  EXPECT_TRUE(joins.HasAll(n));
}

// ---- Crashes at every point

// The fourth node joins while it crashes at points of its disk operations and
// calls. Its caller goes on from what the host and the configuration say.
void JoinWithCrashes(Joins* joins) {
  testing::JournalCluster& cluster = joins->cluster();
  const sim::MachineId machine = cluster.machines_[kJoiner - 1];
  const auto arm = [&] {
    const auto kind = joins->Draw(2) == 0 ? sim::CrashKind::kMachine
                                          : sim::CrashKind::kProcess;
    if (joins->Draw(2) == 0) {
      cluster.world_.CrashAtDiskOperation(machine, 1 + joins->Draw(12), kind);
    } else {
      cluster.world_.CrashAfterCalls(machine, 1 + joins->Draw(60), kind);
    }
  };
  ReplicaId id;
  ReplicaId told;
  for (int step = 0; step < 400; ++step) {
    if (cluster.node(kJoiner) == nullptr) {
      cluster.Restart(kJoiner);
      cluster.AwaitStart(kJoiner);
      ASSERT_EQ(cluster.node(kJoiner)->started, absl::OkStatus());
      ASSERT_FALSE(absl::IsDataLoss(joins->host(kJoiner).group_status(kGroup)))
          << joins->host(kJoiner).group_status(kGroup);
    }
    if (joins->Draw(3) == 0) arm();
    Host& host = joins->host(kJoiner);
    const bool runs = host.group_status(kGroup).ok();
    const auto prepared = host.prepared();
    if (told != ReplicaId() && !runs) {
      // An id that was told is there, prepared or running.
      ASSERT_EQ(prepared.at(kGroup), told);
    }
    if (told == ReplicaId()) {
      host.PrepareReplica(kGroup, [&](absl::StatusOr<ReplicaId> got) {
        if (got.ok()) told = *got;
      });
    } else if (!runs) {
      host.JoinReplica(kGroup, told, joins->configuration(),
                       [](absl::Status) {});
    } else if (host.core(kGroup)->replica() == told) {
      id = told;
      const Core& leading = *joins->leader().core(kGroup);
      Configuration target = leading.configuration();
      if (IsVoter(target, id) && target.outgoing_voters.empty() &&
          leading.configuration_index() <= leading.commit_index()) {
        break;
      }
      const Member member = joins->MemberOn(kJoiner, id);
      if (!IsMember(target, id)) {
        target.learners = {member};
      } else {
        target.learners.clear();
        target.voters.push_back(member);
        SortMembers(&target.voters);
      }
      joins->leader().ChangeConfiguration(kGroup, leading.configuration_index(),
                                          target, [](const ProposeResult&) {});
    }
    cluster.world_.RunFor(Milliseconds(static_cast<int64_t>(joins->Draw(200))));
    if (joins->Draw(8) == 0) joins->ProposeAll(3);
  }
  cluster.world_.CrashAtDiskOperation(machine, 0, sim::CrashKind::kProcess);
  cluster.world_.CrashAfterCalls(machine, 0, sim::CrashKind::kProcess);
  if (cluster.node(kJoiner) == nullptr) {
    cluster.Restart(kJoiner);
    cluster.AwaitStart(kJoiner);
  }
  ASSERT_TRUE(IsVoter(joins->configuration(), id));
  joins->ProposeAll(1);
  EXPECT_TRUE(joins->HasAll(kJoiner));
}

TEST(Joins, InAnyOrderOfCrashes_EndAsVoters) {
  uint64_t joining_starts = 0;
  uint64_t snapshots = 0;
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    Joins joins(seed, seed % 2 == 0 ? kSnapshotBytes : 0);
    joins.ProposeAll(seed % 2 == 0 ? 30 : 3);
    JoinWithCrashes(&joins);
    if (::testing::Test::HasFailure()) return;
    joining_starts += joins.Reached("raft.joining_replica_started");
    snapshots += joins.Reached("raft.snapshot_installed");
  }
  EXPECT_GT(joining_starts, 20u);
  EXPECT_GT(snapshots, 20u);
}

}  // namespace
}  // namespace quorate::raft

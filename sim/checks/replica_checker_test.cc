// Shows each rule its violation, and the correct behaviour next to it.
#include "sim/checks/replica_checker.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "raft/core/configuration.h"

namespace quorate::sim {
namespace {

using raft::Entry;
using raft::Index;
using raft::LogPosition;
using raft::Term;

constexpr GroupId kCheckedGroup(1);

Entry MakeEntry(uint64_t term, uint64_t index, std::string_view payload = "") {
  return {.term = Term(term),
          .index = Index(index),
          .kind = raft::EntryKind::kCommands,
          .payload = Buffer::Copy(payload)};
}

class ReplicaCheckerTest : public testing::Test {
 protected:
  // Expects one violation, which begins with these words.
  void ExpectFound(const std::string& rule) {
    ASSERT_EQ(found_.size(), 1u) << (found_.empty() ? "nothing" : found_[1]);
    EXPECT_EQ(found_[0].substr(0, rule.size()), rule) << found_[0];
  }

  std::vector<std::string> found_;
  ReplicaChecker replica_checker_{
      [this](std::string what) { found_.push_back(what); }};
};

TEST_F(ReplicaCheckerTest, TwoLeadersOfOneTerm_Found) {
  replica_checker_.OnLeader(NodeId(1), kCheckedGroup, Term(3));
  replica_checker_.OnLeader(NodeId(1), kCheckedGroup, Term(3));
  replica_checker_.OnLeader(NodeId(2), kCheckedGroup, Term(4));
  replica_checker_.OnLeader(NodeId(2), GroupId(2), Term(3));
  EXPECT_TRUE(found_.empty());
  EXPECT_EQ(replica_checker_.leader_changes(), 3u);
  replica_checker_.OnLeader(NodeId(2), kCheckedGroup, Term(3));
  ExpectFound("election safety");
}

TEST_F(ReplicaCheckerTest, LeaderWithoutACommittedEntry_Found) {
  replica_checker_.OnApplied(NodeId(1), kCheckedGroup, MakeEntry(1, 1));
  replica_checker_.OnApplied(NodeId(1), kCheckedGroup, MakeEntry(2, 2));
  const auto whole = [](Index index) { return Term(index.value()); };
  replica_checker_.OnLeaderLog(NodeId(2), kCheckedGroup, Term(3), Index(0),
                               whole);
  // Terms of entries in the snapshot are not known any more.
  replica_checker_.OnLeaderLog(
      NodeId(2), kCheckedGroup, Term(3), Index(1),
      [](Index index) { return index == Index(2) ? Term(2) : Term(0); });
  EXPECT_TRUE(found_.empty());
  replica_checker_.OnLeaderLog(
      NodeId(2), kCheckedGroup, Term(3), Index(0),
      [](Index index) { return index == Index(1) ? Term(1) : Term(0); });
  ExpectFound("leader completeness");
}

// Replica 8 comes later, and its program knows level 2 alone.
TEST_F(ReplicaCheckerTest, LevelThatRoseBeforeAReplicaCame_IsKnown) {
  raft::Configuration members{
      .voters = {{.replica = ReplicaId(7), .node = NodeId(1)}},
      .level = raft::Level(2)};
  const auto commit = [&](uint64_t index) {
    Entry entry = MakeEntry(1, index);
    entry.kind = raft::EntryKind::kConfiguration;
    entry.payload = raft::EncodeConfiguration(members);
    replica_checker_.OnApplied(NodeId(1), kCheckedGroup, entry);
  };
  const auto rose_without = [&](uint64_t replica, uint64_t known) {
    return replica_checker_.RoseWithout(kCheckedGroup, ReplicaId(replica),
                                        raft::Level(known));
  };
  commit(1);
  EXPECT_FALSE(rose_without(8, 2));
  members.level = raft::Level(5);
  commit(2);
  members.learners = {{.replica = ReplicaId(8), .node = NodeId(2)}};
  commit(3);
  EXPECT_TRUE(rose_without(8, 2));
  EXPECT_FALSE(rose_without(7, 2)) << "its program had announced the level";
  EXPECT_FALSE(rose_without(8, 5)) << "its program knows the level";
}

// A candidate may win an old term when a later leader has committed already.
TEST_F(ReplicaCheckerTest, LeaderOfAnOldTerm_NeedNotHaveLaterEntries) {
  replica_checker_.OnApplied(NodeId(1), kCheckedGroup, MakeEntry(1, 1));
  replica_checker_.OnLeader(NodeId(1), kCheckedGroup, Term(5));
  replica_checker_.OnApplied(NodeId(1), kCheckedGroup, MakeEntry(5, 2));
  const auto first = [](Index index) {
    return index == Index(1) ? Term(1) : Term(0);
  };
  replica_checker_.OnLeader(NodeId(2), kCheckedGroup, Term(4));
  replica_checker_.OnLeaderLog(NodeId(2), kCheckedGroup, Term(4), Index(0),
                               first);
  EXPECT_TRUE(found_.empty());
  replica_checker_.OnLeader(NodeId(2), kCheckedGroup, Term(6));
  replica_checker_.OnLeaderLog(NodeId(2), kCheckedGroup, Term(6), Index(0),
                               first);
  ExpectFound("leader completeness");
}

TEST_F(ReplicaCheckerTest, AnotherEntryAtACommittedIndex_Found) {
  replica_checker_.OnApplied(NodeId(1), kCheckedGroup, MakeEntry(1, 1, "a"));
  replica_checker_.OnApplied(NodeId(2), kCheckedGroup, MakeEntry(1, 1, "a"));
  EXPECT_TRUE(found_.empty());
  replica_checker_.OnApplied(NodeId(3), kCheckedGroup, MakeEntry(1, 1, "b"));
  ExpectFound("state machine safety");
}

TEST_F(ReplicaCheckerTest, ReplicaThatDoesNotStartOnASoundDisk_Found) {
  const absl::Status damaged = absl::DataLossError("entries are missing");
  replica_checker_.OnReplicaNotStarted(NodeId(1), kCheckedGroup, damaged,
                                       /*excused=*/true);
  replica_checker_.OnReplicaNotStarted(NodeId(1), kCheckedGroup,
                                       absl::OkStatus(), false);
  EXPECT_TRUE(found_.empty());
  replica_checker_.OnReplicaNotStarted(NodeId(2), kCheckedGroup, damaged,
                                       false);
  ExpectFound("fenced");
}

TEST_F(ReplicaCheckerTest, ReplicaThatRefusesItsSnapshot_Found) {
  replica_checker_.OnReplicaNotStarted(
      NodeId(2), kCheckedGroup, absl::InvalidArgumentError("a page is full"),
      false);
  ExpectFound("fenced");
}

TEST_F(ReplicaCheckerTest, NodeThatStopsByItself_Found) {
  const absl::Status why = absl::UnavailableError("the disk failed");
  replica_checker_.OnNodeStopped(NodeId(1), why, /*excused=*/true);
  EXPECT_TRUE(found_.empty());
  replica_checker_.OnNodeStopped(NodeId(1), why, false);
  ExpectFound("stopped");
}

TEST_F(ReplicaCheckerTest, AnEntryAppliedTwice_Found) {
  replica_checker_.OnApplied(NodeId(1), kCheckedGroup, MakeEntry(1, 1));
  replica_checker_.OnApplied(NodeId(1), kCheckedGroup, MakeEntry(1, 1));
  ExpectFound("state machine safety");
}

TEST_F(ReplicaCheckerTest, AnEntryLeftOut_Found) {
  for (const uint64_t index : {1, 2, 3}) {
    replica_checker_.OnApplied(NodeId(1), kCheckedGroup, MakeEntry(1, index));
  }
  replica_checker_.OnApplied(NodeId(2), kCheckedGroup, MakeEntry(1, 1));
  EXPECT_TRUE(found_.empty());
  replica_checker_.OnApplied(NodeId(2), kCheckedGroup, MakeEntry(1, 3));
  ExpectFound("state machine safety");
}

TEST_F(ReplicaCheckerTest, ARestart_MayApplyAgain) {
  replica_checker_.OnApplied(NodeId(1), kCheckedGroup, MakeEntry(1, 1));
  replica_checker_.OnBoot(NodeId(1));
  replica_checker_.OnApplied(NodeId(1), kCheckedGroup, MakeEntry(1, 1));
  EXPECT_TRUE(found_.empty());
}

TEST_F(ReplicaCheckerTest, SnapshotOfWhatWasNeverCommitted_Found) {
  replica_checker_.OnApplied(NodeId(1), kCheckedGroup, MakeEntry(1, 1));
  replica_checker_.OnRestored(NodeId(2), kCheckedGroup, {Term(1), Index(1)});
  EXPECT_TRUE(found_.empty());
  replica_checker_.OnRestored(NodeId(2), kCheckedGroup, {Term(2), Index(1)});
  ExpectFound("state machine safety");
}

TEST_F(ReplicaCheckerTest, UnequalStatesAtOneIndex_Found) {
  replica_checker_.OnApplied(NodeId(1), kCheckedGroup, MakeEntry(1, 1));
  replica_checker_.OnApplied(NodeId(1), kCheckedGroup, MakeEntry(1, 2));
  replica_checker_.OnDigest(NodeId(1), kCheckedGroup, Index(1), 7);
  replica_checker_.OnDigest(NodeId(1), kCheckedGroup, Index(2), 8);
  replica_checker_.OnDigest(NodeId(2), kCheckedGroup, Index(1), 7);
  EXPECT_TRUE(found_.empty());
  replica_checker_.OnDigest(NodeId(2), kCheckedGroup, Index(2), 9);
  ExpectFound("digest");
}

TEST_F(ReplicaCheckerTest, StateOfTheFirstReplicaUnlikeItsModel_Found) {
  replica_checker_.OnApplied(NodeId(1), kCheckedGroup, MakeEntry(1, 1));
  replica_checker_.ExpectDigest(kCheckedGroup, Index(1), 7);
  replica_checker_.OnDigest(NodeId(2), kCheckedGroup, Index(1), 7);
  EXPECT_TRUE(found_.empty());
  replica_checker_.OnDigest(NodeId(1), kCheckedGroup, Index(1), 8);
  ExpectFound("digest");
}

TEST_F(ReplicaCheckerTest, ExcusedState_OnlyThatReplicaMayDiffer) {
  replica_checker_.OnApplied(NodeId(1), kCheckedGroup, MakeEntry(1, 1));
  replica_checker_.ExcuseState(NodeId(2), kCheckedGroup, true);
  replica_checker_.OnDigest(NodeId(2), kCheckedGroup, Index(1), 9);
  replica_checker_.OnDigest(NodeId(1), kCheckedGroup, Index(1), 7);
  EXPECT_TRUE(found_.empty());
  replica_checker_.ExcuseState(NodeId(2), kCheckedGroup, false);
  replica_checker_.OnDigest(NodeId(2), kCheckedGroup, Index(1), 9);
  ExpectFound("digest");
}

TEST_F(ReplicaCheckerTest, HeldWithout_CountsSoundVotersWithAllEntries) {
  replica_checker_.SetVoters(kCheckedGroup, {NodeId(1), NodeId(2), NodeId(3)});
  const auto held = [&](NodeId unsound) {
    return replica_checker_.HeldWithout(
        NodeId(3), kCheckedGroup, {Term(1), Index(2)},
        [unsound](NodeId node) { return node != unsound; });
  };
  replica_checker_.OnHolds(NodeId(1), kCheckedGroup, {Term(1), Index(2)});
  replica_checker_.OnHolds(NodeId(3), kCheckedGroup, {Term(1), Index(2)});
  replica_checker_.OnHolds(NodeId(2), kCheckedGroup, {Term(1), Index(1)});
  EXPECT_FALSE(held(NodeId()));
  replica_checker_.OnHolds(NodeId(2), kCheckedGroup, {Term(2), Index(2)});
  EXPECT_TRUE(held(NodeId()));
  EXPECT_FALSE(held(NodeId(2)));
}

TEST_F(ReplicaCheckerTest, CommittedEntryOnAMinority_Found) {
  replica_checker_.SetVoters(kCheckedGroup, {NodeId(1), NodeId(2), NodeId(3)});
  replica_checker_.OnApplied(NodeId(1), kCheckedGroup, MakeEntry(1, 1));
  replica_checker_.OnApplied(NodeId(1), kCheckedGroup, MakeEntry(1, 2));
  replica_checker_.OnHolds(NodeId(1), kCheckedGroup, {Term(1), Index(2)});
  replica_checker_.OnHolds(NodeId(2), kCheckedGroup, {Term(1), Index(2)});
  replica_checker_.OnRecovered(NodeId(3), kCheckedGroup, {Term(1), Index(1)});
  replica_checker_.OnRecovered(NodeId(2), kCheckedGroup, {Term(1), Index(2)});
  EXPECT_TRUE(found_.empty());
  replica_checker_.OnRecovered(NodeId(2), kCheckedGroup, {Term(1), Index(1)});
  ExpectFound("durability");
}

// The damaged replica casts no vote, and the new one has nothing yet.
TEST_F(ReplicaCheckerTest,
       CommittedEntryOfAReplacedReplica_CountsUntilItIsBack) {
  replica_checker_.SetVoters(kCheckedGroup, {NodeId(1), NodeId(2), NodeId(3)});
  replica_checker_.OnApplied(NodeId(1), kCheckedGroup, MakeEntry(1, 1));
  replica_checker_.OnApplied(NodeId(1), kCheckedGroup, MakeEntry(1, 2));
  replica_checker_.OnHolds(NodeId(1), kCheckedGroup, {Term(1), Index(2)});
  replica_checker_.OnHolds(NodeId(2), kCheckedGroup, {Term(1), Index(2)});
  replica_checker_.OnDropped(NodeId(2), kCheckedGroup);
  replica_checker_.OnRecovered(NodeId(3), kCheckedGroup, {Term(1), Index(1)});
  EXPECT_TRUE(found_.empty());
  replica_checker_.OnHolds(NodeId(2), kCheckedGroup, {Term(1), Index(2)});
  replica_checker_.OnRecovered(NodeId(2), kCheckedGroup, {Term(1), Index(1)});
  ExpectFound("durability");
}

}  // namespace
}  // namespace quorate::sim

// Each judge is given the violation it exists for, and the lawful thing next to
// it.
#include "sim/checks/judges.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace quorate::sim {
namespace {

using raft::Entry;
using raft::Index;
using raft::LogPosition;
using raft::Term;

constexpr GroupId kGroup(1);

Entry MakeEntry(uint64_t term, uint64_t index, std::string_view payload = "") {
  return {.term = Term(term),
          .index = Index(index),
          .kind = raft::EntryKind::kCommands,
          .payload = Buffer::Copy(payload)};
}

class JudgesTest : public testing::Test {
 protected:
  // Violations so far begin with these words.
  void ExpectFound(const std::string& judge) {
    ASSERT_EQ(found_.size(), 1u) << (found_.empty() ? "nothing" : found_[1]);
    EXPECT_EQ(found_[0].substr(0, judge.size()), judge) << found_[0];
  }

  std::vector<std::string> found_;
  Judges judges_{[this](std::string what) { found_.push_back(what); }};
};

TEST_F(JudgesTest, TwoLeadersOfOneTerm_Found) {
  judges_.OnLeader(NodeId(1), kGroup, Term(3));
  judges_.OnLeader(NodeId(1), kGroup, Term(3));
  judges_.OnLeader(NodeId(2), kGroup, Term(4));
  judges_.OnLeader(NodeId(2), GroupId(2), Term(3));
  EXPECT_TRUE(found_.empty());
  EXPECT_EQ(judges_.leader_changes(), 3u);
  judges_.OnLeader(NodeId(2), kGroup, Term(3));
  ExpectFound("election safety");
}

TEST_F(JudgesTest, LeaderWithoutACommittedEntry_Found) {
  judges_.OnApplied(NodeId(1), kGroup, MakeEntry(1, 1));
  judges_.OnApplied(NodeId(1), kGroup, MakeEntry(2, 2));
  const auto whole = [](Index index) { return Term(index.value()); };
  judges_.OnLeaderLog(NodeId(2), kGroup, Term(3), Index(0), whole);
  // What its snapshot holds cannot be asked any more.
  judges_.OnLeaderLog(NodeId(2), kGroup, Term(3), Index(1), [](Index index) {
    return index == Index(2) ? Term(2) : Term(0);
  });
  EXPECT_TRUE(found_.empty());
  judges_.OnLeaderLog(NodeId(2), kGroup, Term(3), Index(0), [](Index index) {
    return index == Index(1) ? Term(1) : Term(0);
  });
  ExpectFound("leader completeness");
}

TEST_F(JudgesTest, AnotherEntryAtACommittedIndex_Found) {
  judges_.OnApplied(NodeId(1), kGroup, MakeEntry(1, 1, "a"));
  judges_.OnApplied(NodeId(2), kGroup, MakeEntry(1, 1, "a"));
  EXPECT_TRUE(found_.empty());
  judges_.OnApplied(NodeId(3), kGroup, MakeEntry(1, 1, "b"));
  ExpectFound("state machine safety");
}

TEST_F(JudgesTest, DamageOnADiskThatDidNotRot_Found) {
  const absl::Status damaged = absl::DataLossError("entries are missing");
  judges_.OnNotStarted(NodeId(1), kGroup, damaged, /*rotten=*/true);
  judges_.OnNotStarted(NodeId(1), kGroup, absl::OkStatus(), false);
  judges_.OnNotStarted(NodeId(1), kGroup, absl::InternalError("EIO"), false);
  EXPECT_TRUE(found_.empty());
  judges_.OnNotStarted(NodeId(2), kGroup, damaged, /*rotten=*/false);
  ExpectFound("fenced");
}

TEST_F(JudgesTest, AnEntryAppliedTwice_Found) {
  judges_.OnApplied(NodeId(1), kGroup, MakeEntry(1, 1));
  judges_.OnApplied(NodeId(1), kGroup, MakeEntry(1, 1));
  ExpectFound("state machine safety");
}

TEST_F(JudgesTest, AnEntryLeftOut_Found) {
  for (const uint64_t index : {1, 2, 3}) {
    judges_.OnApplied(NodeId(1), kGroup, MakeEntry(1, index));
  }
  judges_.OnApplied(NodeId(2), kGroup, MakeEntry(1, 1));
  EXPECT_TRUE(found_.empty());
  judges_.OnApplied(NodeId(2), kGroup, MakeEntry(1, 3));
  ExpectFound("state machine safety");
}

TEST_F(JudgesTest, ARestart_MayApplyAgain) {
  judges_.OnApplied(NodeId(1), kGroup, MakeEntry(1, 1));
  judges_.OnBoot(NodeId(1));
  judges_.OnApplied(NodeId(1), kGroup, MakeEntry(1, 1));
  EXPECT_TRUE(found_.empty());
}

TEST_F(JudgesTest, SnapshotOfWhatWasNeverCommitted_Found) {
  judges_.OnApplied(NodeId(1), kGroup, MakeEntry(1, 1));
  judges_.OnRestored(NodeId(2), kGroup, {Term(1), Index(1)});
  EXPECT_TRUE(found_.empty());
  judges_.OnRestored(NodeId(2), kGroup, {Term(2), Index(1)});
  ExpectFound("state machine safety");
}

TEST_F(JudgesTest, UnequalStatesAtOneIndex_Found) {
  judges_.OnApplied(NodeId(1), kGroup, MakeEntry(1, 1));
  judges_.OnApplied(NodeId(1), kGroup, MakeEntry(1, 2));
  judges_.OnDigest(NodeId(1), kGroup, Index(1), 7);
  judges_.OnDigest(NodeId(1), kGroup, Index(2), 8);
  judges_.OnDigest(NodeId(2), kGroup, Index(1), 7);
  EXPECT_TRUE(found_.empty());
  judges_.OnDigest(NodeId(2), kGroup, Index(2), 9);
  ExpectFound("digest");
}

TEST_F(JudgesTest, CommittedEntryOnAMinority_Found) {
  judges_.SetVoters(kGroup, {NodeId(1), NodeId(2), NodeId(3)});
  judges_.OnApplied(NodeId(1), kGroup, MakeEntry(1, 1));
  judges_.OnApplied(NodeId(1), kGroup, MakeEntry(1, 2));
  judges_.OnHolds(NodeId(1), kGroup, {Term(1), Index(2)});
  judges_.OnHolds(NodeId(2), kGroup, {Term(1), Index(2)});
  judges_.OnRecovered(NodeId(3), kGroup, {Term(1), Index(1)});
  judges_.OnRecovered(NodeId(2), kGroup, {Term(1), Index(2)});
  EXPECT_TRUE(found_.empty());
  judges_.OnRecovered(NodeId(2), kGroup, {Term(1), Index(1)});
  ExpectFound("durability");
}

}  // namespace
}  // namespace quorate::sim

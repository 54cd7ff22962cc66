// Stale reads that are lawful, and each form of the violation.
#include "sim/checks/stale_read_checker.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "sim/checks/test_command.h"

namespace quorate::sim {
namespace {

constexpr GroupId kReadGroup(1);
constexpr NodeId kNode(2);
constexpr Slot kReadSlot(5);

const ClientReply kNil{.type = ClientReply::Type::kNil};

ClientReply BulkOf(const std::string& text) {
  return {.type = ClientReply::Type::kBulk, .text = text};
}

class StaleReadCheckerTest : public testing::Test {
 protected:
  // The next entry of the group gives the key this value.
  void Commit(const std::string& key, const std::string& text,
              std::optional<int64_t> expire_at_ms = {}) {
    ApplySet(states_, now_, key, text, expire_at_ms);
    checker_.OnEntry(kReadGroup, raft::Index(++index_), now_);
  }
  // The slot goes to another group.
  void Move(GroupId to) {
    checker_.OnEntry(to, raft::Index(1), now_);
    checker_.OnMoved({.id = MoveId(1),
                      .from = kReadGroup,
                      .to = to,
                      .slots = {{kReadSlot, kReadSlot}}},
                     raft::Index(1));
  }
  void ExpectFound(const std::string& words) {
    ASSERT_EQ(found_.size(), 1u);
    EXPECT_NE(found_[0].find(words), std::string::npos) << found_[0];
  }

  SimTime now_;
  uint64_t index_ = 0;
  CommittedStates states_;
  std::vector<std::string> found_;
  StaleReadChecker checker_{
      &states_, [this](std::string what) { found_.push_back(what); }};
};

TEST_F(StaleReadCheckerTest, CommittedValuesOldAndNew_Silent) {
  Commit("k", "a");
  Commit("k", "b");
  const StaleReadChecker::Sent sent =
      checker_.Send(kNode, kReadGroup, kReadSlot);
  checker_.OnReply(sent, "k", kNil);
  checker_.OnReply(sent, "k", BulkOf("a"));
  checker_.OnReply(sent, "k", BulkOf("b"));
  EXPECT_TRUE(found_.empty());
}

TEST_F(StaleReadCheckerTest, ValueBeyondTheBoundOfTheRead_Found) {
  Duration lost;
  checker_.SetLost([&](NodeId, SimTime) { return lost; });
  Commit("k", "a");
  now_ = now_ + Milliseconds(100);
  Commit("k", "b");
  StaleReadChecker::Sent sent = checker_.Send(kNode, kReadGroup, kReadSlot);
  sent.newest_missing = now_ - Milliseconds(1);
  checker_.OnReply(sent, "k", BulkOf("a"));
  sent.newest_missing = now_ + Milliseconds(1);
  lost = Milliseconds(2);
  checker_.OnReply(sent, "k", BulkOf("a"));
  EXPECT_TRUE(found_.empty());
  lost = Duration();
  checker_.OnReply(sent, "k", BulkOf("b"));
  EXPECT_TRUE(found_.empty());
  checker_.OnReply(sent, "k", BulkOf("a"));
  ExpectFound("which is older than the bound of the read");
}

// The clock stands still since a second ago, so any state of that second will
// do.
TEST_F(StaleReadCheckerTest, BoundOfAReadOnAClockThatStands_IsThatOfItsStart) {
  const SimTime stands = now_ + Milliseconds(150);
  checker_.SetLost(
      [&](NodeId, SimTime since) { return now_ - std::max(since, stands); });
  Commit("k", "a");
  now_ = now_ + Milliseconds(100);
  Commit("k", "b");
  now_ = now_ + Milliseconds(100);
  Commit("k", "c");
  now_ = stands + Seconds(1);
  StaleReadChecker::Sent sent = checker_.Send(kNode, kReadGroup, kReadSlot);
  sent.newest_missing = now_ - Milliseconds(5);
  checker_.OnReply(sent, "k", BulkOf("b"));
  EXPECT_TRUE(found_.empty());
  checker_.OnReply(sent, "k", BulkOf("a"));
  ExpectFound("which is older than the bound of the read");
}

TEST_F(StaleReadCheckerTest, ValueThatTheKeyNeverHad_Found) {
  Commit("k", "a");
  Commit("l", "b");
  checker_.OnReply(checker_.Send(kNode, kReadGroup, kReadSlot), "k",
                   BulkOf("b"));
  ExpectFound("stale read: node 2 returned \"b\" for k, which the key never");
}

TEST_F(StaleReadCheckerTest, ValueOlderThanTheReplicasState_Found) {
  Commit("k", "a");
  const StaleReadChecker::Sent before =
      checker_.Send(kNode, kReadGroup, kReadSlot);
  checker_.OnApplied(kNode, kReadGroup, raft::Index(1));
  const StaleReadChecker::Sent after =
      checker_.Send(kNode, kReadGroup, kReadSlot);
  checker_.OnReply(after, "k", BulkOf("a"));
  checker_.OnReply(before, "k", kNil);
  EXPECT_TRUE(found_.empty());
  checker_.OnReply(after, "k", kNil);
  ExpectFound("older than the replica's state");
}

TEST_F(StaleReadCheckerTest, ReplicaThatHasStartedAgain_MayReturnOlderValues) {
  Commit("k", "a");
  checker_.OnApplied(kNode, kReadGroup, raft::Index(1));
  const StaleReadChecker::Sent sent =
      checker_.Send(kNode, kReadGroup, kReadSlot);
  checker_.OnApplied(kNode, kReadGroup, raft::Index(0));
  checker_.OnReply(sent, "k", kNil);
  EXPECT_TRUE(found_.empty());
}

TEST_F(StaleReadCheckerTest, KeyThatNeverHadAnExpiry_MayNotBeAbsent) {
  Commit("t1", "a");
  checker_.OnApplied(kNode, kReadGroup, raft::Index(1));
  checker_.OnReply(checker_.Send(kNode, kReadGroup, kReadSlot), "t1", kNil);
  ExpectFound("older than the replica's state");
}

// Its replica of the destination does not know the move, so it may answer from
// the source. The bound of a read holds nevertheless.
TEST_F(StaleReadCheckerTest, SlotThatMoved_HasTheStateOfItsNewGroup) {
  constexpr GroupId kOther(7);
  checker_.SetLost([](NodeId, SimTime) { return Duration(); });
  Commit("k", "a");
  Commit("k", "b");
  checker_.OnApplied(kNode, kReadGroup, raft::Index(1));
  Move(kOther);
  StaleReadChecker::Sent sent = checker_.Send(kNode, kReadGroup, kReadSlot);
  checker_.OnReply(sent, "k", BulkOf("a"));
  EXPECT_TRUE(found_.empty());
  sent.newest_missing = now_ + Milliseconds(1);
  checker_.OnReply(sent, "k", BulkOf("a"));
  ExpectFound("which is older than the bound of the read");
  found_.clear();
  checker_.OnApplied(kNode, kOther, raft::Index(1));
  checker_.OnReply(checker_.Send(kNode, kReadGroup, kReadSlot), "k",
                   BulkOf("a"));
  EXPECT_TRUE(found_.empty()) << "its replica of the source is behind";
  checker_.OnApplied(kNode, kReadGroup, raft::Index(2));
  checker_.OnReply(checker_.Send(kNode, kReadGroup, kReadSlot), "k",
                   BulkOf("a"));
  ExpectFound("older than the replica's state");
}

// The node has a replica of the source alone, which has applied the move.
TEST_F(StaleReadCheckerTest, SlotThatLeft_IsNotAnsweredByItsFormerGroup) {
  constexpr GroupId kOther(7);
  Commit("k", "a");
  Commit("k", "b");
  checker_.OnApplied(kNode, kReadGroup, raft::Index(2));
  Move(kOther);
  const StaleReadChecker::Sent sent =
      checker_.Send(kNode, kReadGroup, kReadSlot);
  checker_.OnReply(sent, "k", BulkOf("b"));
  EXPECT_TRUE(found_.empty());
  checker_.OnReply(sent, "k", kNil);
  ExpectFound("older than the replica's state");
  found_.clear();
  checker_.OnApplied(kNode, GroupId(8), raft::Index(0));
  checker_.OnReply(sent, "k", kNil);
  EXPECT_TRUE(found_.empty()) << "another replica of the node began";
}

TEST_F(StaleReadCheckerTest, NumberThatWasNotAskedFor_Found) {
  const ClientReply five{.type = ClientReply::Type::kInteger, .integer = 5};
  Commit("k", "a");
  StaleReadChecker::Sent sent = checker_.Send(kNode, kReadGroup, kReadSlot);
  sent.number = true;
  checker_.OnReply(sent, "k", five);
  EXPECT_TRUE(found_.empty());
  sent.number = false;
  checker_.OnReply(sent, "k", five);
  ExpectFound("which the key never had");
}

// A replica whose own clock says that the key is due returns nil.
TEST_F(StaleReadCheckerTest, KeyThatExpires_MayBeAbsent) {
  Commit("t1", "a", /*expire_at_ms=*/1'000);
  checker_.OnApplied(kNode, kReadGroup, raft::Index(1));
  const StaleReadChecker::Sent sent =
      checker_.Send(kNode, kReadGroup, kReadSlot);
  checker_.OnReply(sent, "t1", kNil);
  EXPECT_TRUE(found_.empty());
  checker_.OnReply(sent, "t1", BulkOf("b"));
  ExpectFound("which the key never had");
}

}  // namespace
}  // namespace quorate::sim

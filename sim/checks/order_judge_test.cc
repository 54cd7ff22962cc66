// The judge of order is given the violation it exists for, in each form, and the lawful thing next to it.
#include "sim/checks/order_judge.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace quorate::sim {
namespace {

constexpr GroupId kGroup(1);
constexpr uint64_t kConnection = 3ull << 32 | 7;

class OrderJudgeTest : public testing::Test {
 protected:
  OrderJudge::Operation Send(uint64_t connection = kConnection,
                             GroupId group = kGroup) {
    judge_.OnSent(operations_, connection, group);
    return operations_++;
  }
  void Commit(OrderJudge::Operation op) { judge_.OnCommitted(op, ++at_); }
  // A write of `value`, whoever sent it.
  void Write(const std::string& key, uint64_t value) {
    judge_.OnValue(key, ++at_, value);
  }
  void ExpectFound(int second, int first) {
    ASSERT_EQ(found_.size(), 1u);
    EXPECT_EQ(found_[0], absl::StrCat("order: connection 3.7, group 1: op ",
                                      second, " was sent after op ", first,
                                      " but took effect before it"));
  }

  OrderJudge::Operation operations_ = 0;
  OrderJudge::Position at_ = 0;
  std::vector<std::string> found_;
  OrderJudge judge_{
      [this](std::string what) { found_.push_back(what); },
      [](OrderJudge::Operation op) { return absl::StrCat("op ", op); }};
};

TEST_F(OrderJudgeTest, WritesInTheOrderOfSending_Silent) {
  const auto first = Send();
  const auto never = Send();
  const auto second = Send();
  Commit(first);
  Commit(second);
  EXPECT_TRUE(found_.empty());
  EXPECT_EQ(judge_.writes_judged(), 2u);
  (void)never;
}

TEST_F(OrderJudgeTest, WriteOvertakenByALaterOne_Found) {
  const auto first = Send();
  const auto second = Send();
  Commit(second);
  EXPECT_TRUE(found_.empty());
  Commit(first);
  ExpectFound(1, 0);
}

TEST_F(OrderJudgeTest, OtherConnectionsAndGroups_AreNotCompared) {
  const auto first = Send();
  Commit(Send(kConnection + 1));
  Commit(Send(kConnection, GroupId(2)));
  Commit(first);
  EXPECT_TRUE(found_.empty());
}

TEST_F(OrderJudgeTest, SentAgainAfterARefusal_CountsWhereItWasSentLast) {
  const auto first = Send();
  const auto second = Send();
  judge_.OnRefused(first);
  judge_.OnSent(first, kConnection, kGroup);
  Commit(second);
  Commit(first);
  EXPECT_TRUE(found_.empty());
}

TEST_F(OrderJudgeTest, SentTwice_FoundOnlyIfNeitherTimeExplainsIt) {
  const auto retried = Send();
  const auto between = Send();
  judge_.OnSent(retried, kConnection + 1, kGroup);
  const auto behind = Send(kConnection + 1);
  Commit(between);
  Commit(retried);
  EXPECT_TRUE(found_.empty());
  Commit(behind);
  const auto again = Send();
  const auto last = Send();
  judge_.OnSent(again, kConnection, kGroup);
  Commit(Send());
  Commit(again);
  ASSERT_EQ(found_.size(), 1u);
  (void)last;
}

TEST_F(OrderJudgeTest, WriteThatTakesEffectAfterALaterRead_Found) {
  Write("k", 10);
  const auto write = Send();
  const auto read = Send();
  judge_.OnRead(read, "k", 10);
  EXPECT_TRUE(found_.empty());
  EXPECT_EQ(judge_.reads_judged(), 1u);
  Commit(write);
  ExpectFound(1, 0);
}

TEST_F(OrderJudgeTest, ReadThatSawALaterWrite_Found) {
  const auto read = Send();
  const auto write = Send();
  Commit(write);
  judge_.OnValue("k", at_, 20);
  judge_.OnRead(read, "k", 20);
  ExpectFound(1, 0);
}

TEST_F(OrderJudgeTest, ReadOfAnOlderStateThanAWriteBefore_Found) {
  Write("k", 10);
  const auto before = Send();
  const auto write = Send();
  const auto read = Send();
  Commit(before);
  Write("k", 11);
  Commit(write);
  // Another key's state that ended before the write is as wrong as its own.
  judge_.OnRead(read, "k", 10);
  ExpectFound(2, 1);
}

TEST_F(OrderJudgeTest, ReadsOfTwoKeysThatNoOrderExplains_Found) {
  Write("a", 10);
  Write("b", 20);
  Write("a", 11);
  Write("b", 21);
  Write("a", 12);
  const auto lawful = Send();
  const auto middle = Send();
  const auto old = Send();
  judge_.OnRead(lawful, "b", 20);
  judge_.OnRead(middle, "a", 12);
  EXPECT_TRUE(found_.empty());
  judge_.OnRead(old, "b", 20);
  ExpectFound(2, 1);
}

TEST_F(OrderJudgeTest, ValueThatReturned_IsReadAtItsLaterPlace) {
  const auto write = Send();
  const auto read = Send();
  Write("k", 10);
  Commit(write);
  Write("k", OrderJudge::kNothing);
  judge_.OnRead(read, "k", OrderJudge::kNothing);
  EXPECT_TRUE(found_.empty());
  const auto again = Send();
  Write("k", 10);
  judge_.OnRead(again, "k", OrderJudge::kNothing);
  EXPECT_TRUE(found_.empty());
}

TEST_F(OrderJudgeTest, ReadSentAgain_IsAnsweredWhereItWasSentLast) {
  const auto read = Send();
  const auto write = Send();
  judge_.OnSent(read, kConnection + 1, kGroup);
  Commit(write);
  judge_.OnValue("k", at_, 10);
  judge_.OnRead(read, "k", 10);
  EXPECT_TRUE(found_.empty());
}

}  // namespace
}  // namespace quorate::sim

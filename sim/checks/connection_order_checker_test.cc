// Shows the checker of order each form of its violation, and the correct
// behaviour next to it.
#include "sim/checks/connection_order_checker.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "sim/checks/test_command.h"
#include "sim/choices/trace_hash.h"

namespace quorate::sim {
namespace {

constexpr GroupId kAskedGroup(1);
constexpr uint64_t kConnection = 3ull << 32 | 7;

class ConnectionOrderCheckerTest : public testing::Test {
 protected:
  ConnectionOrderChecker::Operation Send(uint64_t connection = kConnection,
                                         GroupId group = kAskedGroup) {
    checker_.OnSent(operations_, connection, group);
    return operations_++;
  }
  // The operation is committed, a write of the key.
  void Commit(ConnectionOrderChecker::Operation op,
              const std::string& key = "any", const std::string& value = "v") {
    checker_.OnCommitted(op, Write(key, value));
  }
  // A write by any client.
  CommittedStates::Position Write(const std::string& key,
                                  const std::string& value) {
    return ApplySet(states_, SimTime(), key, value).at;
  }
  void Read(ConnectionOrderChecker::Operation op, const std::string& key,
            const std::string& value) {
    checker_.OnRead(op, key, HashBytes(value));
  }
  void ExpectFound(int second, int first) {
    ASSERT_EQ(found_.size(), 1u);
    EXPECT_EQ(found_[0], absl::StrCat("order: connection 3.7, group 1: op ",
                                      second, " was sent after op ", first,
                                      " but took effect before it"));
  }

  ConnectionOrderChecker::Operation operations_ = 0;
  std::vector<std::string> found_;
  CommittedStates states_;
  ConnectionOrderChecker checker_{
      [this](std::string what) { found_.push_back(what); },
      [](ConnectionOrderChecker::Operation op) {
        return absl::StrCat("op ", op);
      },
      &states_};
};

TEST_F(ConnectionOrderCheckerTest, WritesInTheOrderOfSending_Silent) {
  const auto first = Send();
  const auto never = Send();
  const auto second = Send();
  Commit(first);
  Commit(second);
  EXPECT_TRUE(found_.empty());
  EXPECT_EQ(checker_.writes_checked(), 2u);
  (void)never;
}

TEST_F(ConnectionOrderCheckerTest, WriteOvertakenByALaterOne_Found) {
  const auto first = Send();
  const auto second = Send();
  Commit(second);
  EXPECT_TRUE(found_.empty());
  Commit(first);
  ExpectFound(1, 0);
}

TEST_F(ConnectionOrderCheckerTest, OtherConnectionsAndGroups_AreNotCompared) {
  const auto first = Send();
  Commit(Send(kConnection + 1));
  Commit(Send(kConnection, GroupId(2)));
  Commit(first);
  EXPECT_TRUE(found_.empty());
}

TEST_F(ConnectionOrderCheckerTest, SlotsThatKeepOrderApart_AreNotCompared) {
  checker_.OnSent(operations_, kConnection, kAskedGroup, Slot(1));
  const auto first = operations_++;
  checker_.OnSent(operations_, kConnection, kAskedGroup, Slot(2));
  Commit(operations_++);
  Commit(first);
  EXPECT_TRUE(found_.empty());
  checker_.OnSent(operations_, kConnection, kAskedGroup, Slot(1));
  const auto third = operations_++;
  checker_.OnSent(operations_, kConnection, kAskedGroup, Slot(1));
  Commit(operations_++);
  Commit(third);
  ExpectFound(3, 2);
}

TEST_F(ConnectionOrderCheckerTest,
       SentAgainAfterARefusal_CountsWhereItWasSentLast) {
  const auto first = Send();
  const auto second = Send();
  checker_.OnRefused(first, kConnection);
  checker_.OnSent(first, kConnection, kAskedGroup);
  Commit(second);
  Commit(first);
  EXPECT_TRUE(found_.empty());
}

// The write waited at a server whose connection broke. It took effect there
// after another server had refused it, and after a later read of that server.
TEST_F(ConnectionOrderCheckerTest,
       RefusedElsewhere_MayStillTakeEffectWhereItWasSentBefore) {
  Write("k", "10");
  const auto write = Send();
  checker_.OnSent(write, kConnection + 1, kAskedGroup);
  const auto read = Send(kConnection + 1);
  checker_.OnRefused(write, kConnection + 1);
  // A connection that was never established.
  checker_.OnRefused(write, kConnection + 2);
  Read(read, "k", "10");
  Commit(write);
  EXPECT_TRUE(found_.empty());
  EXPECT_EQ(checker_.writes_checked(), 1u);
}

TEST_F(ConnectionOrderCheckerTest, SentTwice_FoundOnlyIfNeitherTimeExplainsIt) {
  const auto retried = Send();
  const auto between = Send();
  checker_.OnSent(retried, kConnection + 1, kAskedGroup);
  const auto behind = Send(kConnection + 1);
  Commit(between);
  Commit(retried);
  EXPECT_TRUE(found_.empty());
  Commit(behind);
  const auto again = Send();
  const auto last = Send();
  checker_.OnSent(again, kConnection, kAskedGroup);
  Commit(Send());
  Commit(again);
  ASSERT_EQ(found_.size(), 1u);
  (void)last;
}

TEST_F(ConnectionOrderCheckerTest, WriteThatTakesEffectAfterALaterRead_Found) {
  Write("k", "10");
  const auto write = Send();
  const auto read = Send();
  Read(read, "k", "10");
  EXPECT_TRUE(found_.empty());
  EXPECT_EQ(checker_.reads_checked(), 1u);
  Commit(write);
  ExpectFound(1, 0);
}

TEST_F(ConnectionOrderCheckerTest, ReadThatSawALaterWrite_Found) {
  const auto read = Send();
  const auto write = Send();
  Commit(write, "k", "20");
  Read(read, "k", "20");
  ExpectFound(1, 0);
}

TEST_F(ConnectionOrderCheckerTest, ReadOfAnOlderStateThanAWriteBefore_Found) {
  Write("k", "10");
  const auto before = Send();
  const auto write = Send();
  const auto read = Send();
  Commit(before);
  Write("k", "11");
  Commit(write);
  // A state of another key that ended before the write is a violation, too.
  Read(read, "k", "10");
  ExpectFound(2, 1);
}

TEST_F(ConnectionOrderCheckerTest, ReadsOfTwoKeysThatNoOrderExplains_Found) {
  Write("a", "10");
  Write("b", "20");
  Write("a", "11");
  Write("b", "21");
  Write("a", "12");
  const auto lawful = Send();
  const auto middle = Send();
  const auto old = Send();
  Read(lawful, "b", "20");
  Read(middle, "a", "12");
  EXPECT_TRUE(found_.empty());
  Read(old, "b", "20");
  ExpectFound(2, 1);
}

TEST_F(ConnectionOrderCheckerTest, ValueThatReturned_IsReadAtItsLaterPlace) {
  const auto write = Send();
  const auto read = Send();
  Write("k", "10");
  Commit(write);
  Write("k", "11");
  Read(read, "k", "11");
  EXPECT_TRUE(found_.empty());
  const auto again = Send();
  Write("k", "10");
  Read(again, "k", "11");
  EXPECT_TRUE(found_.empty());
}

TEST_F(ConnectionOrderCheckerTest, ReadSentAgain_IsAnsweredWhereItWasSentLast) {
  const auto read = Send();
  const auto write = Send();
  checker_.OnSent(read, kConnection + 1, kAskedGroup);
  Commit(write, "k", "10");
  Read(read, "k", "10");
  EXPECT_TRUE(found_.empty());
}

}  // namespace
}  // namespace quorate::sim

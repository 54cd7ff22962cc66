// Shows the checker each violation that it must find.
#include "sim/checks/watch_checker.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "kv/slots/slot.h"

namespace quorate::sim {
namespace {

class WatchCheckerTest : public testing::Test {
 protected:
  using Value = std::optional<std::string>;

  WatchCheckerTest()
      : checker_([this](std::string what) { found_.push_back(what); }) {}

  SimTime Later() { return now_ = now_ + Milliseconds(10); }
  WallTime LogTime() { return WallTime(now_.ns()); }

  void Commit(kv::Op op, const std::string& key, const std::string& token,
              std::optional<int64_t> lives_ms = std::nullopt,
              bool watched = false) {
    Later();
    kv::BatchBuilder batch;
    if (watched) batch.BeginAtomic(kv::HashSlot(key), std::nullopt);
    const std::string_view arguments[] = {key, token};
    batch.Add({.op = op,
               .slot = kv::HashSlot(key),
               .flags = lives_ms.has_value() ? kv::kRelativeExpiry
                                             : kv::CommandFlags{0},
               .expire_at_ms = lives_ms,
               .arguments = arguments});
    if (watched) batch.EndAtomic();
    const Buffer payload = batch.Finish();
    kv::CommandReader reader(payload.view());
    kv::CommandView command;
    ASSERT_TRUE(reader.Next(&command));
    checker_.OnCommand(now_, LogTime(), command);
  }
  // A SET or DEL outside transactions that returns.
  void Write(kv::Op op, const std::string& token,
             std::optional<int64_t> lives_ms = std::nullopt) {
    checker_.Invoke(token);
    Commit(op, "w1", token, lives_ms);
    checker_.Return(token);
  }
  // A transaction that has read this value of w1.
  WatchChecker::Transaction Begin(const std::string& token, Value value) {
    checker_.Invoke(token);
    const SimTime called = Later();
    return {.token = token,
            .reads = {{"w2", std::nullopt}, {"w1", std::move(value)}},
            .called = called,
            .read = Later()};
  }
  void Execute(const WatchChecker::Transaction& transaction) {
    Commit(kv::Op::kSet, "w3", transaction.token, std::nullopt, true);
    checker_.OnExecuted(transaction);
  }
  void ExpectFound(const std::string& words) {
    ASSERT_FALSE(found_.empty());
    EXPECT_EQ(found_[0].find(words), 0u) << found_[0];
  }

  SimTime now_;
  std::vector<std::string> found_;
  WatchChecker checker_;
};

TEST_F(WatchCheckerTest, LawfulHistory_IsSilent) {
  Write(kv::Op::kSet, "a");
  Execute(Begin("t1", "a"));
  Write(kv::Op::kDel, "d");
  Execute(Begin("t2", std::nullopt));
  Write(kv::Op::kSet, "b", 100);
  Execute(Begin("t3", "b"));
  const auto late = Begin("t4", "b");
  now_ = now_ + Milliseconds(100);
  Commit(kv::Op::kSet, "w3", "t4", std::nullopt, true);
  EXPECT_TRUE(checker_.OnAborted(late)) << "the key was due";
  checker_.Finish();
  EXPECT_TRUE(found_.empty()) << found_[0];
  EXPECT_EQ(checker_.executed(), 3u);
}

TEST_F(WatchCheckerTest, WriteBetweenReadAndExec_Found) {
  Write(kv::Op::kSet, "a");
  const auto transaction = Begin("t", "a");
  Write(kv::Op::kSet, "b");
  Execute(transaction);
  ExpectFound(
      "watch: the transaction \"t\" read \"a\" of w1 and was executed, "
      "though \"b\" changed the key before");
}

TEST_F(WatchCheckerTest, RemovalBetweenReadAndExec_Found) {
  Write(kv::Op::kSet, "a");
  const auto transaction = Begin("t", "a");
  Write(kv::Op::kDel, "d");
  Execute(transaction);
  ExpectFound("watch: ");
}

TEST_F(WatchCheckerTest, KeyThatCameAndWentUnseen_Found) {
  const auto transaction = Begin("t", std::nullopt);
  Write(kv::Op::kSet, "a", 1);
  Execute(transaction);
  ExpectFound("watch: the transaction \"t\" read \"(nil)\" of w1");
}

TEST_F(WatchCheckerTest, KeyThatIsDueAtExec_Found) {
  Write(kv::Op::kSet, "a", 15);
  Execute(Begin("t", "a"));
  ExpectFound("watch: the transaction \"t\" read \"a\" of w1, which was due");
}

TEST_F(WatchCheckerTest, TransactionInBetween_FoundWhenItsOutcomeIsKnown) {
  Write(kv::Op::kSet, "a");
  const auto other = Begin("other", "a");
  const auto transaction = Begin("t", "a");
  Commit(kv::Op::kSet, "w1", "other", std::nullopt, true);
  Execute(transaction);
  EXPECT_TRUE(found_.empty());
  checker_.OnExecuted(other);
  checker_.Finish();
  ExpectFound("watch: the transaction \"t\" read \"a\" of w1");
}

TEST_F(WatchCheckerTest, StaleRead_Found) {
  Write(kv::Op::kSet, "a");
  Write(kv::Op::kSet, "b");
  Execute(Begin("t", "a"));
  ASSERT_EQ(found_.size(), 2u);
  EXPECT_EQ(found_[1].find("linearizability: "), 0u) << found_[1];
}

TEST_F(WatchCheckerTest, ReadOfAnUncommittedValue_Found) {
  checker_.Invoke("a");
  Execute(Begin("t", "a"));
  ExpectFound("linearizability: ");
}

TEST_F(WatchCheckerTest, AcknowledgedWriteInNoLog_Found) {
  checker_.Invoke("a");
  checker_.Return("a");
  ExpectFound("acknowledged: \"a\" is in no log");
}

TEST_F(WatchCheckerTest, RefusedWriteThatIsCommitted_FoundInEitherOrder) {
  checker_.Invoke("a");
  checker_.Withdraw("a");
  Commit(kv::Op::kSet, "w1", "a");
  ExpectFound("refused: \"a\"");
  found_.clear();
  checker_.Invoke("b");
  Commit(kv::Op::kSet, "w1", "b");
  checker_.Withdraw("b");
  ExpectFound("refused: \"b\"");
}

TEST_F(WatchCheckerTest, ReadOfAnAbortedWrite_Found) {
  Write(kv::Op::kSet, "a");
  const auto aborted = Begin("b", "a");
  Commit(kv::Op::kSet, "w1", "b", std::nullopt, true);
  checker_.OnAborted(aborted);
  Execute(Begin("t", "b"));
  ExpectFound("refused: the transaction \"t\" read \"b\" of w1");
}

TEST_F(WatchCheckerTest, WriteThatIsCommittedTwiceOrUnsent_Found) {
  Write(kv::Op::kSet, "a");
  Commit(kv::Op::kSet, "w1", "a");
  Commit(kv::Op::kSet, "w1", "z");
  ASSERT_EQ(found_.size(), 2u);
  EXPECT_EQ(found_[0], "log: it holds \"a\" twice");
  EXPECT_EQ(found_[1], "log: it holds \"z\", which no client sent");
}

}  // namespace
}  // namespace quorate::sim

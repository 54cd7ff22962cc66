// Shows each check of client histories the violation that it must find.
#include "sim/checks/recorder.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "kv/command/command.h"
#include "kv/command/rules.h"
#include "kv/slots/slot.h"

namespace quorate::sim {
namespace {

using lincheck::Kv;

class RecorderTest : public testing::Test {
 protected:
  RecorderTest() : RecorderTest(Recorder::Budget()) {}
  explicit RecorderTest(const Recorder::Budget& budget)
      : recorder_([this] { return now_; },
                  [this](std::string what) { found_.push_back(what); },
                  budget) {}
  Recorder::Ticket Invoke(uint8_t function, const std::string& key,
                          const std::string& text = "", int64_t number = 0) {
    now_ = now_ + Nanoseconds(1);
    return recorder_.Invoke({.client = 1,
                             .function = function,
                             .key = key,
                             .text = text,
                             .number = number});
  }
  void Put(const std::string& key, const std::string& text) {
    const auto ticket = Invoke(Kv::kPut, key, text);
    now_ = now_ + Nanoseconds(1);
    recorder_.ReturnNothing(ticket);
  }
  void Get(const std::string& key, const std::string& text) {
    const auto ticket = Invoke(Kv::kGet, key);
    now_ = now_ + Nanoseconds(1);
    recorder_.ReturnText(ticket, text);
  }
  static ClientReply Bulk(const std::string& text) {
    return {.type = ClientReply::Type::kBulk, .text = text};
  }
  void Commit(kv::Op op, std::string_view key, std::string_view text,
              std::optional<kv::SessionStamp> stamp = {},
              std::optional<int64_t> expire_at_ms = {}) {
    now_ = now_ + Nanoseconds(1);
    const std::string_view arguments[] = {key, text};
    kv::BatchBuilder batch;
    batch.Add(
        {.op = op,
         .slot = kv::HashSlot(key),
         .session = stamp,
         .expire_at_ms = expire_at_ms,
         .arguments = absl::MakeConstSpan(arguments, text.empty() ? 1 : 2)});
    const Buffer payload = batch.Finish();
    recorder_.log().OnCommitted(GroupId(1), raft::Index(++index_),
                                {.log_time = log_time_}, payload.view());
  }
  // Sets the true time, and the log time of the next entries.
  void SetTime(Duration since_epoch) {
    now_ = SimTime() + since_epoch;
    log_time_ = WallTime(0) + since_epoch;
  }
  void CommitIncrement(const std::string& key, int64_t number) {
    now_ = now_ + Nanoseconds(1);
    const std::string_view arguments[] = {key};
    kv::BatchBuilder batch;
    batch.Add({.op = kv::Op::kIncrBy,
               .slot = kv::HashSlot(key),
               .numbers = {number},
               .arguments = arguments});
    const Buffer payload = batch.Finish();
    recorder_.log().OnCommitted(GroupId(1), raft::Index(++index_), EntryClock(),
                                payload.view());
  }
  void CommitIfUnchanged(const std::string& key, const kv::Version& expected,
                         const std::string& text) {
    now_ = now_ + Nanoseconds(1);
    const std::string_view watched[] = {key};
    const std::string_view arguments[] = {key, text};
    const Slot slot = kv::HashSlot(key);
    kv::BatchBuilder batch;
    batch.BeginAtomic(slot, std::nullopt);
    batch.Add({.op = kv::Op::kCheckVersion,
               .slot = slot,
               .expected = expected,
               .arguments = watched});
    batch.Add({.op = kv::Op::kSet, .slot = slot, .arguments = arguments});
    batch.EndAtomic();
    const Buffer payload = batch.Finish();
    recorder_.log().OnCommitted(GroupId(1), raft::Index(++index_), EntryClock(),
                                payload.view());
  }
  void ExpectFound(const std::string& words) {
    ASSERT_EQ(found_.size(), 1u);
    EXPECT_NE(found_[0].find(words), std::string::npos) << found_[0];
  }

  SimTime now_;
  WallTime log_time_{0};
  uint64_t index_ = 0;
  std::vector<std::string> found_;
  Recorder recorder_;
};

TEST_F(RecorderTest, CommandInTheLogOfAnotherGroup_HasNoEffect) {
  recorder_.log().SetOwners([](Slot) { return GroupId(2); });
  const auto ticket = Invoke(Kv::kPut, "r1", "c1.1:xx");
  Commit(kv::Op::kSet, "r1", "c1.1:xx");
  EXPECT_EQ(found_, std::vector<std::string>{});
  // The group of the log refused it.
  recorder_.ReturnNothing(ticket);
  ExpectFound("is in no log");
}

TEST_F(RecorderTest, LawfulHistory_IsSilent) {
  Put("r1", "c1.1:xx");
  Get("r1", "c1.1:xx");
  recorder_.StaleRead({}, "r1", Bulk("c1.1:xx"));
  const auto refused = Invoke(Kv::kPut, "r1", "c1.2");
  recorder_.Withdraw(refused);
  Get("r1", "c1.1:xx");
  recorder_.Finish();
  EXPECT_TRUE(found_.empty()) << found_[0];
  EXPECT_EQ(recorder_.counts().succeeded, 3u);
  EXPECT_EQ(recorder_.counts().refused, 1u);
  EXPECT_EQ(recorder_.keys(), std::vector<std::string>{"r1"});
}

TEST_F(RecorderTest, WriteWithALostResult_MustBeInTheLog) {
  const auto done = Invoke(Kv::kSwap, "r1", "c1.1");
  Commit(kv::Op::kSet, "r1", "c1.1");
  recorder_.ReturnLost(done);
  Get("r1", "c1.1");
  EXPECT_TRUE(found_.empty()) << found_[0];
  EXPECT_EQ(recorder_.counts().succeeded, 2u);
  EXPECT_EQ(recorder_.counts().unknown, 0u);
  recorder_.ReturnLost(Invoke(Kv::kPut, "r1", "c1.2"));
  ExpectFound("is in no log");
}

TEST_F(RecorderTest, LostAcknowledgedWrite_Found) {
  Put("r1", "c1.1");
  Put("r1", "c1.2");
  Get("r1", "c1.1");
  recorder_.Finish();
  ExpectFound("linearizability");
}

TEST_F(RecorderTest, RefusedWriteThatTookEffect_Found) {
  const auto refused = Invoke(Kv::kPut, "r1", "c1.1");
  recorder_.Withdraw(refused);
  Get("r1", "c1.1");
  recorder_.Finish();
  ExpectFound("linearizability");
}

// A session must prevent this.
TEST_F(RecorderTest, AppendThatTookEffectTwice_Found) {
  const auto append = Invoke(Kv::kAppend, "l1", "c1.1;");
  recorder_.LeaveUnknown(append);
  Get("l1", "c1.1;c1.1;");
  recorder_.Finish();
  ExpectFound("linearizability");
}

TEST_F(RecorderTest, IncrementThatTookEffectTwice_Found) {
  const auto first = Invoke(Kv::kIncrement, "n1", "", 2);
  recorder_.ReturnNumber(first, 2);
  const auto second = Invoke(Kv::kIncrement, "n1", "", 2);
  recorder_.ReturnNumber(second, 6);
  recorder_.Finish();
  ExpectFound("linearizability");
}

// ---- Checks against the logs.

TEST_F(RecorderTest, LogAndClientsAgree_IsSilent) {
  const auto append = Invoke(Kv::kAppend, "l1", "c1.1;");
  Commit(kv::Op::kAppend, "l1", "c1.1;");
  recorder_.ReturnNumber(append, 5);
  const auto unknown = Invoke(Kv::kAppend, "l1", "c1.2;");
  recorder_.LeaveUnknown(unknown);
  Commit(kv::Op::kAppend, "l1", "c1.2;");
  Get("l1", "c1.1;c1.2;");
  recorder_.Finish();
  EXPECT_TRUE(found_.empty()) << found_[0];
}

TEST_F(RecorderTest, AcknowledgedWriteThatIsInNoLog_Found) {
  const auto first = Invoke(Kv::kPut, "r1", "c1.1");
  Commit(kv::Op::kSet, "r1", "c1.1");
  recorder_.ReturnNothing(first);
  EXPECT_TRUE(found_.empty());
  const auto second = Invoke(Kv::kPut, "r1", "c1.2");
  recorder_.ReturnNothing(second);
  ExpectFound("is in no log");
}

TEST_F(RecorderTest, WatchedKeyUnchanged_TakesEffect) {
  const auto first = Invoke(Kv::kPut, "r1", "c1.1");
  Commit(kv::Op::kSet, "r1", "c1.1");
  recorder_.ReturnNothing(first);
  const auto swap = Invoke(Kv::kSwap, "r1", "c1.2");
  CommitIfUnchanged("r1", {GroupId(1), raft::Index(1), 0}, "c1.2");
  recorder_.ReturnText(swap, "c1.1");
  EXPECT_TRUE(found_.empty()) << found_[0];
}

TEST_F(RecorderTest, WatchedKeyChanged_MustNotTakeEffect) {
  for (const char* const text : {"c1.1", "c1.2"}) {
    const auto put = Invoke(Kv::kPut, "r1", text);
    Commit(kv::Op::kSet, "r1", text);
    recorder_.ReturnNothing(put);
  }
  const auto swap = Invoke(Kv::kSwap, "r1", "c1.3");
  CommitIfUnchanged("r1", {GroupId(1), raft::Index(1), 0}, "c1.3");
  recorder_.ReturnText(swap, "c1.2");
  ExpectFound("is in no log");
}

TEST_F(RecorderTest, AnotherAnswerThanItsLogGives_Found) {
  const auto append = Invoke(Kv::kAppend, "l1", "c1.1;");
  Commit(kv::Op::kAppend, "l1", "c1.1;");
  recorder_.ReturnNumber(append, 6);
  ASSERT_FALSE(found_.empty());
  EXPECT_NE(found_[0].find("but its log gives 5"), std::string::npos)
      << found_[0];
}

TEST_F(RecorderTest, WriteThatIsCommittedTwice_Found) {
  const auto append = Invoke(Kv::kAppend, "l1", "c1.1;");
  recorder_.LeaveUnknown(append);
  Commit(kv::Op::kAppend, "l1", "c1.1;");
  EXPECT_TRUE(found_.empty());
  Commit(kv::Op::kAppend, "l1", "c1.1;");
  ExpectFound("twice");
}

TEST_F(RecorderTest, RefusedWriteThatIsCommitted_FoundInEitherOrder) {
  const auto before = Invoke(Kv::kPut, "r1", "c1.1");
  Commit(kv::Op::kSet, "r1", "c1.1");
  recorder_.Withdraw(before);
  ASSERT_FALSE(found_.empty());
  EXPECT_NE(found_[0].find("was committed, then refused as not executed"),
            std::string::npos);
  found_.clear();
  const auto after = Invoke(Kv::kPut, "r1", "c1.2");
  recorder_.Withdraw(after);
  EXPECT_TRUE(found_.empty());
  Commit(kv::Op::kSet, "r1", "c1.2");
  ExpectFound("was refused as not executed, then committed");
}

TEST_F(RecorderTest, CommittedWriteThatNoClientSent_Found) {
  Commit(kv::Op::kSet, "r1", "c9.9");
  ExpectFound("which no client sent");
}

TEST_F(RecorderTest, CommandThatNoClientSends_Found) {
  Commit(kv::Op::kSetRange, "r1", "c1.1");
  ExpectFound("which no client sent");
}

TEST_F(RecorderTest, ExpiryThatNoClientSent_Found) {
  const auto put = Invoke(Kv::kPut, "r1", "c1.1");
  Commit(kv::Op::kSet, "r1", "c1.1", {}, /*expire_at_ms=*/1'000);
  ExpectFound("set with an expiry, which no client sent");
  (void)put;
}

TEST_F(RecorderTest, TransactionOfAnExpiringKeyBesideGetEx_Found) {
  (void)recorder_.Invoke(ExpiryCommand{.client = 1, .key = "t1"});
  CommitIfUnchanged("t1", {GroupId(1), raft::Index(1), 0}, "c1.1");
  ExpectFound("clients send only GETEX");
}

TEST_F(RecorderTest, WriteOfAnExpiredSession_MustNotBeAcknowledged) {
  recorder_.SetSessionRules({.lifetime = Seconds(4)});
  kv::SessionStamp stamp{
      .token = {.client = kv::ClientId(7), .open_until_ms = 3'000},
      .sequence = kv::Sequence(1)};
  SetTime(Seconds(2));
  const auto first = Invoke(Kv::kPut, "r1", "c1.1");
  Commit(kv::Op::kSet, "r1", "c1.1", stamp);
  recorder_.ReturnNothing(first);
  // The use at 5 s extends the lifetime to 9 s.
  SetTime(Milliseconds(5'000));
  Commit(kv::Op::kSet, "r1", "c1.1", stamp);
  SetTime(Milliseconds(8'999));
  stamp.sequence = kv::Sequence(2);
  const auto second = Invoke(Kv::kPut, "r1", "c1.2");
  Commit(kv::Op::kSet, "r1", "c1.2", stamp);
  recorder_.ReturnNothing(second);
  EXPECT_TRUE(found_.empty()) << found_[0];
  SetTime(Seconds(13));
  stamp.sequence = kv::Sequence(3);
  const auto late = Invoke(Kv::kPut, "r1", "c1.3");
  Commit(kv::Op::kSet, "r1", "c1.3", stamp);
  recorder_.ReturnNothing(late);
  ExpectFound("is in no log");
}

TEST_F(RecorderTest, NewSessionAfterItsWindow_MustNotBeAcknowledged) {
  recorder_.SetSessionRules({.lifetime = Seconds(4)});
  SetTime(Milliseconds(3'001));
  const auto late = Invoke(Kv::kPut, "r1", "c1.1");
  Commit(kv::Op::kSet, "r1", "c1.1",
         kv::SessionStamp{
             .token = {.client = kv::ClientId(7), .open_until_ms = 3'000},
             .sequence = kv::Sequence(1)});
  recorder_.ReturnNothing(late);
  ExpectFound("is in no log");
}

TEST_F(RecorderTest, SessionForWhichItsSlotHasNoRoom_MustNotBeAcknowledged) {
  const auto stamp = [](uint64_t client) {
    return kv::SessionStamp{
        .token = {.client = kv::ClientId(client), .open_until_ms = 3'000},
        .sequence = kv::Sequence(1)};
  };
  for (uint64_t client = 1; client <= kv::SessionRules().rows_per_slot_max;
       ++client) {
    const std::string value = absl::StrCat("c1.", client);
    const auto put = Invoke(Kv::kPut, "r1", value);
    Commit(kv::Op::kSet, "r1", value, stamp(client));
    recorder_.ReturnNothing(put);
  }
  EXPECT_TRUE(found_.empty()) << found_[0];
  const auto late = Invoke(Kv::kPut, "r1", "c1.9999");
  Commit(kv::Op::kSet, "r1", "c1.9999", stamp(9'999));
  recorder_.ReturnNothing(late);
  ExpectFound("is in no log");
}

TEST_F(RecorderTest, KeyForWhichItsSlotHasRoom_TakesEffectBesideClients) {
  const auto commit = [this](kv::SessionToken token, const std::string& value) {
    const auto put = Invoke(Kv::kPut, "r1", value);
    Commit(kv::Op::kSet, "r1", value,
           kv::SessionStamp{.token = token, .sequence = kv::Sequence(1)});
    recorder_.ReturnNothing(put);
  };
  for (uint64_t client = 1; client <= kv::SessionRules().rows_per_slot_max;
       ++client) {
    commit({.client = kv::ClientId(client), .open_until_ms = 3'000},
           absl::StrCat("c1.", client));
  }
  commit(kv::MakeKeySessionToken(1, WallTime(0), Seconds(3)), "c1.9999");
  EXPECT_TRUE(found_.empty()) << found_[0];
}

TEST_F(RecorderTest, SessionStampThatIsCommittedTwice_TakesEffectOnce) {
  const kv::SessionStamp stamp{.token = {.client = kv::ClientId(7)},
                               .sequence = kv::Sequence(1),
                               .floor = kv::Sequence(1)};
  const auto append = Invoke(Kv::kAppend, "l1", "c1.1;");
  Commit(kv::Op::kAppend, "l1", "c1.1;", stamp);
  Commit(kv::Op::kAppend, "l1", "c1.1;", stamp);
  recorder_.ReturnNumber(append, 5);
  recorder_.Finish();
  EXPECT_TRUE(found_.empty()) << found_[0];
}

TEST_F(RecorderTest, RepeatThatTheStoreExecutes_IsCalledExecutedTwice) {
  const kv::SessionStamp stamp{.token = {.client = kv::ClientId(7)},
                               .sequence = kv::Sequence(1),
                               .floor = kv::Sequence(1)};
  const auto append = Invoke(Kv::kAppend, "l1", "c1.1;");
  Commit(kv::Op::kAppend, "l1", "c1.1;", stamp);
  recorder_.ReturnNumber(append, 5);
  Commit(kv::Op::kAppend, "l1", "c1.1;", stamp);
  Get("l1", "c1.1;c1.1;");
  ASSERT_FALSE(found_.empty());
  EXPECT_TRUE(found_[0].starts_with(
      "executed twice: append(\"c1.1;\") = 5 of client 1 on l1, which the log "
      "has twice: at 2 ns, and at 3 ns as entry 2 of group 1\n"
      "linearizability"))
      << found_[0];
}

TEST_F(RecorderTest, RepeatThatDoesNotExplainAResult_IsNotBlamed) {
  const kv::SessionStamp stamp{.token = {.client = kv::ClientId(7)},
                               .sequence = kv::Sequence(1),
                               .floor = kv::Sequence(1)};
  const auto append = Invoke(Kv::kAppend, "l1", "c1.1;");
  Commit(kv::Op::kAppend, "l1", "c1.1;", stamp);
  recorder_.ReturnNumber(append, 5);
  Commit(kv::Op::kAppend, "l1", "c1.1;", stamp);
  Get("l1", "");
  ASSERT_FALSE(found_.empty());
  EXPECT_TRUE(found_[0].starts_with("linearizability")) << found_[0];
}

// Without a budget for searches every key is checked by its log.
class RecorderWithoutSearchTest : public RecorderTest {
 protected:
  RecorderWithoutSearchTest()
      : RecorderTest({.online = {.configurations_max = 1, .nodes_max = 1},
                      .nodes_max = 0}) {}
  // Two concurrent appends. The log has the second one first.
  void AppendTwo() {
    const auto first = Invoke(Kv::kAppend, "l1", "c1.1;");
    const auto second = Invoke(Kv::kAppend, "l1", "c1.2;");
    Commit(kv::Op::kAppend, "l1", "c1.2;");
    Commit(kv::Op::kAppend, "l1", "c1.1;");
    recorder_.ReturnNumber(first, 10);
    recorder_.ReturnNumber(second, 5);
  }
  void Remove(int64_t answer) {
    const auto removal = Invoke(Kv::kDelete, "l1");
    now_ = now_ + Nanoseconds(1);
    recorder_.ReturnNumber(removal, answer);
  }
};

TEST_F(RecorderWithoutSearchTest, WhatTheLogExplains_IsDecided) {
  AppendTwo();
  Get("l1", "c1.2;c1.1;");
  const auto removal = Invoke(Kv::kDelete, "l1");
  Commit(kv::Op::kDel, "l1", "");
  recorder_.ReturnNumber(removal, 1);
  recorder_.Finish();
  EXPECT_GT(recorder_.checker().given_up(), 0u);
  EXPECT_EQ(recorder_.given_up(), 1u);
  EXPECT_TRUE(found_.empty()) << found_[0];
}

TEST_F(RecorderWithoutSearchTest, ReadOfWhatIsOver_Found) {
  AppendTwo();
  Get("l1", "c1.2;");
  recorder_.Finish();
  // The search finds it or, without a budget, the order of the log.
  ExpectFound("linearizability, by ");
}

TEST_F(RecorderWithoutSearchTest, AcknowledgedRemovalThatIsInNoLog_Found) {
  AppendTwo();
  Remove(1);
  recorder_.Finish();
  ExpectFound("linearizability, by the order of the log");
}

// A key that may expire and one that does not, in one group, on one connection.
TEST_F(RecorderTest, ReadBehindOneOfAnExpiringKeyThatSawLess_Found) {
  recorder_.CheckOrder([](std::string_view) { return GroupId(1); });
  const auto n = Invoke(Kv::kPut, "r1", "c1.1");
  const auto k =
      recorder_.Invoke(ExpiryCommand{.client = 1,
                                     .verb = ExpiryCommand::Verb::kSet,
                                     .key = "t1",
                                     .text = "c1.2"});
  const auto first = recorder_.Invoke(ExpiryCommand{.client = 1, .key = "t1"});
  const auto second = Invoke(Kv::kGet, "r1");
  recorder_.OnSent(first, 7, NodeId(1));
  recorder_.OnSent(second, 7, NodeId(1));
  Commit(kv::Op::kSet, "r1", "c1.1");
  Commit(kv::Op::kSet, "t1", "c1.2");
  recorder_.ReturnReply(first,
                        {.type = ClientReply::Type::kBulk, .text = "c1.2"});
  EXPECT_TRUE(found_.empty());
  recorder_.ReturnNil(second);
  ExpectFound("order: connection 0.7, group 1");
  (void)n;
  (void)k;
}

TEST_F(RecorderTest, StaleReadOfAnUncommittedValue_Found) {
  (void)Invoke(Kv::kPut, "r1", "c1.1:x");
  (void)Invoke(Kv::kPut, "r1", "c1.2:x");
  Commit(kv::Op::kSet, "r1", "c1.1:x");
  recorder_.StaleRead({}, "r1", Bulk("c1.1:x"));
  recorder_.StaleRead({}, "r1", {.type = ClientReply::Type::kNil});
  EXPECT_TRUE(found_.empty());
  recorder_.StaleRead({}, "r1", Bulk("c1.2:x"));
  ExpectFound("which the key never had");
}

TEST_F(RecorderTest, StaleReadOfAnUncommittedNumber_Found) {
  (void)Invoke(Kv::kIncrement, "n1", "", 3);
  CommitIncrement("n1", 3);
  recorder_.StaleRead({}, "n1", Bulk("3"));
  EXPECT_TRUE(found_.empty());
  recorder_.StaleRead({}, "n1", Bulk("4"));
  ExpectFound("which the key never had");
}

// The search for an order would allow the value while its write is open.
TEST_F(RecorderTest, ReadOfAnUncommittedValue_FoundAtOnce) {
  (void)Invoke(Kv::kPut, "r1", "c1.1:x");
  Commit(kv::Op::kSet, "r2", "c1.1:x");
  const auto read = Invoke(Kv::kGet, "r1");
  recorder_.ReturnText(read, "c1.1:x");
  ExpectFound("by the order of the log");
}

TEST_F(RecorderTest, RemovalThatNoClientSent_Found) {
  const auto removal = Invoke(Kv::kDelete, "k");
  Commit(kv::Op::kDel, "k", "");
  recorder_.ReturnNumber(removal, 0);
  EXPECT_TRUE(found_.empty()) << found_[0];
  Commit(kv::Op::kDel, "k", "");
  ExpectFound("log: it removes k more often than clients sent DEL");
}

TEST_F(RecorderTest, RefusedRemovalThatIsCommitted_FoundInEitherOrder) {
  const auto before = Invoke(Kv::kDelete, "k");
  recorder_.Withdraw(before);
  EXPECT_TRUE(found_.empty());
  Commit(kv::Op::kDel, "k", "");
  ASSERT_EQ(found_.size(), 1u);
  const auto after = Invoke(Kv::kDelete, "l");
  Commit(kv::Op::kDel, "l", "");
  EXPECT_EQ(found_.size(), 1u);
  recorder_.Withdraw(after);
  EXPECT_EQ(found_.size(), 2u);
}

TEST_F(RecorderTest, RefusalThatNoLimitExplains_Found) {
  recorder_.OnNoMemory(1);
  recorder_.OnReadOnly(1, NodeId(2));
  recorder_.SetLimits(
      {.read_only = [](NodeId node) { return node == NodeId(3); },
       .memory = true});
  recorder_.OnNoMemory(1);
  recorder_.OnReadOnly(1, NodeId(3));
  EXPECT_TRUE(found_.empty()) << found_[0];
  recorder_.OnReadOnly(1, NodeId(2));
  recorder_.SetLimits({});
  recorder_.OnNoMemory(1);
  ASSERT_EQ(found_.size(), 2u);
  EXPECT_EQ(found_[0],
            "client 1: unexpected reply: READONLY of node 2, which has a vote");
  EXPECT_EQ(found_[1],
            "client 1: unexpected reply: OOM, though no node has a limit of "
            "its memory");
}

TEST_F(RecorderTest, UnknownAnswerOfANodeThatSentNothing_Found) {
  bool led = true;
  recorder_.CheckOrder([](std::string_view) { return GroupId(4); });
  recorder_.CheckUnknownOutcomes([&](NodeId node, GroupId group, SimTime) {
    return led && node == NodeId(2) && group == GroupId(4);
  });
  recorder_.OnRequestSent(NodeId(2), Buffer::Copy("r1"));
  const auto ticket = Invoke(Kv::kPut, "r1", "v");
  recorder_.OnSent(ticket, /*connection=*/1, NodeId(2));
  recorder_.OnUnknownAnswer(ticket, NodeId(2));
  led = false;
  now_ = now_ + Nanoseconds(1);
  recorder_.OnRequestSent(NodeId(3), Buffer::Copy("r1"));
  recorder_.OnUnknownAnswer(ticket, NodeId(3));
  EXPECT_TRUE(found_.empty()) << found_[0];
  recorder_.OnUnknownAnswer(ticket, NodeId(2));
  ExpectFound("unknown outcome: node 2 gave it to ");
}

// Each part of a command on several keys may be the reason.
TEST_F(RecorderTest, UnknownAnswerThatNoPartExplains_Found) {
  bool led = true;
  recorder_.CheckOrder(
      [](std::string_view key) { return GroupId(key == "a" ? 1 : 2); });
  recorder_.CheckUnknownOutcomes([&](NodeId node, GroupId group, SimTime) {
    return led && node == NodeId(2) && group == GroupId(2);
  });
  recorder_.OnRequestSent(NodeId(3), Buffer::Copy("SET a earlier"));
  now_ = now_ + Nanoseconds(1);
  recorder_.OnRequestSent(NodeId(3), Buffer::Copy("SET b token.b"));
  const auto answer = [&](NodeId node) {
    recorder_.OnUnknownAnswer({.node = node,
                               .sent = now_,
                               .parts = {{.key = "a", .text = "token.a"},
                                         {.key = "b", .text = "token.b"}},
                               .command = "MSET"});
  };
  answer(NodeId(2));
  answer(NodeId(3));
  EXPECT_TRUE(found_.empty()) << found_[0];
  led = false;
  answer(NodeId(2));
  ASSERT_EQ(found_.size(), 1u);
  EXPECT_TRUE(found_[0].starts_with("unknown outcome: node 2 gave it to MSET"))
      << found_[0];
  EXPECT_NE(found_[0].find("group 1, 2 "), std::string::npos) << found_[0];
  now_ = now_ + Nanoseconds(1);
  answer(NodeId(3));
  EXPECT_EQ(found_.size(), 2u) << "the request was sent for another command";
}

TEST_F(RecorderTest, UnknownAnswerWhereSlotsMove_LedAnyGroup) {
  bool led = true;
  recorder_.CheckOrder([](std::string_view) { return GroupId(1); });
  recorder_.CheckUnknownOutcomes([&](NodeId, GroupId group, SimTime) {
    EXPECT_EQ(group, GroupId());
    return led;
  });
  recorder_.OrderBySlot();
  const Recorder::UnknownAnswer answer = {
      .node = NodeId(2),
      .parts = {{.key = "a", .text = "token.a"}},
      .command = "MSET"};
  recorder_.OnUnknownAnswer(answer);
  EXPECT_TRUE(found_.empty()) << found_[0];
  led = false;
  recorder_.OnUnknownAnswer(answer);
  ExpectFound("unknown outcome: node 2 gave it to MSET");
}

TEST_F(RecorderTest, UnknownOutcomeOfAClientThatSentNothing_Found) {
  recorder_.OnUnsent(Invoke(Kv::kPut, "r1", "v"));
  ExpectFound("unknown outcome: client 1 gave it to ");
}

TEST_F(RecorderTest, UnexpectedReply_Found) {
  recorder_.Unexpected(3, "-ERR what");
  ExpectFound("client 3: unexpected reply: -ERR what");
}

}  // namespace
}  // namespace quorate::sim

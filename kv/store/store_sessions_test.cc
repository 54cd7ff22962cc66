// The sessions of a store: commands that take effect once, and their limits.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "kv/testing/store_fixture.h"

namespace quorate::kv {
namespace {

TEST_F(StoreTest, Duplicate_IsAnsweredWithTheFirstResult) {
  const CommandSpec incr{
      .op = Op::kIncrBy, .session = Stamp(1), .numbers = {1, 0}};
  const Answer first = Do(incr, {"n"});
  Do({.op = Op::kIncrBy, .session = Stamp(2), .numbers = {1, 0}}, {"n"});
  const Answer second = Do(incr, {"n"});
  EXPECT_EQ(second.integer, 1);
  EXPECT_TRUE(second.duplicate);
  EXPECT_FALSE(first.duplicate);
  EXPECT_EQ(second.version, first.version);
  EXPECT_EQ(Get("n").value, "2");
  EXPECT_EQ(store_.counters().duplicates_answered, 1u);
}

TEST_F(StoreTest, Duplicate_WithAnotherAbsoluteTime_IsTheSameRequest) {
  Do({.op = Op::kSet, .session = Stamp(1), .expire_at_ms = 5'000}, {"k", "v"});
  EXPECT_TRUE(Do({.op = Op::kSet, .session = Stamp(1), .expire_at_ms = 6'000},
                 {"k", "v"})
                  .duplicate);
  EXPECT_EQ(Get("k").expire_at_ms, 5'000);
}

TEST_F(StoreTest, SequenceOfAnotherRequest_IsRefused) {
  Do({.op = Op::kSet, .session = Stamp(1)}, {"k", "1"});
  EXPECT_EQ(Do({.op = Op::kSet, .session = Stamp(1)}, {"k", "2"}).status,
            ResultStatus::kSequenceReused);
  EXPECT_EQ(Get("k").value, "1");
}

TEST_F(StoreTest, Floor_DropsResultsAndRefusesWhatLiesBelow) {
  Do({.op = Op::kSet, .session = Stamp(1)}, {"k", "1"});
  Do({.op = Op::kSet, .session = Stamp(2, /*floor=*/2)}, {"k", "2"});
  EXPECT_EQ(Do({.op = Op::kSet, .session = Stamp(1)}, {"k", "1"}).status,
            ResultStatus::kStaleSequence);
  EXPECT_EQ(Get("k").value, "2");
}

TEST_F(StoreTest, Outstanding_IsBounded) {
  for (uint64_t i = 1; i <= kSessionOutstandingMax; ++i) {
    EXPECT_TRUE(Do({.op = Op::kSet, .session = Stamp(i)}, {"k", "1"}).wrote);
  }
  const uint64_t next = kSessionOutstandingMax + 1;
  EXPECT_EQ(Do({.op = Op::kSet, .session = Stamp(next)}, {"k", "1"}).status,
            ResultStatus::kTooManyOutstanding);
  EXPECT_TRUE(
      Do({.op = Op::kSet, .session = Stamp(next, /*floor=*/2)}, {"k", "1"})
          .wrote);
}

TEST_F(StoreTest, Session_ExpiresByLogTime_AndIsNotReopened) {
  const CommandSpec incr{
      .op = Op::kIncrBy, .session = Stamp(1), .numbers = {1, 0}};
  Do(incr, {"n"});
  EXPECT_EQ(store_.session_count(), 1u);
  SetTime(1'000 + kSessions.lifetime.ms() + 1'000);
  EXPECT_EQ(Do(incr, {"n"}).status, ResultStatus::kSessionExpired);
  EXPECT_EQ(store_.session_count(), 0u);
  EXPECT_EQ(Do(incr, {"n"}).status, ResultStatus::kSessionExpired);
  EXPECT_EQ(Get("n").value, "1");
}

void ReplaceByItsSnapshot(Store& store) {
  std::unique_ptr<raft::SnapshotReader> reader = store.TakeSnapshot();
  std::unique_ptr<raft::SnapshotWriter> writer = store.BeginRestore({});
  for (Buffer piece = reader->Next(4096); piece.size() > 0;
       piece = reader->Next(4096)) {
    ASSERT_TRUE(writer->Add(piece.view()).ok());
  }
  ASSERT_TRUE(writer->Commit().ok());
}

class ShortSessionsTest : public StoreTest {
 protected:
  ShortSessionsTest()
      : StoreTest(
            {.sessions = {.lifetime = Seconds(4), .open_window = Seconds(2)}}) {
  }
};

TEST_F(ShortSessionsTest, RowLivesForTheLifetimeAfterItsLastUse) {
  const auto incr = [this](uint64_t sequence) {
    return Do({.op = Op::kIncrBy,
               .session = Stamp(sequence, 1, /*open_until_ms=*/2'000),
               .numbers = {1, 0}},
              {"n"})
        .status;
  };
  EXPECT_EQ(incr(1), ResultStatus::kOk);
  SetTime(4'999);
  EXPECT_EQ(incr(2), ResultStatus::kOk);
  SetTime(8'999);
  EXPECT_EQ(incr(1), ResultStatus::kOk);  // A duplicate is a use, too.
  SetTime(13'000);
  EXPECT_EQ(incr(3), ResultStatus::kSessionExpired);
  EXPECT_EQ(Get("n").value, "2");
}

// Retries with one Idempotency-Key have the same client, and tokens of their
// own.
TEST_F(ShortSessionsTest, ExpiredRow_CountsAsAbsentBeforeItIsRemoved) {
  const auto incr = [this](uint64_t sequence, int64_t open_until_ms) {
    return Do({.op = Op::kIncrBy,
               .session = Stamp(sequence, 1, open_until_ms),
               .numbers = {1, 0}},
              {"n"});
  };
  incr(1, 2'000);
  SetTime(7'000);
  EXPECT_TRUE(incr(1, 8'000).wrote);
  EXPECT_TRUE(incr(1, 9'000).duplicate);
  EXPECT_EQ(Get("n").value, "2");
  EXPECT_EQ(store_.session_count(), 1u);
}

TEST_F(ShortSessionsTest, RestoredRow_LivesAsLong) {
  Do({.op = Op::kSet, .session = Stamp(1, 1, 2'000)}, {"k", "1"});
  ReplaceByItsSnapshot(store_);
  SetTime(4'500);
  EXPECT_EQ(
      Do({.op = Op::kSet, .session = Stamp(2, 1, 2'000)}, {"k", "2"}).status,
      ResultStatus::kOk);
  SetTime(9'000);
  EXPECT_EQ(
      Do({.op = Op::kSet, .session = Stamp(3, 1, 2'000)}, {"k", "3"}).status,
      ResultStatus::kSessionExpired);
}

TEST_F(StoreTest, Session_OpensOnlyWithinItsWindow) {
  SetTime(100'000);
  EXPECT_EQ(
      Do({.op = Op::kSet, .session = Stamp(1, 1, 99'999)}, {"k", "1"}).status,
      ResultStatus::kSessionExpired);
  const int64_t too_far = 100'000 + kSessions.lifetime.ms();
  EXPECT_EQ(
      Do({.op = Op::kSet, .session = Stamp(1, 1, too_far)}, {"k", "1"}).status,
      ResultStatus::kSessionExpired);
  EXPECT_TRUE(
      Do({.op = Op::kSet, .session = Stamp(1, 1, too_far - 1)}, {"k", "1"})
          .wrote);
}

class FewSessionsTest : public StoreTest {
 protected:
  FewSessionsTest()
      : StoreTest({.sessions = {.lifetime = Seconds(4),
                                .open_window = Seconds(2),
                                .rows_per_slot_max = 8},
                   .expiries_per_entry = 1,
                   .expiries_per_command = 0}) {}

  // Adds a command of a new session.
  void Add(uint64_t client, int64_t open_until_ms) {
    static constexpr std::string_view kKey[] = {"n"};
    SessionStamp stamp = Stamp(1, 1, open_until_ms);
    stamp.token.client = ClientId(client);
    batch_.Add({.op = Op::kIncrBy,
                .slot = HashSlot("n"),
                .session = stamp,
                .numbers = {1, 0},
                .arguments = kKey});
  }
};

TEST_F(FewSessionsTest, ExpiredRowsThatAreStillThere_LeaveRoom) {
  for (uint64_t client = 1; client <= 8; ++client) Add(client, 2'000);
  Apply();
  SetTime(2'500);
  Add(9, 4'000);
  EXPECT_EQ(Apply()[0].status, ResultStatus::kTooManySessions);
  SetTime(5'500);
  for (uint64_t client = 11; client <= 19; ++client) Add(client, 7'000);
  const std::vector<Answer> answers = Apply();
  for (size_t i = 0; i < 8; ++i) {
    EXPECT_EQ(answers[i].status, ResultStatus::kOk) << i;
  }
  EXPECT_EQ(answers[8].status, ResultStatus::kTooManySessions);
  EXPECT_EQ(store_.session_count(), 8u);
  Add(1, 2'000);
  EXPECT_EQ(Apply()[0].status, ResultStatus::kSessionExpired);
}

class FewKeysTest : public StoreTest {
 protected:
  FewKeysTest()
      : StoreTest({.sessions = {.lifetime = Seconds(4),
                                .open_window = Seconds(2),
                                .rows_per_slot_max = 3,
                                .keys_per_slot_max = 5},
                   .expiries_per_entry = 1,
                   .expiries_per_command = 0}) {}

  ResultStatus Use(const SessionToken& token) {
    SessionStamp stamp = Stamp(1, 1, token.open_until_ms);
    stamp.token.client = token.client;
    return Do({.op = Op::kIncrBy, .session = stamp, .numbers = {1, 0}}, {"n"})
        .status;
  }
  ResultStatus UseKey(uint64_t hash, int64_t now_ms = 0) {
    return Use(
        MakeKeySessionToken(hash, WallTime(now_ms * 1'000'000), Seconds(2)));
  }
  ResultStatus UseClient(uint64_t bits, int64_t now_ms = 0) {
    return Use(
        MakeSessionToken(bits, WallTime(now_ms * 1'000'000), Seconds(2)));
  }
};

TEST_F(FewKeysTest, KeysOfASlot_TakeNoRoomFromClients) {
  for (uint64_t i = 1; i <= 5; ++i) EXPECT_EQ(UseKey(i), ResultStatus::kOk);
  EXPECT_EQ(UseKey(6), ResultStatus::kTooManySessions);
  for (uint64_t i = 1; i <= 3; ++i) EXPECT_EQ(UseClient(i), ResultStatus::kOk);
  EXPECT_EQ(UseClient(4), ResultStatus::kTooManySessions);
  EXPECT_EQ(UseKey(6), ResultStatus::kTooManySessions);
  EXPECT_EQ(store_.session_count(), 8u);
  // The room of both returns with the time.
  SetTime(5'500);
  for (uint64_t i = 11; i <= 15; ++i) {
    EXPECT_EQ(UseKey(i, 5'500), ResultStatus::kOk) << i;
  }
  EXPECT_EQ(UseKey(16, 5'500), ResultStatus::kTooManySessions);
  EXPECT_EQ(UseClient(11, 5'500), ResultStatus::kOk);
}

// Else a replica with a snapshot would decide otherwise than the others.
TEST_F(FewKeysTest, RestoredRows_CountByTheirKind) {
  for (uint64_t i = 1; i <= 4; ++i) EXPECT_EQ(UseKey(i), ResultStatus::kOk);
  for (uint64_t i = 1; i <= 2; ++i) EXPECT_EQ(UseClient(i), ResultStatus::kOk);
  ReplaceByItsSnapshot(store_);
  EXPECT_EQ(UseClient(3), ResultStatus::kOk);
  EXPECT_EQ(UseClient(4), ResultStatus::kTooManySessions);
  EXPECT_EQ(UseKey(5), ResultStatus::kOk);
  EXPECT_EQ(UseKey(6), ResultStatus::kTooManySessions);
  // The rows that the snapshot had give their room back when they expire.
  SetTime(5'500);
  for (uint64_t i = 11; i <= 15; ++i) {
    EXPECT_EQ(UseKey(i, 5'500), ResultStatus::kOk) << i;
  }
  EXPECT_EQ(UseKey(16, 5'500), ResultStatus::kTooManySessions);
}

// A slot full of keys gains nothing from expired rows of clients.
TEST_F(FewKeysTest, ExpiredRowsOfOneKind_AreNoRoomForTheOther) {
  for (uint64_t i = 1; i <= 3; ++i) EXPECT_EQ(UseClient(i), ResultStatus::kOk);
  SetTime(3'000);
  for (uint64_t i = 1; i <= 5; ++i) {
    EXPECT_EQ(UseKey(i, 3'000), ResultStatus::kOk);
  }
  SetTime(4'500);
  EXPECT_EQ(UseKey(6, 4'500), ResultStatus::kTooManySessions);
}

TEST_F(StoreTest, SessionsOfASlot_AreBounded) {
  const auto stamp = [](uint64_t client) {
    SessionStamp stamp = Stamp(1);
    stamp.token.client = ClientId(client);
    return stamp;
  };
  const std::string_view key[] = {"n"};
  for (uint64_t client = 1; client <= kSessions.rows_per_slot_max; ++client) {
    batch_.Add({.op = Op::kIncrBy,
                .slot = HashSlot("n"),
                .session = stamp(client),
                .numbers = {1, 0},
                .arguments = key});
  }
  Apply();
  EXPECT_EQ(store_.session_count(), kSessions.rows_per_slot_max);
  EXPECT_EQ(Do({.op = Op::kIncrBy,
                .session = stamp(kSessions.rows_per_slot_max + 1),
                .numbers = {1, 0}},
               {"n"})
                .status,
            ResultStatus::kTooManySessions);
  EXPECT_EQ(Get("n").value, std::to_string(kSessions.rows_per_slot_max));
}

TEST_F(StoreTest, ResultTooLargeToKeep_IsStillKnownToBeDone) {
  const std::string large(kSessions.result_bytes_max + 1, 'x');
  Do({.op = Op::kSet}, {"k", large});
  const Answer first = Do({.op = Op::kGetDel, .session = Stamp(1)}, {"k"});
  EXPECT_EQ(first.bytes, large);
  const Answer second = Do({.op = Op::kGetDel, .session = Stamp(1)}, {"k"});
  EXPECT_EQ(second.status, ResultStatus::kResultNotKept);
}

TEST_F(StoreTest, ResultsOfARow_AreBounded) {
  const std::string value(kSessions.result_bytes_max, 'x');
  Do({.op = Op::kSet}, {"k", value});
  const uint64_t fit = kSessions.row_bytes_max / kSessions.result_bytes_max;
  for (uint64_t i = 1; i <= fit + 1; ++i) {
    EXPECT_EQ(Do({.op = Op::kGet, .session = Stamp(i)}, {"k"}).bytes, value);
  }
  EXPECT_EQ(Do({.op = Op::kGet, .session = Stamp(fit)}, {"k"}).status,
            ResultStatus::kOk);
  EXPECT_EQ(Do({.op = Op::kGet, .session = Stamp(fit + 1)}, {"k"}).status,
            ResultStatus::kResultNotKept);
}

}  // namespace
}  // namespace quorate::kv

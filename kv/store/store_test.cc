// The store command by command, as a client sees it. Random histories against a
// model are in store_model_test.cc.
#include "kv/store/store.h"

#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "kv/command/command.h"
#include "kv/command/result.h"
#include "kv/command/rules.h"
#include "kv/slots/slot.h"

namespace quorate::kv {
namespace {

constexpr GroupId kGroup(7);
constexpr uint64_t kHashKey = 0x1234;

// A result that owns what it shows.
struct Answer {
  ResultStatus status;
  PayloadKind kind;
  bool wrote;
  bool duplicate;
  Version version;
  int64_t integer;
  std::string bytes;
};

Answer Own(const ResultView& view) {
  return {view.status,
          view.kind,
          view.wrote,
          view.duplicate,
          view.version,
          view.integer,
          std::string(view.bytes)};
}

constexpr SessionRules kSessions;

class StoreTest : public testing::Test {
 protected:
  explicit StoreTest(const Rules& rules = {})
      : store_({.group = kGroup,
                .hash_key = kHashKey,
                .rules = rules,
                .owned = {{Slot(0), Slot(16000)}}}) {}

  raft::Entry Entry(Buffer payload) {
    raft::Entry entry;
    entry.term = raft::Term(1);
    entry.index = ++index_;
    entry.kind = raft::EntryKind::kCommands;
    entry.log_time = now_;
    entry.payload = std::move(payload);
    return entry;
  }

  // Applies what was added to batch_.
  std::vector<Answer> Apply() {
    const Buffer results =
        store_.Apply(Entry(batch_.Finish()), /*wants_result=*/true);
    ResultReader reader(results.view());
    EXPECT_TRUE(reader.ok());
    EXPECT_TRUE(reader.batch_accepted());
    std::vector<Answer> answers;
    while (!reader.done()) answers.push_back(Own(reader.Next()));
    EXPECT_EQ(store_.Digest(), store_.RecomputeDigest());
    return answers;
  }

  // One command in an entry of its own.
  Answer Do(CommandSpec spec,
            std::initializer_list<std::string_view> arguments) {
    const std::vector<std::string_view> list(arguments);
    spec.arguments = list;
    if (!list.empty() && spec.slot == Slot(0)) spec.slot = HashSlot(list[0]);
    batch_.Add(spec);
    std::vector<Answer> answers = Apply();
    EXPECT_EQ(answers.size(), 1u);
    return answers.at(0);
  }

  void SetTime(int64_t ms) { now_ = WallTime(ms * 1'000'000); }

  Lookup Get(std::string_view key, WallTime due_by = WallTime::Min()) {
    return store_.Get(HashSlot(key), key, due_by);
  }

  static SessionStamp Stamp(uint64_t sequence, uint64_t floor = 1,
                            int64_t open_until_ms = 60'000) {
    return {.token = {ClientId(99), open_until_ms},
            .sequence = Sequence(sequence),
            .floor = Sequence(floor)};
  }

  Store store_;
  BatchBuilder batch_;
  raft::Index index_{10};
  WallTime now_{1'000'000'000};
};

TEST_F(StoreTest, Set_WritesTheValueWithTheCommandsVersion) {
  const Answer set = Do({.op = Op::kSet}, {"k", "v"});
  EXPECT_EQ(set.status, ResultStatus::kOk);
  EXPECT_TRUE(set.wrote);
  EXPECT_EQ(set.version, (Version{kGroup, raft::Index(11), 0}));
  const Lookup found = Get("k");
  ASSERT_TRUE(found.found());
  EXPECT_EQ(found.value, "v");
  EXPECT_EQ(found.version, set.version);
  const Answer got = Do({.op = Op::kGet}, {"k"});
  EXPECT_EQ(got.bytes, "v");
  EXPECT_EQ(got.version, set.version);
}

TEST_F(StoreTest, Get_OfNothing_IsNil) {
  const Answer got = Do({.op = Op::kGet}, {"k"});
  EXPECT_EQ(got.status, ResultStatus::kNil);
  EXPECT_TRUE(got.version.none());
  EXPECT_EQ(Get("k").state, Lookup::State::kMissing);
}

TEST_F(StoreTest, Set_UnderConditions_WritesOnlyWhereTheyHold) {
  EXPECT_EQ(Do({.op = Op::kSet, .flags = kIfPresent}, {"k", "1"}).status,
            ResultStatus::kConditionFailed);
  EXPECT_TRUE(Do({.op = Op::kSet, .flags = kIfAbsent}, {"k", "2"}).wrote);
  EXPECT_FALSE(Do({.op = Op::kSet, .flags = kIfAbsent}, {"k", "3"}).wrote);
  EXPECT_TRUE(Do({.op = Op::kSet, .flags = kIfPresent}, {"k", "4"}).wrote);
  EXPECT_EQ(Get("k").value, "4");
}

TEST_F(StoreTest, Set_WithGet_ReturnsTheOldValueWhetherItWritesOrNot) {
  Answer set = Do({.op = Op::kSet, .flags = kReturnOld}, {"k", "1"});
  EXPECT_EQ(set.kind, PayloadKind::kNone);
  set = Do({.op = Op::kSet, .flags = kReturnOld}, {"k", "2"});
  EXPECT_EQ(set.bytes, "1");
  set = Do({.op = Op::kSet, .flags = kReturnOld | kIfAbsent}, {"k", "3"});
  EXPECT_EQ(set.bytes, "2");
  EXPECT_FALSE(set.wrote);
  EXPECT_EQ(Get("k").value, "2");
}

TEST_F(StoreTest, Set_WithExpectedVersion_IsCompareAndSwap) {
  const Version none{};
  const Answer first = Do({.op = Op::kSet, .expected = none}, {"k", "1"});
  EXPECT_TRUE(first.wrote);
  const Answer again = Do({.op = Op::kSet, .expected = none}, {"k", "2"});
  EXPECT_EQ(again.status, ResultStatus::kConditionFailed);
  EXPECT_EQ(again.version, first.version);
  EXPECT_TRUE(
      Do({.op = Op::kSet, .expected = first.version}, {"k", "3"}).wrote);
  EXPECT_FALSE(Do({.op = Op::kDel, .expected = first.version}, {"k"}).wrote);
  EXPECT_EQ(Get("k").value, "3");
  EXPECT_TRUE(Do({.op = Op::kDel, .expected = Get("k").version}, {"k"}).wrote);
  EXPECT_EQ(store_.key_count(), 0u);
}

TEST_F(StoreTest, IncrBy_CountsAndRefusesWhatIsNoInteger) {
  EXPECT_EQ(Do({.op = Op::kIncrBy, .numbers = {5, 0}}, {"n"}).integer, 5);
  EXPECT_EQ(Do({.op = Op::kIncrBy, .numbers = {-7, 0}}, {"n"}).integer, -2);
  EXPECT_EQ(Get("n").value, "-2");
  Do({.op = Op::kSet}, {"n", "9223372036854775807"});
  EXPECT_EQ(Do({.op = Op::kIncrBy, .numbers = {1, 0}}, {"n"}).status,
            ResultStatus::kOverflow);
  for (const char* text : {"", "1 ", "01", "1.5", "x"}) {
    Do({.op = Op::kSet}, {"n", text});
    EXPECT_EQ(Do({.op = Op::kIncrBy, .numbers = {1, 0}}, {"n"}).status,
              ResultStatus::kNotInteger);
  }
}

TEST_F(StoreTest, Append_GrowsAValueUpToItsLimit) {
  EXPECT_EQ(Do({.op = Op::kAppend}, {"k", "ab"}).integer, 2);
  EXPECT_EQ(Do({.op = Op::kAppend}, {"k", "cd"}).integer, 4);
  const Answer nothing = Do({.op = Op::kAppend}, {"k", ""});
  EXPECT_EQ(nothing.integer, 4);
  EXPECT_FALSE(nothing.wrote);
  EXPECT_EQ(Get("k").value, "abcd");
  const std::string half(kValueBytesMax / 2, 'x');
  EXPECT_EQ(Do({.op = Op::kAppend}, {"big", half}).status, ResultStatus::kOk);
  EXPECT_EQ(Do({.op = Op::kAppend}, {"big", half}).integer,
            static_cast<int64_t>(kValueBytesMax));
  EXPECT_EQ(Do({.op = Op::kAppend}, {"big", "x"}).status,
            ResultStatus::kTooLarge);
}

TEST_F(StoreTest, SetRange_OverwritesAndFillsGapsWithZeros) {
  const auto set = [&](int64_t offset, std::string bytes) {
    return Do({.op = Op::kSetRange, .numbers = {offset, 0}},
              {"k", std::move(bytes)});
  };
  const Answer nothing = set(3, "");
  EXPECT_EQ(nothing.integer, 0);
  EXPECT_FALSE(nothing.wrote);
  EXPECT_EQ(Get("k").state, Lookup::State::kMissing);
  EXPECT_EQ(set(2, "cd").integer, 4);
  EXPECT_EQ(Get("k").value, std::string_view("\0\0cd", 4));
  SetTime(1'000);
  Do({.op = Op::kExpireAt, .expire_at_ms = 5'000}, {"k"});
  EXPECT_EQ(set(1, "bC").integer, 4);
  EXPECT_EQ(Get("k").value, std::string_view("\0bCd", 4));
  EXPECT_EQ(Get("k").expire_at_ms, 5'000);
  EXPECT_EQ(set(4, "e").integer, 5);
  EXPECT_EQ(set(kValueBytesMax, "x").status, ResultStatus::kTooLarge);
  EXPECT_EQ(set(INT64_MAX, "x").status, ResultStatus::kTooLarge);
  EXPECT_EQ(set(-1, "x").status, ResultStatus::kTooLarge);
  EXPECT_EQ(set(kValueBytesMax - 1, "x").integer,
            static_cast<int64_t>(kValueBytesMax));
}

TEST_F(StoreTest, GetRange_CountsAsRedisDoes) {
  Do({.op = Op::kSet}, {"k", "This is a string"});
  const auto range = [&](int64_t start, int64_t end) {
    return Do({.op = Op::kGetRange, .numbers = {start, end}}, {"k"}).bytes;
  };
  EXPECT_EQ(range(0, 3), "This");
  EXPECT_EQ(range(-3, -1), "ing");
  EXPECT_EQ(range(0, -1), "This is a string");
  EXPECT_EQ(range(10, 100), "string");
  EXPECT_EQ(range(5, 3), "");
  EXPECT_EQ(range(-1, -5), "");
  EXPECT_EQ(range(INT64_MIN, INT64_MAX), "This is a string");
  EXPECT_EQ(Do({.op = Op::kGetRange, .numbers = {0, -1}}, {"none"}).bytes, "");
}

TEST_F(StoreTest, SeveralKeys_AreServedInOneCommand) {
  const Slot slot = HashSlot("{t}");
  EXPECT_TRUE(
      Do({.op = Op::kMSet, .slot = slot}, {"{t}a", "1", "{t}b", "2"}).wrote);
  EXPECT_EQ(
      Do({.op = Op::kExists, .slot = slot}, {"{t}a", "{t}a", "{t}c"}).integer,
      2);
  const Answer got =
      Do({.op = Op::kMGet, .slot = slot}, {"{t}b", "{t}c", "{t}a"});
  ArrayReader array(got.bytes);
  std::string_view element;
  ASSERT_EQ(array.count(), 3u);
  EXPECT_TRUE(array.Next(&element));
  EXPECT_EQ(element, "2");
  EXPECT_FALSE(array.Next(&element));
  EXPECT_TRUE(array.Next(&element));
  EXPECT_EQ(element, "1");
  EXPECT_EQ(Do({.op = Op::kMSet, .slot = slot, .flags = kIfAbsent},
               {"{t}c", "3", "{t}a", "4"})
                .status,
            ResultStatus::kConditionFailed);
  EXPECT_EQ(
      Do({.op = Op::kDel, .slot = slot}, {"{t}a", "{t}a", "{t}b"}).integer, 2);
  EXPECT_EQ(store_.key_count(), 0u);
}

TEST_F(StoreTest, ExpireAt_FollowsItsConditions) {
  Do({.op = Op::kSet}, {"k", "v"});
  const auto expire = [&](int64_t at_ms, CommandFlags flags) {
    return Do({.op = Op::kExpireAt, .flags = flags, .expire_at_ms = at_ms},
              {"k"})
        .integer;
  };
  EXPECT_EQ(expire(5'000, kIfPresent), 0);
  EXPECT_EQ(expire(5'000, kIfGreater), 0);  // None counts as infinite.
  EXPECT_EQ(expire(5'000, kIfLess), 1);
  EXPECT_EQ(expire(6'000, kIfAbsent), 0);
  EXPECT_EQ(expire(6'000, kIfGreater), 1);
  EXPECT_EQ(expire(7'000, kIfLess), 0);
  EXPECT_EQ(Do({.op = Op::kExpireTime}, {"k"}).integer, 6'000);
  EXPECT_EQ(Do({.op = Op::kPersist}, {"k"}).integer, 1);
  EXPECT_EQ(Do({.op = Op::kPersist}, {"k"}).integer, 0);
  EXPECT_EQ(Do({.op = Op::kExpireTime}, {"k"}).integer, -1);
  EXPECT_EQ(expire(900, 0), 1);  // In the past: removed.
  EXPECT_EQ(Do({.op = Op::kExpireTime}, {"k"}).integer, -2);
  EXPECT_EQ(expire(900, 0), 0);
}

TEST_F(StoreTest, Expiry_IsDecidedByLogTime) {
  Do({.op = Op::kSet, .expire_at_ms = 2'000}, {"k", "v"});
  EXPECT_EQ(Get("k", WallTime(1'999'999'999)).state, Lookup::State::kFound);
  EXPECT_EQ(Get("k", WallTime(2'000'000'000)).state, Lookup::State::kNeedsTime);
  EXPECT_EQ(Get("k").state, Lookup::State::kFound);
  SetTime(2'000);
  EXPECT_EQ(Do({.op = Op::kGet}, {"k"}).status, ResultStatus::kNil);
  EXPECT_EQ(Get("k").state, Lookup::State::kMissing);
  EXPECT_EQ(store_.key_count(), 0u);
  EXPECT_EQ(store_.counters().keys_expired, 1u);
}

TEST_F(StoreTest, LogTime_NeverFalls) {
  SetTime(5'000);
  Do({.op = Op::kGet}, {"k"});
  SetTime(1'000);
  Do({.op = Op::kGet}, {"k"});
  EXPECT_EQ(store_.log_time(), WallTime(5'000'000'000));
}

TEST_F(StoreTest, DueKeys_AreRemovedABoundedNumberPerEntry) {
  for (int i = 0; i < 100; ++i) {
    Do({.op = Op::kSet, .expire_at_ms = 2'000},
       {"{t}" + std::to_string(i), "v"});
  }
  SetTime(3'000);
  store_.Advance(Entry(Buffer()));
  EXPECT_EQ(store_.key_count(), 84u);
  EXPECT_EQ(store_.expiring_key_count(), 84u);
  for (int i = 0; i < 6; ++i) store_.Advance(Entry(Buffer()));
  EXPECT_EQ(store_.key_count(), 0u);
  EXPECT_EQ(store_.Digest(), store_.RecomputeDigest());
}

TEST_F(StoreTest, Set_DropsOrKeepsAnExpiryByItsFlags) {
  Do({.op = Op::kSet, .expire_at_ms = 5'000}, {"k", "1"});
  Do({.op = Op::kSet, .flags = kKeepExpiry}, {"k", "2"});
  EXPECT_EQ(Get("k").expire_at_ms, 5'000);
  Do({.op = Op::kAppend}, {"k", "3"});
  EXPECT_EQ(Get("k").expire_at_ms, 5'000);
  Do({.op = Op::kSet}, {"k", "4"});
  EXPECT_EQ(Get("k").expire_at_ms, 0);
  EXPECT_EQ(store_.expiring_key_count(), 0u);
  Do({.op = Op::kSet, .expire_at_ms = 500}, {"k", "5"});
  EXPECT_EQ(Get("k").state, Lookup::State::kMissing);
}

TEST_F(StoreTest, Atomic_RunsItsCommandsInOrder) {
  const Slot slot = HashSlot("k");
  batch_.BeginAtomic(slot, std::nullopt);
  const std::string_view set[] = {"k", "41"};
  const std::string_view key[] = {"k"};
  batch_.Add({.op = Op::kSet, .slot = slot, .arguments = set});
  batch_.Add(
      {.op = Op::kIncrBy, .slot = slot, .numbers = {1, 0}, .arguments = key});
  batch_.Add({.op = Op::kGet, .slot = slot, .arguments = key});
  batch_.EndAtomic();
  batch_.Add({.op = Op::kGet, .slot = slot, .arguments = key});
  const Buffer results =
      store_.Apply(Entry(batch_.Finish()), /*wants_result=*/true);
  ResultReader reader(results.view());
  ASSERT_EQ(reader.count(), 2u);
  const ResultView atomic = reader.Next();
  EXPECT_TRUE(atomic.wrote);
  ResultReader nested = ResultReader::Nested(atomic);
  ASSERT_TRUE(nested.ok());
  ASSERT_EQ(nested.count(), 3u);
  EXPECT_EQ(nested.Next().status, ResultStatus::kOk);
  EXPECT_EQ(nested.Next().integer, 42);
  const ResultView got = nested.Next();
  EXPECT_EQ(got.bytes, "42");
  EXPECT_EQ(got.version, atomic.version);
  EXPECT_EQ(reader.Next().bytes, "42");
}

TEST_F(StoreTest, Atomic_WithAFailedVersionCheck_DoesNothing) {
  const Slot slot = HashSlot("k");
  const Version version = Do({.op = Op::kSet}, {"k", "1"}).version;
  Do({.op = Op::kSet}, {"k", "2"});
  const std::string_view key[] = {"k"};
  batch_.BeginAtomic(slot, std::nullopt);
  batch_.Add({.op = Op::kCheckVersion,
              .slot = slot,
              .expected = version,
              .arguments = key});
  batch_.Add({.op = Op::kDel, .slot = slot, .arguments = key});
  batch_.EndAtomic();
  const Answer atomic = Apply().at(0);
  EXPECT_EQ(atomic.status, ResultStatus::kConditionFailed);
  EXPECT_EQ(Get("k").value, "2");
}

TEST_F(StoreTest, SlotOfOthers_IsRefusedWithoutATrace) {
  const uint64_t sessions = store_.session_count();
  const Answer refused = Do(
      {.op = Op::kSet, .slot = Slot(16001), .session = Stamp(1)}, {"k", "v"});
  EXPECT_EQ(refused.status, ResultStatus::kNotOwner);
  EXPECT_EQ(OutcomeOf(refused.status), Outcome::kNotExecuted);
  EXPECT_EQ(store_.session_count(), sessions);
  EXPECT_EQ(store_.key_count(), 0u);
}

TEST_F(StoreTest, StampInASlotOfOthers_IsRefusedThoughTheRangeIsOwned) {
  Do({.op = Op::kSet}, {"foo", "1"});
  const uint64_t sessions = store_.session_count();
  const Answer refused = Do({.op = Op::kFlush,
                             .slot = Slot(16001),
                             .session = Stamp(1),
                             .numbers = {0, 16000}},
                            {});
  EXPECT_EQ(refused.status, ResultStatus::kNotOwner);
  EXPECT_EQ(store_.session_count(), sessions);
  EXPECT_EQ(store_.key_count(), 1u);
}

TEST_F(StoreTest, ScanInAnEntry_StepByStep_VisitsEveryKeyOnce) {
  std::set<std::string> left;
  for (int i = 0; i < 500; ++i) {
    const std::string key = absl::StrCat("{t", i % 7, "}", i);
    if (HashSlot(key) > Slot(16000)) continue;
    Do({.op = Op::kSet}, {key, "v"});
    left.insert(key);
  }
  const auto keys = static_cast<int64_t>(left.size());
  EXPECT_EQ(Do({.op = Op::kKeyCount, .numbers = {0, 16000}}, {}).integer, keys);
  EXPECT_EQ(Do({.op = Op::kKeyCount, .numbers = {0, 16383}}, {}).status,
            ResultStatus::kNotOwner);
  EXPECT_EQ(
      Do({.op = Op::kScan, .numbers = {0, ScanBounds(Slot(16001), 9)}}, {})
          .status,
      ResultStatus::kNotOwner);
  uint64_t cursor = 0;
  int steps = 0;
  do {
    const Answer step = Do({.op = Op::kScan,
                            .slot = CursorSlot(cursor),
                            .numbers = {static_cast<int64_t>(cursor),
                                        ScanBounds(Slot(16000), 20)}},
                           {});
    ArrayReader reader(step.bytes);
    std::string_view bytes;
    ASSERT_TRUE(reader.Next(&bytes));
    ASSERT_TRUE(absl::SimpleAtoi(std::string(bytes), &cursor));
    // About as many as asked for: a page more at most.
    EXPECT_LE(reader.count(), 1u + 20u + 64u);
    while (!reader.done()) {
      ASSERT_TRUE(reader.Next(&bytes));
      EXPECT_EQ(left.erase(std::string(bytes)), 1u) << bytes;
    }
    ASSERT_LT(++steps, 100);
  } while (cursor != 0);
  EXPECT_TRUE(left.empty());
  EXPECT_GT(steps, 3);
}

TEST_F(StoreTest, ScanInAnEntry_LongKeys_StopsAtItsBytes) {
  const std::string tail(16'000, 'x');
  for (int i = 0; i < 200; ++i) {
    Do({.op = Op::kSet}, {absl::StrCat("{t0}", i, tail), "v"});
  }
  const Slot slot = HashSlot("{t0}");
  const Answer step =
      Do({.op = Op::kScan,
          .slot = slot,
          .numbers = {static_cast<int64_t>(MakeCursor(slot, {})),
                      ScanBounds(slot, 1'000'000)}},
         {});
  ArrayReader reader(step.bytes);
  EXPECT_LT(reader.count(), 150u);
  std::string_view next;
  ASSERT_TRUE(reader.Next(&next));
  EXPECT_NE(next, "0");
}

TEST_F(StoreTest, IncrByFloat_KeepsExpiryAndRefusesWhatIsNoNumber) {
  Do({.op = Op::kSet, .expire_at_ms = 9'000}, {"f", "10.50"});
  const Answer sum = Do({.op = Op::kIncrByFloat}, {"f", "0.1"});
  EXPECT_EQ(sum.bytes, "10.6");
  EXPECT_TRUE(sum.wrote);
  EXPECT_EQ(Get("f").value, "10.6");
  EXPECT_EQ(Get("f").expire_at_ms, 9'000);
  EXPECT_EQ(Do({.op = Op::kIncrByFloat}, {"new", "-1e-1"}).bytes, "-0.1");
  Do({.op = Op::kSet}, {"text", "abc"});
  EXPECT_EQ(Do({.op = Op::kIncrByFloat}, {"text", "1"}).status,
            ResultStatus::kNotFloat);
  EXPECT_EQ(Do({.op = Op::kIncrByFloat}, {"new", "x"}).status,
            ResultStatus::kNotFloat);
  EXPECT_EQ(Get("new").value, "-0.1");
}

TEST_F(StoreTest, ExpireAt_IfPresentAndLess_NeedsAnExpiry) {
  const CommandFlags flags = kIfPresent | kIfLess;
  Do({.op = Op::kSet}, {"k", "v"});
  const auto expire = [&](int64_t at) {
    return Do({.op = Op::kExpireAt, .flags = flags, .expire_at_ms = at}, {"k"})
        .integer;
  };
  EXPECT_EQ(expire(9'000), 0);
  Do({.op = Op::kExpireAt, .expire_at_ms = 9'000}, {"k"});
  EXPECT_EQ(expire(9'500), 0);
  EXPECT_EQ(expire(8'000), 1);
  EXPECT_EQ(Get("k").expire_at_ms, 8'000);
}

TEST_F(StoreTest, Flush_EmptiesOwnedSlotsAndKeepsSessions) {
  Do({.op = Op::kSet, .session = Stamp(1)}, {"foo", "1"});
  Do({.op = Op::kSet, .expire_at_ms = 9'000}, {"bar", "2"});
  EXPECT_EQ(Do({.op = Op::kFlush, .numbers = {0, 16383}}, {}).status,
            ResultStatus::kNotOwner);
  EXPECT_EQ(Do({.op = Op::kFlush, .numbers = {0, 16384}}, {}).status,
            ResultStatus::kMalformed);
  EXPECT_EQ(Do({.op = Op::kFlush, .numbers = {0, 16000}}, {}).integer, 2);
  EXPECT_EQ(store_.key_count(), 0u);
  EXPECT_EQ(store_.size_bytes(), 0u);
  EXPECT_EQ(store_.expiring_key_count(), 0u);
  EXPECT_EQ(store_.session_count(), 1u);
  while (store_.Reclaim(1)) {
  }
}

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

TEST_F(ShortSessionsTest, RestoredRow_LivesAsLong) {
  Do({.op = Op::kSet, .session = Stamp(1, 1, 2'000)}, {"k", "1"});
  std::unique_ptr<raft::SnapshotReader> reader = store_.TakeSnapshot();
  std::unique_ptr<raft::SnapshotWriter> writer = store_.BeginRestore({});
  for (Buffer piece = reader->Next(4096); piece.size() > 0;
       piece = reader->Next(4096)) {
    ASSERT_TRUE(writer->Add(piece.view()).ok());
  }
  ASSERT_TRUE(writer->Commit().ok());
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
  EXPECT_EQ(OutcomeOf(second.status), Outcome::kDone);
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

TEST_F(StoreTest, ResultsOfABatchBeyondItsLimit_AreLeftOutUnlessSmall) {
  const std::string half(kValueBytesMax / 2, 'x');
  Do({.op = Op::kAppend}, {"k", half});
  Do({.op = Op::kAppend}, {"k", half});
  Do({.op = Op::kSet}, {"short", "y"});
  const std::string_view keys[] = {"k", "short"};
  const auto get = [&](size_t which) {
    batch_.Add({.op = Op::kGet,
                .slot = HashSlot(keys[which]),
                .arguments = absl::MakeConstSpan(keys).subspan(which, 1)});
  };
  const size_t fit = kEntryResultBytesMax / kValueBytesMax - 1;
  for (size_t i = 0; i < fit + 2; ++i) get(0);
  get(1);
  batch_.Add({.op = Op::kGetDel,
              .slot = HashSlot("k"),
              .arguments = absl::MakeConstSpan(keys).first(1)});
  const std::vector<Answer> answers = Apply();
  EXPECT_EQ(answers[fit - 1].bytes.size(), kValueBytesMax);
  EXPECT_EQ(answers[fit + 1].status, ResultStatus::kResultNotKept);
  EXPECT_EQ(answers[fit + 2].bytes, "y");
  EXPECT_EQ(answers[fit + 3].status, ResultStatus::kResultNotKept);
  EXPECT_TRUE(answers[fit + 3].wrote);
  EXPECT_FALSE(Get("k").found());
}

TEST_F(StoreTest, ReplyBeyondItsLimit_IsRefusedAndChangesNothing) {
  const std::string half(kValueBytesMax / 2, 'x');
  Do({.op = Op::kAppend}, {"k", half});
  Do({.op = Op::kAppend}, {"k", half});
  const size_t fit = kReturnedBytesMax / kValueBytesMax;
  std::vector<std::string_view> keys(fit, "k");
  CommandSpec spec{.op = Op::kMGet, .slot = HashSlot("k"), .arguments = keys};
  batch_.Add(spec);
  keys.push_back("k");
  spec.arguments = keys;
  batch_.Add(spec);
  // The reads before it used up what a transaction may return.
  batch_.BeginAtomic(HashSlot("k"), std::nullopt);
  for (size_t i = 0; i <= fit; ++i) {
    batch_.Add({.op = i == fit ? Op::kGetDel : Op::kGet,
                .slot = HashSlot("k"),
                .arguments = absl::MakeConstSpan(keys).first(1)});
  }
  batch_.EndAtomic();
  const std::vector<Answer> answers = Apply();
  EXPECT_EQ(answers[0].status, ResultStatus::kOk);
  EXPECT_EQ(answers[1].status, ResultStatus::kTooLarge);
  EXPECT_FALSE(answers[2].wrote);
  EXPECT_TRUE(Get("k").found());
}

TEST_F(StoreTest, BadPayload_IsRefusedWhole) {
  const uint64_t before = store_.key_count();
  const Buffer results =
      store_.Apply(Entry(Buffer::Copy("nonsense")), /*wants_result=*/true);
  ResultReader reader(results.view());
  EXPECT_TRUE(reader.ok());
  EXPECT_FALSE(reader.batch_accepted());
  EXPECT_EQ(reader.count(), 0u);
  EXPECT_EQ(store_.key_count(), before);
}

TEST_F(StoreTest, LargeValue_IsSharedWithItsEntry) {
  const std::string large(kSessions.result_bytes_max, 'x');
  Do({.op = Op::kSet}, {"k", large});
  const Lookup found = Get("k");
  ASSERT_NE(found.shared, nullptr);
  EXPECT_EQ(found.shared->view(), large);
  Do({.op = Op::kSet}, {"k", "small"});
  EXPECT_EQ(Get("k").shared, nullptr);
}

TEST_F(StoreTest, Scan_VisitsEveryKeyOfASlotOnce) {
  const Slot slot = HashSlot("{t}");
  for (int i = 0; i < 500; ++i) {
    Do({.op = Op::kSet, .slot = slot}, {"{t}" + std::to_string(i), "v"});
  }
  std::map<std::string, int> seen;
  ScanStep step{.done = false};
  while (!step.done) {
    step = store_.Scan(slot, step.next, 10, WallTime::Min(),
                       [&](std::string_view key, const Lookup& found) {
                         EXPECT_EQ(found.value, "v");
                         ++seen[std::string(key)];
                       });
  }
  EXPECT_EQ(seen.size(), 500u);
  for (const auto& [key, times] : seen) EXPECT_EQ(times, 1) << key;
}

TEST_F(StoreTest, Snapshot_IsTheStateWhenItWasTaken) {
  for (int i = 0; i < 300; ++i) {
    Do({.op = Op::kSet,
        .session =
            Stamp(static_cast<uint64_t>(i) + 1, static_cast<uint64_t>(i) + 1)},
       {"{t}" + std::to_string(i), std::to_string(i)});
  }
  const uint64_t digest = store_.Digest();
  const auto reader = store_.TakeSnapshot();
  Store other({.group = kGroup,
               .hash_key = kHashKey,
               .owned = {{Slot(0), Slot(16000)}}});
  const auto writer = other.BeginRestore({});
  for (int i = 0; i < 400; ++i) {
    const Buffer piece = reader->Next(100);
    if (!piece.empty()) {
      ASSERT_TRUE(writer->Add(piece.view()).ok());
    }
    Do({.op = Op::kSet}, {"{t}" + std::to_string(i), "changed"});
  }
  while (true) {
    const Buffer piece = reader->Next(64 << 10);
    if (piece.empty()) break;
    ASSERT_TRUE(writer->Add(piece.view()).ok());
  }
  ASSERT_TRUE(writer->Commit().ok());
  EXPECT_EQ(other.Digest(), digest);
  EXPECT_EQ(other.RecomputeDigest(), digest);
  EXPECT_EQ(other.owned(), store_.owned());
  EXPECT_GT(store_.counters().pages_copied, 0u);
}

}  // namespace
}  // namespace quorate::kv

// The store command by command, as a client sees it. Random histories against a
// model are in store_model_test.cc, sessions in store_sessions_test.cc.
#include "kv/store/store.h"

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "kv/store/record_pool.h"
#include "kv/store/table.h"
#include "kv/testing/store_fixture.h"

namespace quorate::kv {
namespace {

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
  EXPECT_TRUE(nothing.wrote);
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

// The next leader may begin before the present log time of this one. So what is
// left of a time is not counted from it.
TEST_F(StoreTest, TimeLeft_CountsFromTheKnownLogTime) {
  Do({.op = Op::kSet, .expire_at_ms = 5'000}, {"k", "v"});
  const std::string_view keys[] = {"k"};
  const CommandSpec ttl = {
      .op = Op::kTtl, .slot = HashSlot("k"), .arguments = keys};
  int64_t left = 0;
  EXPECT_TRUE(store_.Read(
      ttl,
      {.known = WallTime(2'000'000'000), .present = WallTime(3'000'000'000)},
      [&](const ResultView& result) { left = result.integer; }));
  EXPECT_EQ(left, 3'000);
}

// A read at a read point leaves the decision to an entry of later log time. A
// stale read goes by log time alone.
TEST_F(StoreTest, Read_OfADueKey_HasAResultByLogTimeAlone) {
  Do({.op = Op::kSet, .expire_at_ms = 2'000}, {"k", "v"});
  const std::string_view keys[] = {"k"};
  for (const Op op :
       {Op::kGet, Op::kStrlen, Op::kGetRange, Op::kExists, Op::kMGet,
        Op::kExpireTime, Op::kType, Op::kTtl, Op::kWatch, Op::kGetBit}) {
    const CommandSpec spec = {
        .op = op, .slot = HashSlot("k"), .arguments = keys};
    EXPECT_FALSE(store_.Read(spec, {.present = WallTime(2'000'000'000)},
                             [](const ResultView&) { FAIL(); }))
        << OpName(op);
    bool done = false;
    EXPECT_TRUE(store_.Read(spec, {}, [&](const ResultView& result) {
      done = true;
      EXPECT_EQ(result.status, ResultStatus::kOk) << OpName(op);
      if (op != Op::kTtl) return;
      EXPECT_EQ(result.integer, 1'000);
    })) << OpName(op);
    EXPECT_TRUE(done) << OpName(op);
  }
}

TEST_F(StoreTest, Read_GivesTheResultOfAnEntry) {
  Do({.op = Op::kSet}, {"{t}a", "value"});
  Do({.op = Op::kSet, .expire_at_ms = 9'000}, {"{t}b", "\x81"});
  Do({.op = Op::kSet, .expire_at_ms = 2'000}, {"{t}due", "old"});
  Do({.op = Op::kSet}, {"{t}long", std::string(8 << 10, 'x')});
  SetTime(3'000);
  store_.Advance(Entry(Buffer()));
  const Slot slot = HashSlot("{t}");
  std::vector<CommandSpec> reads;
  for (const Op op : {Op::kGet, Op::kStrlen, Op::kExpireTime, Op::kTtl,
                      Op::kType, Op::kWatch}) {
    reads.push_back({.op = op, .slot = slot});
  }
  reads.push_back({.op = Op::kGetRange, .slot = slot, .numbers = {-3, -1}});
  reads.push_back({.op = Op::kGetBit, .slot = slot, .numbers = {7}});
  const auto expect_equal = [&](const CommandSpec& spec) {
    ResultBuilder outside(Version{});
    EXPECT_TRUE(store_.Read(
        spec, {}, [&](const ResultView& read) { outside.Add(read); }));
    batch_.Add(spec);
    const Answer inside = Apply().at(0);
    const Buffer results = outside.Finish();
    const Answer read = Own(ResultReader(results.view()).Next());
    EXPECT_EQ(read.status, inside.status) << OpName(spec.op);
    EXPECT_EQ(read.kind, inside.kind) << OpName(spec.op);
    EXPECT_EQ(read.integer, inside.integer) << OpName(spec.op);
    EXPECT_EQ(read.bytes, inside.bytes) << OpName(spec.op);
    // A command about many keys has the version of its entry, if it has one.
    EXPECT_TRUE(read.version == inside.version ||
                (read.version.none() && inside.version.index == index_))
        << OpName(spec.op);
  };
  for (CommandSpec& spec : reads) {
    for (const std::string_view key :
         {"{t}a", "{t}b", "{t}due", "{t}long", "{t}none"}) {
      spec.arguments = absl::MakeConstSpan(&key, 1);
      expect_equal(spec);
    }
  }
  const std::string_view keys[] = {"{t}none", "{t}b", "{t}due", "{t}long"};
  expect_equal({.op = Op::kExists, .slot = slot, .arguments = keys});
  expect_equal({.op = Op::kMGet, .slot = slot, .arguments = keys});
  expect_equal({.op = Op::kKeyCount, .slot = slot, .numbers = {0, 16'000}});
  expect_equal({.op = Op::kScan,
                .slot = slot,
                .numbers = {0, ScanBounds(Slot(16'000), 100)}});
}

// The command on keys of several slots, whose arguments are `words`.
CommandSpec OfSlots(Op op, const std::vector<std::string_view>& keys,
                    std::vector<std::string>* arguments,
                    std::vector<std::string_view>* words) {
  arguments->clear();
  for (const std::string_view key : keys) {
    AppendSlotKey(HashSlot(key), key, &arguments->emplace_back());
  }
  words->assign(arguments->begin(), arguments->end());
  return {.op = op, .slot = HashSlot(keys[0]), .arguments = *words};
}

TEST_F(StoreTest, ReadOfSeveralSlots_GivesTheResultOfOneSlot) {
  const std::vector<std::string_view> keys = {"a", "b", "none", "c", "b"};
  Do({.op = Op::kSet}, {"a", "value"});
  Do({.op = Op::kSet}, {"b", ""});
  Do({.op = Op::kSet, .expire_at_ms = 2'000}, {"c", "due"});
  std::vector<std::string> arguments;
  std::vector<std::string_view> words;
  const CommandSpec get = OfSlots(Op::kMGetOfSlots, keys, &arguments, &words);
  std::vector<std::string> values;
  EXPECT_TRUE(store_.Read(get, {}, [&](const ResultView& read) {
    for (const ResultElement& element : read.elements) {
      values.push_back(element.nil ? "(nil)" : std::string(element.bytes));
    }
  }));
  EXPECT_EQ(values,
            (std::vector<std::string>{"value", "", "(nil)", "due", ""}));
  const auto never = [](const ResultView&) { FAIL() << "it needs time"; };
  EXPECT_FALSE(store_.Read(get, {.present = WallTime(2'000'000'000)}, never));
  batch_.Add(get);
  std::vector<std::string> count_arguments;
  std::vector<std::string_view> count_words;
  batch_.Add(OfSlots(Op::kExistsOfSlots, keys, &count_arguments, &count_words));
  SetTime(2'000);
  const std::vector<Answer> answers = Apply();
  ArrayReader inside(answers.at(0).bytes);
  ASSERT_EQ(inside.count(), 5u);
  std::string_view value;
  EXPECT_TRUE(inside.Next(&value));
  EXPECT_EQ(value, "value");
  EXPECT_TRUE(inside.Next(&value));
  EXPECT_FALSE(inside.Next(&value));
  EXPECT_FALSE(inside.Next(&value));
  EXPECT_EQ(answers.at(1).integer, 3);
}

TEST_F(StoreTest, ReadOfSeveralSlots_NeedsAllOfThem) {
  std::vector<std::string> arguments;
  std::vector<std::string_view> words;
  CommandSpec get = OfSlots(Op::kMGetOfSlots, {"a", "b"}, &arguments, &words);
  EXPECT_EQ(store_.RefusalOfSlots(get), ResultStatus::kOk);
  AppendSlotKey(Slot(16'001), "c", &arguments.emplace_back());
  words.assign(arguments.begin(), arguments.end());
  get.arguments = words;
  EXPECT_EQ(store_.RefusalOfSlots(get), ResultStatus::kNotOwner);
  batch_.Add(get);
  EXPECT_EQ(Apply().at(0).status, ResultStatus::kNotOwner);
  // A slot that does not exist.
  AppendSlotKey(Slot(60'000), "c", &arguments.back().erase());
  words.assign(arguments.begin(), arguments.end());
  get.arguments = words;
  EXPECT_EQ(store_.RefusalOfSlots(get), ResultStatus::kNotOwner);
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

// An entry may have thousands of commands.
TEST_F(StoreTest, EntryOfManyCommands_FreesABoundedNumberOfPages) {
  constexpr size_t kPagesMax = 64;
  constexpr size_t kKeys = 2 * kPagesMax * kPageKeysMax;
  constexpr size_t kCommands = 1'000;
  const auto pool = std::make_shared<RecordPool>();
  Store store({.group = kGroup,
               .hash_key = kHashKey,
               .owned = {{Slot(0), Slot(16000)}},
               .pool = pool});
  const auto add = [&](Op op, size_t number) {
    const std::string key = absl::StrCat("{foo}", number);
    const std::string_view arguments[] = {key, "value"};
    batch_.Add({.op = op,
                .slot = HashSlot(key),
                .arguments = absl::MakeConstSpan(arguments).first(
                    op == Op::kSet ? 2 : 1)});
  };
  for (size_t i = 0; i < kKeys; ++i) {
    add(Op::kSet, i);
    if ((i + 1) % kCommands != 0 && i + 1 < kKeys) continue;
    store.Apply(Entry(batch_.Finish()), /*wants_result=*/false);
  }
  const size_t record_bytes = pool->used_bytes() / kKeys;
  batch_.Add({.op = Op::kFlush, .numbers = {0, 16000}});
  store.Apply(Entry(batch_.Finish()), /*wants_result=*/false);
  ASSERT_EQ(store.key_count(), 0u);
  size_t entries = 0;
  while (store.reclaimable()) {
    const size_t before = pool->used_bytes();
    for (size_t i = 0; i < kCommands; ++i) add(Op::kGet, i);
    store.Apply(Entry(batch_.Finish()), /*wants_result=*/false);
    const size_t records = (before - pool->used_bytes()) / record_bytes;
    EXPECT_LE(records, kPagesMax * (kPageKeysMax + 1));
    ++entries;
  }
  EXPECT_EQ(pool->used_bytes(), 0u);
  EXPECT_GE(entries, 2u);
}

TEST_F(StoreTest, RestoreOverManySessions_FreesABoundedNumberAtOnce) {
  constexpr uint64_t kSessionCount = 3'000;
  constexpr uint64_t kRowsPerStep = 16;
  const auto empty = store_.TakeSnapshot();
  for (uint64_t i = 0; i < kSessionCount; ++i) {
    const std::string key = absl::StrCat("k", i);
    const std::string_view arguments[] = {key};
    SessionStamp stamp = Stamp(1);
    stamp.token.client = ClientId(i + 1);
    batch_.Add({.op = Op::kDel,
                .slot = Slot(static_cast<uint16_t>(i % 3)),
                .session = stamp,
                .arguments = arguments});
  }
  Apply();
  ASSERT_EQ(store_.session_count(), kSessionCount);
  while (store_.Reclaim(64)) {
  }
  const auto writer = store_.BeginRestore({});
  for (Buffer piece = empty->Next(1 << 16); !piece.empty();
       piece = empty->Next(1 << 16)) {
    ASSERT_TRUE(writer->Add(piece.view()).ok());
  }
  ASSERT_TRUE(writer->Commit().ok());
  EXPECT_EQ(store_.session_count(), 0u);
  uint64_t steps = 0;
  while (store_.Reclaim(1)) ++steps;
  EXPECT_GE(steps, kSessionCount / kRowsPerStep);
  EXPECT_LE(steps, 2 * kSessionCount / kRowsPerStep);
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

// A shared value keeps the whole entry in memory, but counts with its own size.
TEST_F(StoreTest, LargeValueAmongOthers_DoesNotKeepItsEntry) {
  const std::string large(33'300, 'x');
  const std::string other(31'000, 'y');
  const std::string_view first[] = {"k", large};
  const std::string_view second[] = {"junk", other};
  batch_.Add({.op = Op::kSet, .slot = HashSlot("k"), .arguments = first});
  batch_.Add({.op = Op::kSet, .slot = HashSlot("junk"), .arguments = second});
  Apply();
  const Lookup found = Get("k");
  EXPECT_EQ(found.value, large);
  if (found.shared != nullptr) {
    EXPECT_LE(found.shared->block_size(), large.size() + large.size() / 7);
  }
  EXPECT_EQ(Get("junk").value, other);
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

// The replicated rules of this version, pinned. A change of a rule must raise
// kRulesVersion, keep the meaning of older batches, and add a golden file.
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "env/little_endian.h"
#include "gtest/gtest.h"
#include "kv/command/command.h"
#include "kv/command/decimal.h"
#include "kv/command/move_command.h"
#include "kv/command/result.h"
#include "kv/command/session_stamp.h"
#include "kv/slots/slot.h"
#include "kv/slots/slot_scan.h"
#include "kv/store/evaluate.h"
#include "kv/store/moves.h"
#include "kv/store/sessions.h"
#include "kv/store/store.h"
#include "kv/testing/golden.h"

namespace quorate::kv {
namespace {

TEST(Rules, OfVersion1_HaveTheseConstants) {
  const std::pair<const char*, std::pair<int64_t, int64_t>> pinned[] = {
      {"kRulesVersion", {kRulesVersion, 1}},
      {"kKeyBytesMax", {kKeyBytesMax, 64 << 10}},
      {"kValueBytesMax", {kValueBytesMax, 1 << 20}},
      {"kReturnedBytesMax", {kReturnedBytesMax, 64 << 20}},
      {"kExpireKeysMax", {kExpireKeysMax, 4'096}},
      {"kScanBytesMax", {kScanBytesMax, 1 << 20}},
      {"Sessions::kRemovedForRoomMax", {Sessions::kRemovedForRoomMax, 64}},
      {"kSessionOutstandingMax", {kSessionOutstandingMax, 128}},
      {"kMoveRangesMax", {kMoveRangesMax, 1'024}},
      {"kPieceBytesMax", {kPieceBytesMax, 448 << 10}},
      {"Moves::kForgottenMax", {Moves::kForgottenMax, 4'096}},
      {"Decimal::kFractionDigits", {Decimal::kFractionDigits, 17}},
      {"Decimal::kTextBytesMax", {Decimal::kTextBytesMax, 5'119}},
      {"Decimal::kExponentMax", {Decimal::kExponentMax, 4'932}},
      {"Decimal::kExponentMin", {Decimal::kExponentMin, -4'950}},
  };
  for (const auto& [name, values] : pinned) {
    EXPECT_EQ(values.first, values.second) << name;
  }
}

// A store and the next batch.
class RulesTest : public ::testing::Test {
 protected:
  explicit RulesTest(const Rules& rules = {})
      : store_({.group = GroupId(4),
                .hash_key = 77,
                .rules = rules,
                .owned = {{Slot(0), Slot(16383)}}}) {}
  void Add(CommandSpec spec, std::vector<std::string_view> arguments) {
    if (!arguments.empty()) spec.slot = HashSlot(arguments[0]);
    spec.arguments = arguments;
    batch_.Add(spec);
  }
  // Applies the batch at log time `now_ms`. Returns its results.
  std::string Apply(int64_t now_ms) {
    raft::Entry entry;
    entry.index = ++index_;
    entry.kind = raft::EntryKind::kCommands;
    entry.log_time = WallTime(now_ms * 1'000'000);
    entry.payload = batch_.Finish();
    return std::string(store_.Apply(entry, /*wants_result=*/true).view());
  }
  // The status of the last result.
  static ResultStatus LastOf(const std::string& results) {
    ResultReader reader(results);
    ResultView result;
    while (!reader.done()) result = reader.Next();
    return result.status;
  }

  Store store_;
  BatchBuilder batch_;
  raft::Index index_{0};
};

// A newer program wrote it. A malformed batch is refused on every replica.
TEST_F(RulesTest, BatchOfNewerRules_NeedsALevelAboveTheKnownOne) {
  Add({.op = Op::kGet}, {"k"});
  const Buffer batch = batch_.Finish();
  EXPECT_EQ(store_.LevelOf(batch), store_.known_level());
  std::string newer(batch.view());
  StoreFixed(newer.data(), kRulesVersion + 1);
  EXPECT_GT(store_.LevelOf(Buffer::Copy(newer)), store_.known_level());
  EXPECT_LE(store_.LevelOf(Buffer::Copy("?")), store_.known_level());
}

TEST_F(RulesTest, AScriptOfEveryOp_HasItsResultsAndDigest) {
  const Version none{};
  Add({.op = Op::kSet, .expire_at_ms = 9'000}, {"{a}1", "one"});
  Add({.op = Op::kSet, .flags = kRelativeExpiry, .expire_at_ms = 500},
      {"{a}2", "2"});
  Add({.op = Op::kMSet}, {"{b}1", "x", "{b}2", "y"});
  Add({.op = Op::kIncrBy, .numbers = {40, 0}}, {"{a}2"});
  Add({.op = Op::kIncrByFloat, .numbers = {100, 0}}, {"{c}", "0.1"});
  Add({.op = Op::kAppend, .numbers = {5, 0}}, {"{b}1", "1234"});
  Add({.op = Op::kAppend, .numbers = {5, 0}}, {"{b}1", "5"});
  Add({.op = Op::kSetRange, .numbers = {2, 5}}, {"{b}2", "zzz"});
  Add({.op = Op::kSetRange, .numbers = {3, 5}}, {"{b}2", "zzz"});
  std::string results = Apply(1'000);
  for (const Op op : {Op::kGet, Op::kStrlen, Op::kExpireTime, Op::kTtl,
                      Op::kType, Op::kExists, Op::kMGet, Op::kWatch}) {
    Add({.op = op}, {"{a}2"});
    Add({.op = op}, {"{a}none"});
  }
  Add({.op = Op::kGetRange, .numbers = {-2, -1}}, {"{a}1"});
  Add({.op = Op::kKeyCount, .numbers = {0, 16383}}, {});
  Add({.op = Op::kScan, .numbers = {0, ScanBounds(Slot(16383), 10)}}, {});
  Add({.op = Op::kExpireAt,
       .flags = kIfAbsent | kRelativeExpiry,
       .expire_at_ms = 700},
      {"{b}1"});
  Add({.op = Op::kPersist}, {"{a}1"});
  Add({.op = Op::kGetDel}, {"{b}2"});
  Add({.op = Op::kDel, .expected = none}, {"{b}3"});
  results += Apply(1'200);
  Add({.op = Op::kWatch}, {"{a}2"});
  Add({.op = Op::kExpire, .numbers = {10, 0}}, {});
  Add({.op = Op::kWatch}, {"{a}2"});
  batch_.BeginAtomic(HashSlot("{b}2"), std::nullopt);
  Add({.op = Op::kCheckVersion,
       .flags = kIfAbsent,
       .expected = Version{GroupId(4), raft::Index(2), 21}},
      {"{b}2"});
  Add({.op = Op::kSet}, {"{b}2", "back"});
  batch_.EndAtomic();
  results += Apply(1'800);
  const Slot slot = HashSlot("{b}");
  Add({.op = Op::kFlush, .numbers = {slot.value(), slot.value()}}, {});
  results += Apply(1'801);
  AppendFixed(&results, store_.Digest());
  testing::ExpectGolden("kv/store/testdata/rules_v1.golden", results);
}

// Which commands write decides which of them abort an EXEC.
TEST_F(RulesTest, AScriptOfBits_HasItsResultsAndDigest) {
  for (const int64_t bit : {0, 1, 14, 35, 33}) {
    Add({.op = Op::kSetBit, .numbers = {bit, 3}}, {"{a}1"});
  }
  Add({.op = Op::kSetBit, .numbers = {2 * 24, 3}}, {"{a}1"});
  Add({.op = Op::kSetBit, .numbers = {-1, 3}}, {"{a}1"});
  std::string results = Apply(1'000);
  for (const int64_t bit : {0, 7, 16, 17, 24, -1}) {
    Add({.op = Op::kGetBit, .numbers = {bit, 0}}, {"{a}1"});
  }
  Add({.op = Op::kGetBit, .numbers = {1, 0}}, {"{a}none"});
  Add({.op = Op::kGet}, {"{a}1"});
  results += Apply(1'001);
  Add({.op = Op::kSet, .expire_at_ms = 900'000}, {"{a}1", "a"});
  for (const char* key : {"{a}1", "{a}2"}) {
    Add({.op = Op::kAppend, .numbers = {448 << 10, 0}}, {key, ""});
    Add({.op = Op::kWatch}, {key});
    // The bits that "a" has, then another one, then one behind the end.
    for (const int64_t bit : {2 * 0, 2 * 7 + 1, 2 * 7, 2 * 15, 2 * 15}) {
      Add({.op = Op::kSetBit, .numbers = {bit, 448 << 10}}, {key});
      Add({.op = Op::kWatch}, {key});
    }
  }
  Add({.op = Op::kExpireTime}, {"{a}1"});
  Add({.op = Op::kGet}, {"{a}1"});
  results += Apply(1'002);
  AppendFixed(&results, store_.Digest());
  testing::ExpectGolden("kv/store/testdata/rules_v1_bits.golden", results);
}

// A due key that a kWatch has seen is gone before its check.
TEST_F(RulesTest, AScriptOfDueKeys_HasItsResultsAndDigest) {
  constexpr int64_t kNowMs = 1'000;
  Add({.op = Op::kSet, .expire_at_ms = kNowMs + 1}, {"{a}1", "a"});
  Add({.op = Op::kSet, .expire_at_ms = kNowMs + 9}, {"{a}2", "b"});
  std::string results = Apply(kNowMs);
  for (const char* key : {"{a}1", "{a}2", "{a}none"}) {
    Add({.op = Op::kWatch}, {key});
  }
  results += Apply(kNowMs + 5);
  Add({.op = Op::kWatch}, {"{a}1"});
  Add({.op = Op::kDel}, {"{a}2"});
  results += Apply(kNowMs + 6);
  AppendFixed(&results, store_.Digest());
  testing::ExpectGolden("kv/store/testdata/rules_v1_due.golden", results);
}

class WritesTest : public RulesTest {
 protected:
  // Whether the command wrote, of a key with the value "a" or without one, and
  // whether its version is a new one then.
  std::pair<bool, bool> Writes(const CommandSpec& spec, bool present,
                               std::vector<std::string_view> arguments) {
    Add({.op = Op::kDel}, {"k"});
    if (present) Add({.op = Op::kSet, .expire_at_ms = 50'000}, {"k", "a"});
    Add({.op = Op::kWatch}, {"k"});
    Add(spec, arguments);
    Add({.op = Op::kWatch}, {"k"});
    Add({.op = Op::kExpireTime}, {"k"});
    const std::string results = Apply(++now_ms_);
    ResultReader reader(results);
    std::vector<ResultView> all;
    while (!reader.done()) all.push_back(reader.Next());
    EXPECT_EQ(all.back().integer, present ? 50'000 : -1);
    const size_t at = all.size() - 3;
    return {all[at].wrote, !(all[at - 1].version == all[at + 1].version)};
  }
  static CommandSpec SetBit(int64_t bit, bool value) {
    return {.op = Op::kSetBit, .numbers = {2 * bit + (value ? 1 : 0), 0}};
  }

  int64_t now_ms_ = 0;
};

// As Redis 7.0.15 does.
TEST_F(WritesTest, SetBit_WritesOnlyIfItChangesTheValue) {
  const std::pair<bool, bool> yes = {true, true};
  const std::pair<bool, bool> no = {false, false};
  EXPECT_EQ(Writes(SetBit(7, true), true, {"k"}), no);
  EXPECT_EQ(Writes(SetBit(0, false), true, {"k"}), no);
  EXPECT_EQ(Writes(SetBit(7, false), true, {"k"}), yes);
  EXPECT_EQ(Writes(SetBit(15, false), true, {"k"}), yes);
  EXPECT_EQ(Writes(SetBit(0, false), false, {"k"}), yes);
}

TEST_F(WritesTest, AppendOfNothing_Writes) {
  const std::pair<bool, bool> yes = {true, true};
  EXPECT_EQ(Writes({.op = Op::kAppend}, true, {"k", ""}), yes);
  EXPECT_EQ(Writes({.op = Op::kAppend}, false, {"k", ""}), yes);
}

// The commands on keys of several slots.
class SlotsRulesTest : public RulesTest {
 protected:
  void AddOfSlots(Op op, const std::vector<std::string_view>& keys) {
    std::vector<std::string> arguments;
    for (const std::string_view key : keys) {
      AppendSlotKey(HashSlot(key), key, &arguments.emplace_back());
    }
    const std::vector<std::string_view> words(arguments.begin(),
                                              arguments.end());
    batch_.Add({.op = op, .slot = HashSlot(keys[0]), .arguments = words});
  }
};

TEST_F(SlotsRulesTest, AScriptOfTheirOps_HasItsResultsAndDigest) {
  Add({.op = Op::kMSet}, {"{a}1", "x", "{a}2", ""});
  Add({.op = Op::kSet, .expire_at_ms = 1'001}, {"b", "due"});
  for (const Op op : {Op::kMGetOfSlots, Op::kExistsOfSlots}) {
    AddOfSlots(op, {"{a}1", "b", "none", "{a}2", "b"});
  }
  std::string results = Apply(1'000);
  for (const Op op : {Op::kMGetOfSlots, Op::kExistsOfSlots}) {
    AddOfSlots(op, {"{a}1", "b", "{a}1"});
  }
  results += Apply(1'001);
  AppendFixed(&results, store_.Digest());
  testing::ExpectGolden("kv/store/testdata/rules_v1_slots.golden", results);
}

// The steps of moves: the group is a source, and a destination.
class MoveRulesTest : public RulesTest {
 protected:
  void AddStep(const MoveStep& step) {
    const std::string argument = EncodeMoveStep(step);
    const std::string_view arguments[] = {argument};
    batch_.Add(MoveCommand(step, arguments));
  }
  static MovePlan PlanOf(uint64_t id, std::string_view key, uint64_t epoch) {
    const Slot slot = HashSlot(key);
    return {.id = MoveId(id),
            .from = GroupId(4),
            .to = GroupId(5),
            .epoch = SlotEpoch(epoch),
            .slots = {{slot, slot}}};
  }
};

TEST_F(MoveRulesTest, AScriptOfAllSteps_HasTheirAnswersAndDigest) {
  const MovePlan plan = PlanOf(1, "{a}", 1);
  Add({.op = Op::kSet}, {"{a}1", "one"});
  AddStep(TrackStep{plan});
  Add({.op = Op::kSet}, {"{a}2", "two"});
  Add({.op = Op::kDel}, {"{a}1"});
  AddStep(TrackStep{.plan = plan, .acknowledged = ChangeNumber(1)});
  AddStep(FreezeStep{plan.id});
  Add({.op = Op::kGet}, {"{a}2"});
  AddStep(AbortStep{plan, 1});
  AddStep(TrackStep{PlanOf(2, "{a}", 1)});
  AddStep(FreezeStep{MoveId(2)});
  AddStep(ReleaseStep{PlanOf(2, "{a}", 1), 1});
  AddStep(ReleaseStep{PlanOf(2, "{a}", 1), 1});
  std::string results = Apply(1'000);
  AppendFixed(&results, store_.Digest());
  // The slot comes back, with one key.
  MovePlan back = PlanOf(3, "{a}", 2);
  std::swap(back.from, back.to);
  const Slot slot = back.slots[0].first;
  Store other({.group = GroupId(5),
               .hash_key = 77,
               .owned = {{slot, slot, SlotEpoch(1)}}});
  Add({.op = Op::kSet}, {"{a}3", "three"});
  AddStep(TrackStep{back});
  AddStep(FreezeStep{back.id});
  raft::Entry entry;
  entry.index = raft::Index(9);
  entry.log_time = WallTime(7'000'000'000);
  entry.payload = batch_.Finish();
  other.Apply(entry, /*wants_result=*/false);
  const auto reader = other.ReadSlot(back.id, slot);
  AddStep(PrepareStep{back});
  AddStep(StageStep{back.id, reader->Next(20)});
  results += Apply(1'001);
  AppendFixed(&results, store_.Digest());
  MoveSeal seal = *other.SealOf(back.id);
  ++seal.digest;
  AddStep(StageStep{back.id, reader->Next()});
  AddStep(SealStep{back.id, seal});
  --seal.digest;
  AddStep(SealStep{back.id, seal});
  AddStep(ActivateStep{back});
  AddStep(ActivateStep{back});
  Add({.op = Op::kGet}, {"{a}3"});
  results += Apply(1'002);
  AppendFixed(&results, store_.Digest());
  EXPECT_EQ(store_.log_time(), WallTime(7'000'000'000));
  testing::ExpectGolden("kv/store/testdata/rules_v1_moves.golden", results);
}

// A made-up program of the next version, which has the rules of this one.
TEST_F(RulesTest, StoreOfANewerProgram_AnnouncesItsLevelAndKnowsItsBatches) {
  const raft::Level next(kRulesVersion + 1);
  Store newer({.group = GroupId(4),
               .owned = {{Slot(0), Slot(16383)}},
               .known_level = next});
  EXPECT_EQ(newer.known_level(), next);
  batch_.SetRules(kRulesVersion + 1);
  Add({.op = Op::kSet}, {"k", "v"});
  raft::Entry entry;
  entry.index = raft::Index(1);
  entry.payload = batch_.Finish();
  EXPECT_EQ(newer.LevelOf(entry.payload), next);
  newer.Apply(entry, /*wants_result=*/false);
  EXPECT_EQ(newer.key_count(), 1u);
}

// A slot of 200 sessions, all of which expire. Each entry removes one row.
class SessionRulesTest : public RulesTest {
 protected:
  static constexpr uint64_t kRows = 200;

  SessionRulesTest()
      : RulesTest(
            {.sessions = {.rows_per_slot_max = kRows, .keys_per_slot_max = 1},
             .expiries_per_entry = 1,
             .expiries_per_command = 0}) {
    for (uint64_t client = 1; client <= kRows; ++client) Use(client, 0);
    Apply(0);
    EXPECT_EQ(store_.session_count(), kRows);
  }
  // Adds a command of a session that is new at `now_ms`.
  void Use(uint64_t client, int64_t now_ms) {
    Add({.op = Op::kSet,
         .session = SessionStamp{.token = {ClientId(client), now_ms + 1'000},
                                 .sequence = Sequence(1),
                                 .floor = Sequence(1)}},
        {"k", "v"});
  }
  static constexpr int64_t kLaterMs = 2'000'000;  // All sessions are expired.
};

TEST_F(SessionRulesTest, NewSessionInAFullSlot_Removes64ExpiredRows) {
  Use(kRows + 1, kLaterMs);
  EXPECT_EQ(LastOf(Apply(kLaterMs)), ResultStatus::kOk);
  EXPECT_EQ(store_.session_count(), kRows - 64 + 1 - 1);
  EXPECT_EQ(store_.Digest(), store_.RecomputeDigest());
}

// Rows that have another maximum are left.
TEST_F(SessionRulesTest, NewIdempotencyKeyInAFullSlot_RemovesNoClient) {
  const uint64_t key = uint64_t{1} << 63;
  Use(key, 1'000);
  Apply(1'000);
  Use(key + 1, 1'500);
  EXPECT_EQ(LastOf(Apply(1'500)), ResultStatus::kTooManySessions);
  EXPECT_EQ(store_.session_count(), kRows + 1);
  Use(key + 1, kLaterMs);
  EXPECT_EQ(LastOf(Apply(kLaterMs)), ResultStatus::kOk);
  EXPECT_EQ(store_.session_count(), kRows + 1 - 1);
}

TEST_F(SessionRulesTest, Expire_RemovesAsManyRows) {
  EXPECT_LE(store_.first_due_ms(), kLaterMs);
  Add({.op = Op::kExpire, .numbers = {50, 0}}, {});
  const std::string results = Apply(kLaterMs);
  EXPECT_EQ(ResultReader(results).Next().integer, 50);
  EXPECT_EQ(store_.session_count(), kRows - 51);
  for (int i = 0; i < 4; ++i) {
    Add({.op = Op::kExpire, .numbers = {50, 0}}, {});
    Apply(kLaterMs);
  }
  EXPECT_EQ(store_.session_count(), 0u);
  EXPECT_FALSE(store_.first_due_ms().has_value());
}

TEST_F(RulesTest, AnEntry_RemovesSixteenDueKeysAndTwoForEachCommand) {
  std::vector<std::string> keys;
  for (int i = 0; i < 100; ++i) keys.push_back(std::to_string(i));
  for (const std::string& key : keys) {
    Add({.op = Op::kSet, .expire_at_ms = 50}, {key, "v"});
  }
  Apply(1);
  const uint64_t before = store_.key_count();
  Apply(60);
  EXPECT_EQ(before - store_.key_count(), 16u);
  Add({.op = Op::kGet}, {"x"});
  Add({.op = Op::kGet}, {"x"});
  Apply(61);
  EXPECT_EQ(before - store_.key_count(), 16u + 20u);
}

TEST_F(RulesTest, AValueLongerThanGrowthAllows_IsReadAndWrittenWithin) {
  const std::string half(300 << 10, 'x');
  for (int i = 0; i < 2; ++i) {
    Add({.op = Op::kAppend}, {"big", half});
    Apply(1 + i);
  }
  const int64_t longest = 448 << 10;
  Add({.op = Op::kAppend, .numbers = {longest, 0}}, {"big", "y"});
  EXPECT_EQ(LastOf(Apply(3)), ResultStatus::kTooLarge);
  Add({.op = Op::kAppend, .numbers = {longest, 0}}, {"big", ""});
  EXPECT_EQ(LastOf(Apply(4)), ResultStatus::kOk);
  Add({.op = Op::kSetRange, .numbers = {(600 << 10) - 1, longest}},
      {"big", "y"});
  EXPECT_EQ(LastOf(Apply(5)), ResultStatus::kOk);
  Add({.op = Op::kSetRange, .numbers = {600 << 10, longest}}, {"big", "y"});
  EXPECT_EQ(LastOf(Apply(6)), ResultStatus::kTooLarge);
  Add({.op = Op::kGetRange, .numbers = {-2, -1}}, {"big"});
  const std::string range = Apply(7);
  EXPECT_EQ(ResultReader(range).Next().bytes, "xy");
}

TEST_F(RulesTest, AnExpiryFromNow_CountsFromTheLogTimeOfItsEntry) {
  Add({.op = Op::kSet, .flags = kRelativeExpiry, .expire_at_ms = 1'000},
      {"k", "v"});
  Add({.op = Op::kTtl}, {"k"});
  const std::string first = Apply(7'000);
  ResultReader reader(first);
  reader.Next();
  EXPECT_EQ(reader.Next().integer, 1'000);
  Add({.op = Op::kExpireTime}, {"k"});
  const std::string second = Apply(7'999);
  EXPECT_EQ(ResultReader(second).Next().integer, 8'000);
  Add({.op = Op::kExists}, {"k"});
  const std::string third = Apply(8'000);
  EXPECT_EQ(ResultReader(third).Next().integer, 0);
  // Further ahead than any time, so the key never expires.
  Add({.op = Op::kSet,
       .flags = kRelativeExpiry,
       .expire_at_ms = std::numeric_limits<int64_t>::max()},
      {"k", "v"});
  Add({.op = Op::kExists}, {"k"});
  EXPECT_EQ(LastOf(Apply(9'000)), ResultStatus::kOk);
  EXPECT_EQ(store_.key_count(), 1u);
}

TEST_F(RulesTest, Expire_RemovesTheCountItIsGiven_AndNoMoreThanItsMaximum) {
  std::vector<std::string> keys;
  for (int i = 0; i < 3'000; ++i) keys.push_back("key" + std::to_string(i));
  for (const std::string& key : keys) {
    Add({.op = Op::kSet, .expire_at_ms = 50}, {key, "v"});
  }
  Apply(1);
  Add({.op = Op::kExpire, .numbers = {1'000, 0}}, {});
  const std::string before = Apply(49);
  EXPECT_EQ(ResultReader(before).Next().integer, 0);
  EXPECT_EQ(store_.key_count(), 3'000u);
  EXPECT_EQ(store_.first_due_ms(), 50);
  Add({.op = Op::kExpire, .numbers = {1'000, 0}}, {});
  const std::string due = Apply(50);
  EXPECT_EQ(ResultReader(due).Next().integer, 1'000);
  EXPECT_TRUE(ResultReader(due).Next().wrote);
  // Each entry removes a few due keys more.
  EXPECT_EQ(store_.key_count(), 3'000u - 1'000 - 18);
  for (const int64_t count : {int64_t{0}, int64_t{-1}, kExpireKeysMax + 1}) {
    Add({.op = Op::kExpire, .numbers = {count, 0}}, {});
    EXPECT_EQ(LastOf(Apply(51)), ResultStatus::kMalformed) << count;
  }
  Add({.op = Op::kExpire, .numbers = {kExpireKeysMax, 0}}, {});
  Apply(52);
  EXPECT_EQ(store_.key_count(), 0u);
  EXPECT_FALSE(store_.first_due_ms().has_value());
  EXPECT_EQ(store_.Digest(), store_.RecomputeDigest());
}

}  // namespace
}  // namespace quorate::kv

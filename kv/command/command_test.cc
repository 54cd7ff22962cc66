#include "kv/command/command.h"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "kv/command/move_command.h"
#include "kv/command/result.h"
#include "kv/slots/slot.h"
#include "kv/store/store.h"
#include "kv/testing/golden.h"
#include "rapidcheck/gtest.h"

namespace quorate::kv {
namespace {

const SessionStamp kStamp = {.token = {ClientId(7), 123'456},
                             .sequence = Sequence(5),
                             .floor = Sequence(3)};

std::string WithSlot(Slot slot, std::string_view key) {
  std::string argument;
  AppendSlotKey(slot, key, &argument);
  return argument;
}

const MovePlan kPlan = {.id = MoveId(0x0807060504030201),
                        .from = GroupId(3),
                        .to = GroupId(5),
                        .epoch = SlotEpoch(2),
                        .slots = {{Slot(7), Slot(9)}, {Slot(11), Slot(11)}}};

// One of each kind.
std::vector<MoveStep> SampleSteps() {
  const PieceStream changes = {.changes = true,
                               .from = ChangeNumber(4),
                               .to = ChangeNumber(6),
                               .last = ChangeNumber(70)};
  return {PrepareStep{kPlan, 0x99},
          TrackStep{kPlan, ChangeNumber(4)},
          StageStep{kPlan.id,
                    {.stream = {.slot = Slot(8), .view = raft::Index(60)},
                     .offset = 5,
                     .bytes = "bytes"}},
          StageStep{kPlan.id, {.stream = changes, .ends = true, .bytes = "x"}},
          FreezeStep{kPlan.id},
          SealStep{kPlan.id,
                   {.changes = ChangeNumber(6),
                    .digest = 0x1122334455667788,
                    .log_time = WallTime(9'000'000)}},
          ActivateStep{kPlan},
          ReleaseStep{kPlan, 64},
          AbortStep{kPlan, 65}};
}

// Every op once, with every optional field somewhere.
Buffer SampleBatch() {
  BatchBuilder batch;
  const Slot slot(1234);
  const std::string_view k[] = {"key"};
  const std::string_view kv[] = {"key", "value"};
  const std::string_view two[] = {"a", "b"};
  const std::string_view four[] = {"a", "1", "b", ""};
  const Version version{GroupId(2), raft::Index(99), 3};
  for (const Op op : {Op::kGet, Op::kStrlen, Op::kExpireTime, Op::kType,
                      Op::kGetDel, Op::kPersist}) {
    batch.Add({.op = op, .slot = slot, .arguments = k});
  }
  batch.Add(
      {.op = Op::kGetRange, .slot = slot, .numbers = {-3, 7}, .arguments = k});
  batch.Add({.op = Op::kExists, .slot = slot, .arguments = two});
  batch.Add({.op = Op::kMGet, .slot = slot, .arguments = two});
  batch.Add({.op = Op::kSet,
             .slot = slot,
             .flags = kIfAbsent | kReturnOld,
             .session = kStamp,
             .expire_at_ms = 1'700'000'000'000,
             .arguments = kv});
  batch.Add(
      {.op = Op::kSet, .slot = slot, .expected = version, .arguments = kv});
  batch.Add({.op = Op::kDel, .slot = slot, .arguments = two});
  batch.Add(
      {.op = Op::kDel, .slot = slot, .expected = version, .arguments = k});
  batch.Add({.op = Op::kIncrBy,
             .slot = slot,
             .session = kStamp,
             .numbers = {-1, 0},
             .arguments = k});
  batch.Add({.op = Op::kAppend, .slot = slot, .arguments = kv});
  batch.Add({.op = Op::kMSet, .slot = slot, .arguments = four});
  batch.Add({.op = Op::kExpireAt,
             .slot = slot,
             .flags = kIfGreater,
             .expire_at_ms = 5,
             .arguments = k});
  batch.BeginAtomic(slot, kStamp);
  batch.Add({.op = Op::kCheckVersion,
             .slot = slot,
             .expected = version,
             .arguments = k});
  batch.Add({.op = Op::kSet, .slot = slot, .arguments = kv});
  batch.EndAtomic();
  batch.BeginAtomic(slot, std::nullopt);
  batch.EndAtomic();
  batch.Add({.op = Op::kFlush, .numbers = {0, 16383}});
  batch.Add({.op = Op::kKeyCount, .numbers = {0, 16383}});
  batch.Add({.op = Op::kScan,
             .slot = slot,
             .numbers = {static_cast<int64_t>(MakeCursor(slot, {77})),
                         ScanBounds(Slot(16383), 10)}});
  batch.Add({.op = Op::kIncrByFloat,
             .slot = slot,
             .numbers = {448 << 10, 0},
             .arguments = kv});
  batch.Add({.op = Op::kTtl, .slot = slot, .arguments = k});
  batch.Add({.op = Op::kExpireAt,
             .slot = slot,
             .flags = kRelativeExpiry,
             .expire_at_ms = 5'000,
             .arguments = k});
  batch.BeginAtomic(slot, std::nullopt);
  batch.Add({.op = Op::kWatch, .slot = slot, .arguments = k});
  batch.EndAtomic();
  batch.BeginAtomic(slot, std::nullopt);
  batch.Add({.op = Op::kCheckVersion,
             .slot = slot,
             .flags = kIfAbsent,
             .expected = version,
             .arguments = k});
  batch.EndAtomic();
  batch.Add({.op = Op::kExpire, .numbers = {1'000, 0}});
  batch.Add(
      {.op = Op::kGetBit, .slot = slot, .numbers = {9, 0}, .arguments = k});
  batch.Add(
      {.op = Op::kSetBit, .slot = slot, .numbers = {19, 50}, .arguments = k});
  const std::string here = WithSlot(slot, "a");
  const std::string there = WithSlot(Slot(16'000), "");
  const std::string_view slots[] = {here, there};
  batch.Add({.op = Op::kMGetOfSlots, .slot = slot, .arguments = slots});
  batch.Add({.op = Op::kExistsOfSlots, .slot = slot, .arguments = slots});
  for (const MoveStep& step : SampleSteps()) {
    const std::string argument = EncodeMoveStep(step);
    const std::string_view arguments[] = {argument};
    batch.Add(MoveCommand(step, arguments));
  }
  return batch.Finish();
}

TEST(BatchBuilder, SampleOfEveryOp_HasTheBytesOfItsVersion) {
  testing::ExpectGolden("kv/command/testdata/commands_v1.golden",
                        SampleBatch().view());
}

TEST(MoveStep, Encoding_IsReadAsItWasWritten) {
  for (const MoveStep& step : SampleSteps()) {
    const std::string bytes = EncodeMoveStep(step);
    const std::optional<MoveStep> read = DecodeMoveStep(bytes);
    ASSERT_TRUE(read.has_value());
    EXPECT_EQ(read->index(), step.index());
    EXPECT_EQ(EncodeMoveStep(*read), bytes);
    EXPECT_EQ(IsStageStep(bytes), std::holds_alternative<StageStep>(step));
    if (IsStageStep(bytes)) continue;
    EXPECT_FALSE(DecodeMoveStep(bytes + "x").has_value());
  }
}

TEST(MoveStep, PlanAgainstTheRules_IsRefused) {
  const auto is_read = [](MovePlan plan) {
    return DecodeMoveStep(EncodeMoveStep(PrepareStep{plan})).has_value();
  };
  EXPECT_TRUE(is_read(kPlan));
  MovePlan plan = kPlan;
  plan.id = MoveId();
  EXPECT_FALSE(is_read(plan));
  plan = kPlan;
  plan.to = plan.from;
  EXPECT_FALSE(is_read(plan));
  plan = kPlan;
  plan.epoch = SlotEpoch();
  EXPECT_FALSE(is_read(plan));
  plan = kPlan;
  plan.slots[1] = {Slot(10), Slot(11)};  // They touch.
  EXPECT_FALSE(is_read(plan));
  plan.slots[1] = {Slot(12), Slot(11)};
  EXPECT_FALSE(is_read(plan));
  plan.slots[1] = {Slot(12), Slot(16384)};
  EXPECT_FALSE(is_read(plan));
  plan.slots.clear();
  EXPECT_FALSE(is_read(plan));
  for (uint16_t i = 0; i < kMoveRangesMax; ++i) {
    const Slot slot(static_cast<uint16_t>(2 * i));
    plan.slots.push_back({slot, slot});
  }
  EXPECT_TRUE(is_read(plan));
  plan.slots.push_back({Slot(9'000), Slot(9'000)});
  EXPECT_FALSE(is_read(plan));
}

TEST(MoveStep, PlacesOfSlots_FollowTheRanges) {
  EXPECT_EQ(SlotCountOf(kPlan), 4u);
  for (uint32_t place = 0; place < 4; ++place) {
    EXPECT_EQ(PlaceOf(kPlan, SlotAt(kPlan, place)), place);
  }
  EXPECT_EQ(SlotAt(kPlan, 3), Slot(11));
  EXPECT_FALSE(PlaceOf(kPlan, Slot(10)).has_value());
}

TEST(MoveAnswer, Encoding_IsReadAsItWasWritten) {
  const MoveAnswer answer = {
      .verdict = MoveVerdict::kOutOfPlace,
      .phase = MovePhase::kStaging,
      .place = {.slots = 3,
                .changes = ChangeNumber(4),
                .stream = {.slot = Slot(8), .view = raft::Index(60)},
                .offset = 5},
      .changes = ChangeNumber(6),
      .slots_left = 7};
  std::string bytes = EncodeMoveAnswer(answer);
  EXPECT_EQ(DecodeMoveAnswer(bytes), answer);
  EXPECT_FALSE(DecodeMoveAnswer(bytes + "x").has_value());
  EXPECT_FALSE(DecodeMoveAnswer(bytes.substr(1)).has_value());
  bytes[0] = 2;
  EXPECT_FALSE(DecodeMoveAnswer(bytes).has_value());
}

// No session, and not within a transaction.
TEST(BatchBuilder, MoveStep_IsACommandOfItsOwn) {
  const std::string step = EncodeMoveStep(FreezeStep{kPlan.id});
  const std::string_view arguments[] = {step};
  CommandSpec spec = MoveCommand(FreezeStep{kPlan.id}, arguments);
  const auto is_read = [](BatchBuilder* batch) {
    const Buffer bytes = batch->Finish();
    CommandReader reader(bytes.view());
    CommandView command;
    return reader.Next(&command);
  };
  BatchBuilder batch;
  batch.Add(spec);
  EXPECT_TRUE(is_read(&batch));
  batch.BeginAtomic(Slot(), std::nullopt);
  batch.Add(spec);
  batch.EndAtomic();
  EXPECT_FALSE(is_read(&batch));
  spec.session = kStamp;
  batch.Add(spec);
  EXPECT_FALSE(is_read(&batch));
  // Longer than a key may be.
  const std::string piece = EncodeMoveStep(StageStep{
      kPlan.id,
      {.stream = {.slot = Slot(8)}, .bytes = std::string(100 << 10, 'x')}});
  const std::string_view large[] = {piece};
  batch.Add({.op = Op::kMove, .arguments = large});
  EXPECT_TRUE(is_read(&batch));
}

// A batch of the next version, which a made-up program knows.
TEST(BatchBuilder, Batch_CarriesTheVersionThatItsMakerChose) {
  const std::string_view key[] = {"key"};
  BatchBuilder batch;
  EXPECT_EQ(batch.rules(), kRulesVersion);
  batch.SetRules(kRulesVersion + 1);
  batch.BeginAtomic(HashSlot("key"), std::nullopt);
  batch.Add({.op = Op::kGet, .slot = HashSlot("key"), .arguments = key});
  batch.EndAtomic();
  const Buffer payload = batch.Finish();
  EXPECT_EQ(RulesOf(payload.view()), kRulesVersion + 1);
  CommandReader reader(payload.view());
  EXPECT_EQ(reader.rules(), kRulesVersion + 1);
  CommandView command;
  ASSERT_TRUE(reader.Next(&command));
  EXPECT_EQ(command.rules, kRulesVersion + 1);
  EXPECT_EQ(CommandReader::Nested(command).rules(), kRulesVersion + 1);
}

TEST(CommandReader, BatchWithoutAVersion_IsRefused) {
  std::string payload(SampleBatch().view());
  EXPECT_TRUE(CommandReader(payload).ok());
  payload[0] = 0;
  EXPECT_FALSE(CommandReader(payload).ok());
}

TEST(CommandReader, SampleOfEveryOp_ComesBack) {
  const Buffer payload = SampleBatch();
  CommandReader reader(payload.view());
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ(reader.count(), 41u);
  std::vector<CommandView> commands(reader.count());
  for (CommandView& command : commands) ASSERT_TRUE(reader.Next(&command));
  EXPECT_TRUE(reader.done());
  const CommandView& range = commands[6];
  EXPECT_EQ(range.op, Op::kGetRange);
  EXPECT_EQ(range.numbers[0], -3);
  EXPECT_EQ(range.numbers[1], 7);
  CommandView set = commands[9];
  EXPECT_EQ(set.slot, Slot(1234));
  EXPECT_EQ(set.flags, kIfAbsent | kReturnOld);
  ASSERT_TRUE(set.has_session);
  EXPECT_EQ(set.session, kStamp);
  EXPECT_EQ(set.expire_at_ms, 1'700'000'000'000);
  ASSERT_EQ(set.arguments.count(), 2u);
  EXPECT_EQ(set.arguments.Next(), "key");
  EXPECT_EQ(set.arguments.Next(), "value");
  EXPECT_EQ(commands[10].expected, (Version{GroupId(2), raft::Index(99), 3}));
  const CommandView& atomic = commands[17];
  EXPECT_EQ(atomic.op, Op::kAtomic);
  CommandReader nested = CommandReader::Nested(atomic);
  EXPECT_EQ(nested.count(), 2u);
  CommandView first;
  ASSERT_TRUE(nested.Next(&first));
  EXPECT_EQ(first.op, Op::kCheckVersion);
}

// Whether a command of these arguments, in this slot, is well formed.
bool IsWellFormed(Op op, Slot slot, const std::vector<std::string>& arguments) {
  const std::vector<std::string_view> views(arguments.begin(), arguments.end());
  BatchBuilder batch;
  batch.Add({.op = op, .slot = slot, .arguments = views});
  const Buffer payload = batch.Finish();
  CommandReader reader(payload.view());
  CommandView command;
  return reader.ok() && reader.Next(&command);
}

TEST(CommandReader, KeysOfSeveralSlots_AreBehindTheirSlots) {
  for (const Op op : {Op::kMGetOfSlots, Op::kExistsOfSlots}) {
    const std::string first = WithSlot(Slot(7), "k");
    EXPECT_TRUE(IsWellFormed(op, Slot(7), {first}));
    EXPECT_TRUE(IsWellFormed(op, Slot(7), {first, WithSlot(Slot(8), "")}));
    EXPECT_FALSE(IsWellFormed(op, Slot(7), {}));
    EXPECT_FALSE(IsWellFormed(op, Slot(7), {first, "x"})) << "half a slot";
    EXPECT_FALSE(IsWellFormed(op, Slot(8), {first})) << "of another slot";
    const std::string longest(kKeyBytesMax, 'k');
    EXPECT_TRUE(IsWellFormed(op, Slot(7), {WithSlot(Slot(7), longest)}));
    EXPECT_FALSE(IsWellFormed(op, Slot(7), {WithSlot(Slot(7), longest + "k")}));
  }
  const SlotKey of =
      KeyOf(Op::kMGetOfSlots, Slot(7), WithSlot(Slot(300), "key"));
  EXPECT_EQ(of.slot, Slot(300));
  EXPECT_EQ(KeyOf(Op::kMGet, Slot(7), "key").slot, Slot(7));
}

// A transaction has one slot.
TEST(CommandReader, KeysOfSeveralSlotsInAnAtomic_AreMalformed) {
  const std::string key = WithSlot(Slot(7), "k");
  const std::string_view keys[] = {key};
  BatchBuilder batch;
  batch.BeginAtomic(Slot(7), std::nullopt);
  batch.Add({.op = Op::kMGetOfSlots, .slot = Slot(7), .arguments = keys});
  batch.EndAtomic();
  const Buffer payload = batch.Finish();
  CommandReader reader(payload.view());
  CommandView command;
  EXPECT_FALSE(reader.Next(&command));
}

TEST(BatchBuilder_Finish, KeepsLittleMemory) {
  BatchBuilder batch;
  const std::string value(400'000, 'v');
  const std::string_view arguments[] = {"k", value};
  batch.Add({.op = Op::kSet, .arguments = arguments});
  EXPECT_GE(batch.capacity_bytes(), value.size());
  EXPECT_GE(batch.Finish().size(), value.size());
  EXPECT_LE(batch.capacity_bytes(), BatchBuilder::kKeptBytesMax);
  // It is as good as a new one.
  batch.Add({.op = Op::kSet, .arguments = arguments});
  EXPECT_EQ(batch.count(), 1u);
  const Buffer payload = batch.Finish();
  CommandReader reader(payload.view());
  EXPECT_TRUE(reader.ok());
  EXPECT_EQ(reader.count(), 1u);
}

TEST(BatchBuilder, Sizes_AreKnownBefore) {
  BatchBuilder batch;
  const std::string_view kv[] = {"key", "value"};
  const CommandSpec spec{.op = Op::kSet,
                         .session = kStamp,
                         .expire_at_ms = 1,
                         .expected = Version{},
                         .arguments = kv};
  const size_t before = batch.size_bytes();
  batch.Add(spec);
  EXPECT_EQ(batch.size_bytes(), before + BatchBuilder::EncodedSize(spec));
  const size_t after = batch.size_bytes();
  batch.BeginAtomic(Slot(0), kStamp);
  batch.EndAtomic();
  EXPECT_EQ(batch.size_bytes(), after + BatchBuilder::AtomicOverhead(true));
  const size_t size = batch.size_bytes();
  EXPECT_EQ(batch.Finish().size(), size);
  EXPECT_TRUE(batch.empty());
}

// One command that makes no sense among two that do.
void ExpectMalformed(const CommandSpec& spec) {
  BatchBuilder batch;
  const std::string_view k[] = {"k"};
  batch.Add({.op = Op::kGet, .arguments = k});
  batch.Add(spec);
  batch.Add({.op = Op::kGet, .arguments = k});
  const Buffer payload = batch.Finish();
  CommandReader reader(payload.view());
  ASSERT_TRUE(reader.ok());
  CommandView command;
  EXPECT_TRUE(reader.Next(&command));
  EXPECT_FALSE(reader.Next(&command)) << OpName(spec.op);
  EXPECT_TRUE(reader.Next(&command));
}

TEST(CommandReader, CommandsThatMakeNoSense_AreMalformedAlone) {
  const std::string_view k[] = {"k"};
  const std::string_view two[] = {"k", "v"};
  const std::string_view three[] = {"k", "v", "k"};
  const std::string long_key(kKeyBytesMax + 1, 'k');
  const std::string_view too_long[] = {long_key};
  ExpectMalformed({.op = Op::kGet, .arguments = two});
  ExpectMalformed({.op = Op::kGet});
  ExpectMalformed({.op = Op::kGet, .flags = kIfAbsent, .arguments = k});
  ExpectMalformed({.op = Op::kGet, .expire_at_ms = 1, .arguments = k});
  ExpectMalformed({.op = Op::kGet, .arguments = too_long});
  ExpectMalformed({.op = Op::kMSet, .arguments = three});
  ExpectMalformed(
      {.op = Op::kSet, .flags = kIfAbsent | kIfPresent, .arguments = two});
  ExpectMalformed({.op = Op::kSet,
                   .flags = kKeepExpiry,
                   .expire_at_ms = 1,
                   .arguments = two});
  ExpectMalformed({.op = Op::kSet,
                   .flags = kIfPresent,
                   .expected = Version{},
                   .arguments = two});
  ExpectMalformed({.op = Op::kDel, .expected = Version{}, .arguments = two});
  ExpectMalformed({.op = Op::kExpireAt, .arguments = k});
  ExpectMalformed(
      {.op = Op::kCheckVersion, .expected = Version{}, .arguments = k});
  SessionStamp stamp = kStamp;
  stamp.floor = Sequence(6);
  ExpectMalformed({.op = Op::kGet, .session = stamp, .arguments = k});
  stamp = kStamp;
  stamp.token.client = ClientId(0);
  ExpectMalformed({.op = Op::kGet, .session = stamp, .arguments = k});
}

TEST(CommandReader, AtomicWithWhatMayNotStandInIt_IsMalformed) {
  const std::string_view k[] = {"k"};
  const CommandSpec bad[] = {
      {.op = Op::kGet, .slot = Slot(2), .arguments = k},
      {.op = Op::kGet, .slot = Slot(1), .session = kStamp, .arguments = k},
      {.op = Op::kFlush, .slot = Slot(1)},
      {.op = Op::kKeyCount, .slot = Slot(1)},
      {.op = Op::kScan, .slot = Slot(1)},
  };
  for (const CommandSpec& spec : bad) {
    BatchBuilder batch;
    batch.BeginAtomic(Slot(1), std::nullopt);
    batch.Add(spec);
    batch.EndAtomic();
    const Buffer payload = batch.Finish();
    CommandReader reader(payload.view());
    CommandView command;
    EXPECT_FALSE(reader.Next(&command)) << OpName(spec.op);
  }
  BatchBuilder batch;
  batch.BeginAtomic(Slot(1), std::nullopt);
  batch.Add({.op = Op::kGet, .slot = Slot(1), .arguments = k});
  batch.Add({.op = Op::kCheckVersion,
             .slot = Slot(1),
             .expected = Version{},
             .arguments = k});
  batch.EndAtomic();
  const Buffer payload = batch.Finish();
  CommandReader reader(payload.view());
  CommandView command;
  EXPECT_FALSE(reader.Next(&command)) << "a check behind a command";
}

TEST(CommandReader, EveryCutOfABatch_IsRefusedWhole) {
  const Buffer payload = SampleBatch();
  for (size_t size = 0; size < payload.size(); ++size) {
    EXPECT_FALSE(CommandReader(payload.view().substr(0, size)).ok()) << size;
  }
  EXPECT_FALSE(CommandReader(std::string(payload.view()) + "x").ok());
}

TEST(RequestHash, RetryWithAnotherFloorAndTime_IsTheSameRequest) {
  const std::string_view kv[] = {"key", "value"};
  const std::string_view other[] = {"key", "valuf"};
  const auto hash = [](const CommandSpec& spec) {
    BatchBuilder batch;
    batch.Add(spec);
    const Buffer payload = batch.Finish();
    CommandReader reader(payload.view());
    CommandView command;
    EXPECT_TRUE(reader.Next(&command));
    return RequestHash(1, command);
  };
  SessionStamp later = kStamp;
  later.floor = Sequence(5);
  const CommandSpec spec{
      .op = Op::kSet, .session = kStamp, .expire_at_ms = 5, .arguments = kv};
  CommandSpec again = spec;
  again.session = later;
  again.expire_at_ms = 6;
  EXPECT_EQ(hash(spec), hash(again));
  CommandSpec changed = spec;
  changed.arguments = other;
  EXPECT_NE(hash(spec), hash(changed));
  changed = spec;
  changed.flags = kIfAbsent;
  EXPECT_NE(hash(spec), hash(changed));
  changed = spec;
  changed.expire_at_ms.reset();
  EXPECT_NE(hash(spec), hash(changed));
}

// Applies `bytes` as entries to two stores. Their digests must be equal, and
// the result must say whether the batch is well-formed.
void ApplyToTwo(const std::string& bytes) {
  const StoreOptions options{.group = GroupId(1),
                             .hash_key = 3,
                             .owned = {{Slot(0), Slot(kHashSlotCount - 1)}}};
  Store a(options);
  Store b(options);
  raft::Entry entry;
  for (int i = 1; i <= 2; ++i) {
    entry.index = raft::Index(static_cast<uint64_t>(i));
    entry.log_time = WallTime(100'000'000);
    entry.payload = Buffer::Copy(bytes);
    const Buffer from_a = a.Apply(entry, /*wants_result=*/true);
    b.Apply(entry, /*wants_result=*/false);
    RC_ASSERT(a.Digest() == b.Digest());
    RC_ASSERT(a.Digest() == a.RecomputeDigest());
    ResultReader reader(from_a.view());
    RC_ASSERT(reader.ok());
    const bool well_formed = CommandReader(bytes).ok();
    RC_ASSERT(reader.batch_accepted() == well_formed);
    if (well_formed) RC_ASSERT(reader.count() == CommandReader(bytes).count());
    while (!reader.done()) reader.Next();
  }
}

RC_GTEST_PROP(CommandReader, AnyBytes_HaveTheSameAnswerEverywhere, ()) {
  ApplyToTwo(*rc::gen::arbitrary<std::string>());
}

RC_GTEST_PROP(CommandReader, DamagedBatches_HaveTheSameAnswerEverywhere, ()) {
  std::string bytes(SampleBatch().view());
  const int changes = *rc::gen::inRange(1, 6);
  for (int i = 0; i < changes; ++i) {
    const auto at = *rc::gen::inRange<size_t>(8, bytes.size());
    bytes[at] = *rc::gen::oneOf(
        rc::gen::arbitrary<char>(),
        rc::gen::element<char>(0, 1, 2, 8, 16, 32, 33, 48, 127, -1));
  }
  ApplyToTwo(bytes);
}

TEST(Version, Text_ComesBack) {
  const Version version{GroupId(3), raft::Index(1'000'000'000'000), 17};
  EXPECT_EQ(FormatVersion(version), "3.1000000000000.17");
  EXPECT_EQ(ParseVersion(FormatVersion(version)), version);
  EXPECT_EQ(ParseVersion("0.0.0"), Version{});
  for (const char* text : {"", "1", "1.2", "1.2.3.4", "1.2.x", "-1.2.3",
                           "01.2.3", "1.2.3 ", "4294967296.1.1"}) {
    EXPECT_FALSE(ParseVersion(text).has_value()) << text;
  }
}

TEST(SessionToken, Text_ComesBack) {
  const SessionToken token =
      MakeSessionToken(0xabc, WallTime(5'000'000'000'000), Seconds(600));
  EXPECT_EQ(FormatSessionToken(token), "0000000000000abc-5600000");
  EXPECT_EQ(ParseSessionToken(FormatSessionToken(token)), token);
  for (const char* text : {"", "abc-1", "0000000000000abc", "0000000000000abc-",
                           "0000000000000ABC-1", "0000000000000000-1",
                           "000000000000xabc-1", "0000000000000abc-01"}) {
    EXPECT_FALSE(ParseSessionToken(text).has_value()) << text;
  }
  EXPECT_EQ(MakeSessionToken(0, WallTime(0), Seconds(600)).client, ClientId(1));
}

TEST(SessionToken, OfAKey_IsNeverThatOfAClient) {
  for (const uint64_t bits : {uint64_t{0}, uint64_t{7}, uint64_t{1} << 63}) {
    const auto of_client = MakeSessionToken(bits, WallTime(0), Seconds(1));
    const auto of_key = MakeKeySessionToken(bits, WallTime(0), Seconds(1));
    EXPECT_FALSE(IsKeySession(of_client.client));
    EXPECT_NE(of_client.client, ClientId());
    EXPECT_TRUE(IsKeySession(of_key.client));
    EXPECT_EQ(of_key.open_until_ms, 1'000);
    EXPECT_EQ(ParseSessionToken(FormatSessionToken(of_key)), of_key);
  }
}

}  // namespace
}  // namespace quorate::kv

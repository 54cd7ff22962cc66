#include "kv/store/growth.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kv/command/command.h"
#include "kv/command/move_command.h"
#include "kv/command/session_stamp.h"
#include "kv/slots/slot.h"
#include "kv/store/sessions.h"
#include "kv/store/store.h"
#include "rapidcheck/gtest.h"

namespace quorate::kv {
namespace {

// Clients from here on are Idempotency-Keys.
constexpr uint64_t kFirstKeySession = uint64_t{1} << 63;

// One drawn command: op, key, value, number, session.
struct Drawn {
  Op op;
  std::vector<std::string> arguments;
  CommandFlags flags = 0;
  int64_t number = 0;
  bool session = false;
  uint64_t client = 0;  // Added to the number of its session.
};

Drawn Draw() {
  const std::string tag = "{t}";
  const auto key = [&] {
    return tag + std::string(1, *rc::gen::inRange('a', 'd'));
  };
  const auto value = [] {
    return std::string(*rc::gen::inRange<size_t>(0, 300), 'v');
  };
  Drawn drawn{.op = *rc::gen::element(Op::kSet, Op::kSet, Op::kMSet,
                                      Op::kAppend, Op::kSetRange, Op::kIncrBy,
                                      Op::kIncrByFloat, Op::kSetBit, Op::kDel,
                                      Op::kGetDel, Op::kPersist, Op::kGet)};
  drawn.arguments = {key()};
  drawn.session = *rc::gen::inRange(0, 3) == 0 && !IsRead(drawn.op);
  if (*rc::gen::inRange(0, 2) == 0) drawn.client = kFirstKeySession;
  switch (drawn.op) {
    case Op::kSet:
      drawn.arguments.push_back(*rc::gen::inRange(0, 3) == 0 ? "12" : value());
      if (*rc::gen::inRange(0, 3) == 0) drawn.flags = kReturnOld;
      break;
    case Op::kMSet:
      drawn.arguments.insert(drawn.arguments.end(), {value(), key(), value()});
      break;
    case Op::kAppend:
      drawn.arguments.push_back(value());
      break;
    case Op::kSetRange:
      drawn.arguments.push_back(value());
      drawn.number = *rc::gen::inRange(0, 2'000);
      break;
    case Op::kSetBit:
      drawn.number = *rc::gen::inRange(0, 32'000);
      break;
    case Op::kIncrBy:
      drawn.number = *rc::gen::inRange(-100, 100'000'000);
      break;
    case Op::kIncrByFloat:
      drawn.arguments.push_back(*rc::gen::element<std::string>("1.5", "1e300"));
      break;
    default:
      break;
  }
  return drawn;
}

CommandSpec SpecOf(const Drawn& drawn,
                   const std::vector<std::string_view>& arguments,
                   uint64_t sequence) {
  CommandSpec spec;
  spec.op = drawn.op;
  spec.slot = HashSlot("{t}");
  spec.flags = drawn.flags;
  spec.numbers = {drawn.number, 0};
  spec.arguments = arguments;
  if (drawn.session) {
    // A new session each time.
    spec.session =
        SessionStamp{.token = {ClientId(drawn.client + sequence), 60'000},
                     .sequence = Sequence(1),
                     .floor = Sequence(1)};
  }
  return spec;
}

// Checks one batch against the store that applies it: whatever it does, its
// commands that may grow add no more than their bounds.
void CheckBatch(Store* store, const Buffer& payload, raft::Index index) {
  uint64_t bound = 0;
  CommandReader reader(payload.view());
  CommandView command;
  while (!reader.done()) {
    RC_ASSERT(reader.Next(&command));
    const uint64_t growth = GrowthBound(command);
    RC_ASSERT((growth > 0) == MayGrow(command));
    // A command that is never refused may add the row of a session.
    const bool row = !MayGrow(command) && command.has_session;
    bound += growth + (row ? 1'000 : 0);
  }
  raft::Entry entry;
  entry.term = raft::Term(1);
  entry.index = index;
  entry.kind = raft::EntryKind::kCommands;
  entry.log_time = WallTime(1'000'000'000);
  entry.payload = payload;
  const uint64_t before = store->memory_bytes();
  store->Apply(entry, /*wants_result=*/false);
  RC_ASSERT(store->memory_bytes() <= before + bound);
}

RC_GTEST_PROP(GrowthProp, EveryBatch_AddsAtMostItsBound, ()) {
  Store store({.group = GroupId(7),
               .hash_key = 1,
               .owned = {{Slot(0), Slot(kHashSlotCount - 1)}}});
  uint64_t sequence = 0;
  const int batches = *rc::gen::inRange(1, 30);
  for (int i = 0; i < batches; ++i) {
    BatchBuilder batch;
    const bool atomic = *rc::gen::inRange(0, 4) == 0;
    std::optional<SessionStamp> session;
    if (atomic && *rc::gen::inRange(0, 2) == 0) {
      session = SessionStamp{.token = {ClientId(++sequence), 60'000},
                             .sequence = Sequence(1),
                             .floor = Sequence(1)};
    }
    if (atomic) batch.BeginAtomic(HashSlot("{t}"), session);
    const int commands = *rc::gen::inRange(1, 4);
    for (int j = 0; j < commands; ++j) {
      Drawn drawn = Draw();
      if (atomic) drawn.session = false;
      const std::vector<std::string_view> arguments(drawn.arguments.begin(),
                                                    drawn.arguments.end());
      batch.Add(SpecOf(drawn, arguments, ++sequence));
    }
    if (atomic) batch.EndAtomic();
    CheckBatch(&store, batch.Finish(),
               raft::Index(static_cast<uint64_t>(i) + 1));
  }
}

TEST(Growth_OfCommands_IsThatOfRedis, OfWritesThatMayGrowAlone) {
  const std::vector<std::string_view> key = {"k"};
  for (const Op op : {Op::kGet, Op::kDel, Op::kGetDel, Op::kPersist}) {
    BatchBuilder batch;
    batch.Add({.op = op, .slot = HashSlot("k"), .arguments = key});
    const Buffer payload = batch.Finish();
    CommandReader reader(payload.view());
    CommandView command;
    ASSERT_TRUE(reader.Next(&command));
    EXPECT_FALSE(MayGrow(command)) << OpName(op);
    EXPECT_EQ(GrowthBound(command), 0u) << OpName(op);
  }
}

// Otherwise requests that only delete could fill the memory with their rows.
TEST(Growth_OfADelete, WithAnIdempotencyKey_IsARow) {
  const std::vector<std::string_view> key = {"k"};
  for (const uint64_t client : {uint64_t{5}, kFirstKeySession + 5}) {
    BatchBuilder batch;
    batch.Add({.op = Op::kDel,
               .slot = HashSlot("k"),
               .session = SessionStamp{.token = {ClientId(client), 60'000},
                                       .sequence = Sequence(1),
                                       .floor = Sequence(1)},
               .arguments = key});
    const Buffer payload = batch.Finish();
    CommandReader reader(payload.view());
    CommandView command;
    ASSERT_TRUE(reader.Next(&command));
    const bool grows = client >= kFirstKeySession;
    EXPECT_EQ(MayGrow(command), grows);
    EXPECT_EQ(GrowthBound(command) > Sessions::kRowOverheadBytes, grows);
  }
}

// A destination without room takes no pieces, and all that ends a move.
TEST(Growth, OfTheStepsOfAMove_IsThatOfPieces) {
  const std::string row(41, 'r');
  const MovePlan plan = {.id = MoveId(1),
                         .from = GroupId(1),
                         .to = GroupId(2),
                         .epoch = SlotEpoch(1),
                         .slots = {{Slot(1), Slot(1)}}};
  const auto growth_of = [](const MoveStep& step) {
    const std::string argument = EncodeMoveStep(step);
    const std::string_view arguments[] = {argument};
    BatchBuilder batch;
    batch.Add(MoveCommand(step, arguments));
    const Buffer bytes = batch.Finish();
    CommandReader reader(bytes.view());
    CommandView command;
    EXPECT_TRUE(reader.Next(&command));
    EXPECT_EQ(MayGrow(command), GrowthBound(command) > 0);
    return GrowthBound(command);
  };
  EXPECT_GT(growth_of(StageStep{plan.id, {.bytes = row}}),
            Sessions::kRowOverheadBytes + row.size());
  EXPECT_EQ(growth_of(PrepareStep{plan}), 0u);
  // And room for the last piece.
  EXPECT_EQ(growth_of(PrepareStep{plan, 100}), 600u);
  EXPECT_EQ(growth_of(PrepareStep{plan, 9 << 20}),
            (9u << 20) + 5 * kPieceBytesMax);
  EXPECT_EQ(growth_of(FreezeStep{plan.id}), 0u);
  EXPECT_EQ(growth_of(ActivateStep{plan}), 0u);
  EXPECT_EQ(growth_of(AbortStep{plan, 9}), 0u);
}

}  // namespace
}  // namespace quorate::kv

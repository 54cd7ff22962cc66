// Moves of slots step by step. Random histories are in moves_model_test.cc.
#include "kv/store/moves.h"

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "kv/command/command.h"
#include "kv/command/move_command.h"
#include "kv/command/result.h"
#include "kv/slots/slot.h"
#include "kv/store/store.h"
#include "kv/testing/moves_fixture.h"

namespace quorate::kv {
namespace {

constexpr GroupId kFrom(1);
constexpr GroupId kTo(2);

// Slots of {a} and {b} move. That of {c} stays.
class MovesTest : public testing::Test {
 protected:
  MovesTest()
      : source_(kFrom, {{Slot(0), Slot(16383), SlotEpoch(1)}}),
        target_(kTo, {}) {
    plan_ = PlanOf(1, {"{a}", "{b}"});
  }

  static MovePlan PlanOf(uint64_t id, std::vector<std::string> tags,
                         uint64_t epoch = 2) {
    MovePlan plan = {
        .id = MoveId(id), .from = kFrom, .to = kTo, .epoch = SlotEpoch(epoch)};
    std::vector<uint16_t> slots;
    for (const std::string& tag : tags) slots.push_back(HashSlot(tag).value());
    std::sort(slots.begin(), slots.end());
    for (const uint16_t slot : slots) {
      plan.slots.push_back({Slot(slot), Slot(slot)});
    }
    return plan;
  }

  struct Outcome {
    ResultStatus status;
    bool wrote;
    bool duplicate;
    Version version;
    int64_t integer;
    std::string bytes;
  };
  static Outcome Do(TestGroup* group, CommandSpec spec,
                    std::initializer_list<std::string_view> arguments) {
    const std::vector<std::string_view> list(arguments);
    spec.arguments = list;
    if (!list.empty()) spec.slot = HashSlot(list[0]);
    BatchBuilder batch;
    batch.Add(spec);
    const Buffer results = group->Apply(batch.Finish());
    ResultReader reader(results.view());
    const ResultView view = reader.Next();
    return {view.status,  view.wrote,   view.duplicate,
            view.version, view.integer, std::string(view.bytes)};
  }
  static Outcome Set(TestGroup* group, std::string_view key,
                     std::string_view value,
                     std::optional<int64_t> expire_at_ms = {}) {
    return Do(group, {.op = Op::kSet, .expire_at_ms = expire_at_ms},
              {key, value});
  }
  static Outcome Get(TestGroup* group, std::string_view key) {
    return Do(group, {.op = Op::kGet}, {key});
  }

  // Drives until the phase of the destination, or to the end.
  void Drive(MovePhase until, MoveDecision decision = MoveDecision::kMove,
             MoveDriver::Options options = {}) {
    MoveDriver driver(plan_, &source_, &target_, options);
    for (int i = 0; i < 100'000; ++i) {
      if (until != MovePhase::kNone &&
          target_.StateOf(plan_.id).phase == until) {
        return;
      }
      const auto next = driver.NextStep(decision);
      if (!next.has_value()) return;
      const MoveAnswer answer =
          (next->for_source ? source_ : target_).Step(next->step);
      ASSERT_FALSE(IsRefusal(answer.verdict))
          << MoveVerdictText(answer.verdict);
    }
    FAIL() << "no end";
  }
  void DriveAll() {
    Drive(MovePhase::kSealed);
    Drive(MovePhase::kNone, MoveDecision::kActivate);
  }
  // The step is refused, and changes nothing.
  static void ExpectRefused(TestGroup* group, const MoveStep& step,
                            MoveVerdict verdict) {
    const auto runs = group->store().slot_runs();
    const uint64_t memory = group->store().memory_bytes();
    const size_t moves = group->store().moves().size();
    const MoveAnswer before = group->StateOf(IdOf(step));
    MoveAnswer answer = group->Step(step);
    EXPECT_EQ(answer.verdict, verdict) << MoveVerdictText(answer.verdict);
    MoveAnswer after = group->StateOf(IdOf(step));
    EXPECT_TRUE(after == before);
    EXPECT_EQ(group->store().slot_runs(), runs);
    EXPECT_EQ(group->store().memory_bytes(), memory);
    EXPECT_EQ(group->store().moves().size(), moves);
  }
  static MoveId IdOf(const MoveStep& step) {
    return std::visit(
        [](const auto& one) {
          if constexpr (requires { one.plan; }) {
            return one.plan.id;
          } else {
            return one.move;
          }
        },
        step);
  }
  MoveVerdict Step(TestGroup* group, const MoveStep& step) {
    return group->Step(step).verdict;
  }

  static SessionStamp Stamp(uint64_t sequence) {
    return {.token = {ClientId(9), 600'000},
            .sequence = Sequence(sequence),
            .floor = Sequence(1)};
  }

  TestGroup source_;
  TestGroup target_;
  MovePlan plan_;
};

TEST_F(MovesTest, Move_TakesKeysVersionsExpiriesSessionsAndRemovals) {
  const Outcome plain = Set(&source_, "{a}1", "one");
  Set(&source_, "{a}2", "two", 90'000);
  Set(&source_, "{b}gone", "x");
  Do(&source_, {.op = Op::kDel}, {"{b}gone"});
  const Outcome stayed = Set(&source_, "{c}", "stays");
  const Outcome counted =
      Do(&source_, {.op = Op::kIncrBy, .session = Stamp(1), .numbers = {5, 0}},
         {"{b}n"});
  const Outcome watched = Do(&source_, {.op = Op::kWatch}, {"{b}gone"});
  DriveAll();

  EXPECT_EQ(Get(&source_, "{a}1").status, ResultStatus::kNotOwner);
  EXPECT_EQ(Get(&source_, "{c}").version, stayed.version);
  EXPECT_EQ(source_.store().key_count(), 1u);
  EXPECT_EQ(source_.store().session_count(), 0u);
  const Outcome moved = Get(&target_, "{a}1");
  EXPECT_EQ(moved.bytes, "one");
  EXPECT_EQ(moved.version, plain.version);
  EXPECT_EQ(Do(&target_, {.op = Op::kExpireTime}, {"{a}2"}).integer, 90'000);
  const Outcome again =
      Do(&target_, {.op = Op::kIncrBy, .session = Stamp(1), .numbers = {5, 0}},
         {"{b}n"});
  EXPECT_TRUE(again.duplicate);
  EXPECT_EQ(again.integer, 5);
  EXPECT_EQ(again.version, counted.version);
  EXPECT_EQ(Do(&target_, {.op = Op::kWatch}, {"{b}gone"}).version,
            watched.version);
  target_.SetTime(90'000);
  EXPECT_EQ(Get(&target_, "{a}2").status, ResultStatus::kNil);
  EXPECT_EQ(target_.store().key_count(), 2u);
  EXPECT_TRUE(source_.store().moves().empty());
  EXPECT_TRUE(target_.store().moves().empty());
  for (const SlotRange& range : plan_.slots) {
    EXPECT_TRUE(target_.store().Owns(range.first));
    EXPECT_FALSE(source_.store().Owns(range.first));
  }
}

TEST_F(MovesTest, Prepare_IsRefusedWithAReason) {
  MovePlan other = plan_;
  other.to = GroupId(3);
  ExpectRefused(&target_, PrepareStep{other}, MoveVerdict::kOtherGroup);
  // The source is asked to be the destination of a move back.
  MovePlan back = plan_;
  std::swap(back.from, back.to);
  ExpectRefused(&source_, PrepareStep{back}, MoveVerdict::kOwned);
  back.epoch = SlotEpoch(1);
  ExpectRefused(&source_, PrepareStep{back}, MoveVerdict::kOldEpoch);
  EXPECT_EQ(Step(&target_, PrepareStep{plan_}), MoveVerdict::kDone);
  EXPECT_EQ(Step(&target_, PrepareStep{plan_}), MoveVerdict::kAlready);
  other = plan_;
  other.epoch = SlotEpoch(7);
  ExpectRefused(&target_, PrepareStep{other}, MoveVerdict::kOtherPlan);
  ExpectRefused(&target_, PrepareStep{PlanOf(2, {"{b}"})},
                MoveVerdict::kSlotsBusy);
  EXPECT_EQ(Step(&target_, PrepareStep{PlanOf(2, {"{c}"})}),
            MoveVerdict::kDone);
}

TEST_F(MovesTest, Track_IsRefusedWithAReason) {
  MovePlan other = plan_;
  other.from = GroupId(3);
  ExpectRefused(&source_, TrackStep{other}, MoveVerdict::kOtherGroup);
  MovePlan back = plan_;
  std::swap(back.from, back.to);
  ExpectRefused(&target_, TrackStep{back}, MoveVerdict::kNotOwned);
  ExpectRefused(&source_, TrackStep{plan_, ChangeNumber(1)},
                MoveVerdict::kUnknownMove);
  // One of the slots has come further.
  MovePlan late = PlanOf(3, {"{c}"}, 5);
  EXPECT_EQ(Step(&source_, TrackStep{late}), MoveVerdict::kDone);
  ExpectRefused(&source_, TrackStep{PlanOf(4, {"{a}", "{c}"})},
                MoveVerdict::kSlotsBusy);
  EXPECT_EQ(Step(&source_, TrackStep{plan_}), MoveVerdict::kDone);
  EXPECT_EQ(Step(&source_, TrackStep{plan_}), MoveVerdict::kAlready);
  ExpectRefused(&source_, TrackStep{plan_, ChangeNumber(1)},
                MoveVerdict::kOutOfPlace);
  other = plan_;
  other.to = GroupId(3);
  ExpectRefused(&source_, TrackStep{other}, MoveVerdict::kOtherPlan);
}

TEST_F(MovesTest, UnknownMove_IsRefusedOrOver) {
  const SlotPiece piece = {.stream = {.slot = plan_.slots[0].first}};
  ExpectRefused(&target_, StageStep{plan_.id, piece},
                MoveVerdict::kUnknownMove);
  ExpectRefused(&source_, FreezeStep{plan_.id}, MoveVerdict::kUnknownMove);
  ExpectRefused(&target_, SealStep{plan_.id, {}}, MoveVerdict::kUnknownMove);
  ExpectRefused(&target_, ActivateStep{plan_}, MoveVerdict::kUnknownMove);
  ExpectRefused(&source_, ReleaseStep{plan_, 1}, MoveVerdict::kUnknownMove);
  EXPECT_EQ(Step(&source_, AbortStep{plan_, 1}), MoveVerdict::kAlready);
  DriveAll();
  EXPECT_EQ(Step(&target_, ActivateStep{plan_}), MoveVerdict::kAlready);
  EXPECT_EQ(Step(&source_, ReleaseStep{plan_, 1}), MoveVerdict::kAlready);
  EXPECT_EQ(Step(&source_, TrackStep{plan_}), MoveVerdict::kAlready);
  ExpectRefused(&target_, AbortStep{plan_, 1}, MoveVerdict::kWrongPhase);
  ExpectRefused(&source_, AbortStep{plan_, 1}, MoveVerdict::kWrongPhase);
  // A late copy does not begin the move again.
  ExpectRefused(&target_, PrepareStep{plan_}, MoveVerdict::kOldEpoch);
}

TEST_F(MovesTest, PhasesOutOfOrder_AreRefused) {
  Step(&target_, PrepareStep{plan_});
  Step(&source_, TrackStep{plan_});
  ExpectRefused(&target_, ActivateStep{plan_}, MoveVerdict::kWrongPhase);
  ExpectRefused(&source_, ReleaseStep{plan_, 1}, MoveVerdict::kWrongPhase);
  ExpectRefused(&target_, SealStep{plan_.id, {}}, MoveVerdict::kOutOfPlace);
  const SlotPiece changes = {.stream = {.changes = true, .to = ChangeNumber(1)},
                             .ends = true};
  ExpectRefused(&target_, StageStep{plan_.id, changes},
                MoveVerdict::kOutOfPlace);
  const SlotPiece second = {.stream = {.slot = plan_.slots[1].first},
                            .ends = true};
  ExpectRefused(&target_, StageStep{plan_.id, second},
                MoveVerdict::kOutOfPlace);
  Drive(MovePhase::kSealed);
  EXPECT_EQ(Step(&target_, StageStep{plan_.id, second}), MoveVerdict::kAlready);
  MovePlan other = plan_;
  other.epoch = SlotEpoch(9);
  ExpectRefused(&target_, ActivateStep{other}, MoveVerdict::kOtherPlan);
  ExpectRefused(&source_, ReleaseStep{other, 1}, MoveVerdict::kOtherPlan);
  ExpectRefused(&target_, AbortStep{other, 1}, MoveVerdict::kOtherPlan);
  ExpectRefused(&source_, AbortStep{other, 1}, MoveVerdict::kOtherPlan);
}

TEST_F(MovesTest, StagedSlots_AreInvisibleAndDoNotExpire) {
  Set(&source_, "{a}1", "one", 5'000);
  Set(&source_, "{b}", std::string(500, 'x'));
  Drive(MovePhase::kSealed);
  Store& store = target_.store();
  EXPECT_EQ(store.key_count(), 0u);
  EXPECT_EQ(store.expiring_key_count(), 0u);
  EXPECT_GT(store.memory_bytes(), 500u);
  EXPECT_EQ(store.size_bytes(), source_.store().size_bytes());
  EXPECT_TRUE(store.owned().empty());
  const int64_t slot = plan_.slots[0].first.value();
  for (const Op op : {Op::kKeyCount, Op::kFlush}) {
    EXPECT_EQ(Do(&target_, {.op = op, .numbers = {slot, slot}}, {}).status,
              ResultStatus::kNotOwner);
  }
  EXPECT_EQ(Get(&target_, "{a}1").status, ResultStatus::kNotOwner);
  target_.SetTime(10'000);
  EXPECT_EQ(Do(&target_, {.op = Op::kExpire, .numbers = {100, 0}}, {}).integer,
            0);
  EXPECT_FALSE(store.first_due_ms().has_value());
  // The source has removed the key meanwhile. It goes on from the seal.
  EXPECT_EQ(Step(&target_, ActivateStep{plan_}), MoveVerdict::kDone);
  EXPECT_EQ(Get(&target_, "{a}1").status, ResultStatus::kNil);
  EXPECT_EQ(target_.store().key_count(), 1u);
}

TEST_F(MovesTest, Flush_OfAllOwnedSlotsSparesStagedOnes) {
  TestGroup busy(kTo, {{Slot(0), Slot(10), SlotEpoch(1)}});
  Set(&source_, "{a}1", "one");
  busy.Step(PrepareStep{plan_});
  source_.Step(TrackStep{plan_});
  for (const SlotRange& range : plan_.slots) {
    const auto reader = source_.store().ReadSlot(plan_.id, range.first);
    busy.Step(StageStep{plan_.id, reader->Next()});
  }
  Do(&busy, {.op = Op::kFlush, .numbers = {0, 10}}, {});
  source_.Step(FreezeStep{plan_.id});
  EXPECT_EQ(Step(&busy, SealStep{plan_.id, *source_.store().SealOf(plan_.id)}),
            MoveVerdict::kDone);
}

// Two replicas, one of which was restored, have equal states behind it.
TEST_F(MovesTest, FlushOfATrackedSlotThatLostItsKeys_ChangesNothing) {
  source_.Step(TrackStep{plan_});
  Set(&source_, "{a}1", "one");
  Do(&source_, {.op = Op::kDel}, {"{a}1"});
  const ChangeNumber before = source_.StateOf(plan_.id).changes;
  source_.Restart();
  const int64_t slot = HashSlot("{a}1").value();
  Do(&source_, {.op = Op::kFlush, .numbers = {slot, slot}}, {});
  EXPECT_EQ(source_.StateOf(plan_.id).changes, before);
}

TEST_F(MovesTest, Pieces_AreCutAnywhere) {
  // With its key and version it is longer than an entry may be.
  const std::string half(500 << 10, 'v');
  Do(&source_, {.op = Op::kAppend}, {"{a}long", half});
  Do(&source_, {.op = Op::kAppend}, {"{a}long", half});
  Set(&source_, "{a}short", "s");
  Step(&target_, PrepareStep{plan_});
  Step(&source_, TrackStep{plan_});
  MoveDriver driver(plan_, &source_, &target_, {});
  int pieces = 0;
  for (; target_.StateOf(plan_.id).place.slots < 2; ++pieces) {
    ASSERT_LT(pieces, 10);
    const auto next = driver.NextStep(MoveDecision::kMove);
    const std::string step = EncodeMoveStep(next->step);
    EXPECT_LT(step.size(), size_t{460} << 10);
    EXPECT_EQ(target_.Step(next->step).verdict, MoveVerdict::kDone);
    // The rest of an item is state.
    target_.Restart();
    EXPECT_EQ(target_.StepEncoded(step).verdict, MoveVerdict::kAlready);
  }
  EXPECT_GE(pieces, 4);
  // A change of the long value takes several pieces, too.
  Do(&source_, {.op = Op::kSetRange, .numbers = {5, 0}}, {"{a}long", "w"});
  DriveAll();
  EXPECT_EQ(Do(&target_, {.op = Op::kStrlen}, {"{a}long"}).integer, 1'024'000);
  EXPECT_EQ(
      Do(&target_, {.op = Op::kGetRange, .numbers = {4, 6}}, {"{a}long"}).bytes,
      "vwv");
}

TEST_F(MovesTest, SmallPieces_GiveTheSameSlots) {
  for (int i = 0; i < 40; ++i) {
    Set(&source_, absl::StrCat("{a}", i), std::string(i, 'x'), 90'000 + i);
    Do(&source_,
       {.op = Op::kIncrBy, .session = Stamp(i + 1), .numbers = {1, 0}},
       {"{b}n"});
  }
  Drive(MovePhase::kSealed, MoveDecision::kMove, {.piece_bytes = 1});
  Drive(MovePhase::kNone, MoveDecision::kActivate);
  EXPECT_EQ(target_.store().key_count(), 41u);
  EXPECT_EQ(target_.store().session_count(), 1u);
}

// The next driver reads the same stream, and its pieces end elsewhere.
TEST_F(MovesTest, NextDriverWithOtherPieces_SendsTheRestOfASlot) {
  for (int i = 0; i < 40; ++i) {
    Set(&source_, absl::StrCat("{a}", i), std::string(100, 'x'));
  }
  Step(&target_, PrepareStep{plan_});
  Step(&source_, TrackStep{plan_});
  MoveDriver first(plan_, &source_, &target_, {.piece_bytes = 777});
  for (int i = 0; i < 2; ++i) {
    target_.Step(first.NextStep(MoveDecision::kMove)->step);
  }
  const StagePlace before = target_.StateOf(plan_.id).place;
  ASSERT_GT(before.offset, 0u);
  MoveDriver next(plan_, &source_, &target_, {.piece_bytes = 500});
  EXPECT_EQ(target_.Step(next.NextStep(MoveDecision::kMove)->step).verdict,
            MoveVerdict::kDone);
  EXPECT_GT(target_.StateOf(plan_.id).place.offset, before.offset);
  DriveAll();
  EXPECT_EQ(target_.store().key_count(), 40u);
}

TEST_F(MovesTest, BadPiece_ChangesNothing) {
  Set(&source_, "{a}1", "one");
  Step(&target_, PrepareStep{plan_});
  Step(&source_, TrackStep{plan_});
  const Slot slot = plan_.slots[0].first;
  auto reader = source_.store().ReadSlot(plan_.id, HashSlot("{a}"));
  SlotPiece piece = reader->Next();
  const std::string good(piece.bytes);
  EXPECT_TRUE(piece.ends);
  const auto expect_bad = [&](std::string bytes, bool ends) {
    const SlotPiece bad = {
        .stream = {.slot = slot}, .ends = ends, .bytes = bytes};
    ExpectRefused(&target_, StageStep{plan_.id, bad}, MoveVerdict::kBadPiece);
    EXPECT_EQ(target_.store().size_bytes(), 0u);
  };
  std::string other_slot = good;
  other_slot[1] = static_cast<char>(other_slot[1] + 1);
  expect_bad(other_slot, true);
  std::string unknown = good;
  unknown[0] = 99;
  expect_bad(unknown, false);
  std::string long_key = good;
  long_key[6] = 99;
  expect_bad(long_key, false);
  // The first item is whole, the second one is bad.
  if (HashSlot("{a}") == slot) {
    expect_bad(good + unknown, false);
    expect_bad(good.substr(0, good.size() - 1), true);
  }
  const SlotPiece no_slot = {.stream = {.slot = HashSlot("{c}")}, .ends = true};
  ExpectRefused(&target_, StageStep{plan_.id, no_slot}, MoveVerdict::kBadPiece);
  DriveAll();
  EXPECT_EQ(Get(&target_, "{a}1").bytes, "one");
}

TEST_F(MovesTest, NewStreamOfASlot_ReplacesTheOldOne) {
  Set(&source_, "{a}1", "one");
  Set(&source_, "{b}1", "one");
  Step(&target_, PrepareStep{plan_});
  Step(&source_, TrackStep{plan_});
  const Slot slot = plan_.slots[0].first;
  auto old_reader = source_.store().ReadSlot(plan_.id, slot);
  const std::string first =
      EncodeMoveStep(StageStep{plan_.id, old_reader->Next(40)});
  EXPECT_EQ(target_.StepEncoded(first).verdict, MoveVerdict::kDone);
  // Another leader of the source begins again, behind a change.
  Do(&source_, {.op = Op::kDel}, {"{a}1"});
  Do(&source_, {.op = Op::kDel}, {"{b}1"});
  Set(&source_, "{a}2", "two");
  Set(&source_, "{b}2", "two");
  auto reader = source_.store().ReadSlot(plan_.id, slot);
  EXPECT_EQ(Step(&target_, StageStep{plan_.id, reader->Next(40)}),
            MoveVerdict::kDone);
  // The first one goes on.
  EXPECT_EQ(Step(&target_, StageStep{plan_.id, old_reader->Next()}),
            MoveVerdict::kOutOfPlace);
  EXPECT_EQ(target_.StepEncoded(first).verdict, MoveVerdict::kOutOfPlace);
  EXPECT_EQ(Step(&target_, StageStep{plan_.id, reader->Next()}),
            MoveVerdict::kDone);
  EXPECT_EQ(target_.StateOf(plan_.id).place.slots, 1u);
  DriveAll();
  EXPECT_EQ(target_.store().key_count(), 2u);
}

TEST_F(MovesTest, ChangesDuringTheCopy_Arrive) {
  for (int i = 0; i < 20; ++i) Set(&source_, absl::StrCat("{a}", i), "old");
  Set(&source_, "{b}1", "x");
  Step(&target_, PrepareStep{plan_});
  Step(&source_, TrackStep{plan_});
  MoveDriver driver(plan_, &source_, &target_, {.freeze_at = 0});
  for (int i = 0; i < 2; ++i) {
    Step(&target_, driver.NextStep(MoveDecision::kMove)->step);
  }
  ASSERT_EQ(target_.StateOf(plan_.id).place.slots, 2u);
  Set(&source_, "{a}3", "new");
  Do(&source_, {.op = Op::kDel}, {"{a}4"});
  const int64_t slot = HashSlot("{b}").value();
  Do(&source_, {.op = Op::kFlush, .numbers = {slot, slot}}, {});
  Set(&source_, "{b}2", "y");
  Do(&source_, {.op = Op::kIncrBy, .session = Stamp(1), .numbers = {5, 0}},
     {"{b}n"});
  EXPECT_EQ(source_.store().moves()[0].changes_kept, 8u);
  DriveAll();
  EXPECT_EQ(target_.store().key_count(), 19u + 2u);
  EXPECT_EQ(Get(&target_, "{a}3").bytes, "new");
  EXPECT_EQ(Get(&target_, "{a}4").status, ResultStatus::kNil);
  EXPECT_EQ(Get(&target_, "{b}1").status, ResultStatus::kNil);
  EXPECT_EQ(Get(&target_, "{b}2").bytes, "y");
}

TEST_F(MovesTest, Changes_AreReadInBoundedPartsAndForgotten) {
  Step(&target_, PrepareStep{plan_});
  Step(&source_, TrackStep{plan_});
  const std::string value(1'000, 'v');
  std::vector<std::string> keys;
  for (int i = 0; i < 100; ++i) {
    keys.push_back(absl::StrCat("{a}", i % 50));
    Set(&source_, keys.back(), value);
  }
  const uint64_t before = source_.store().memory_bytes();
  const Store& store = source_.store();
  const auto status = [&] { return source_.store().moves()[0]; };
  EXPECT_EQ(status().changes_kept, 50u);
  EXPECT_EQ(status().at.changes, ChangeNumber(50));
  EXPECT_EQ(status().changes_settled, ChangeNumber(0));
  const ChangeNumber all(50);
  const auto reader = store.ReadChanges(plan_.id, ChangeNumber(0), all, 4'000);
  const SlotPiece piece = reader->Next();
  EXPECT_TRUE(piece.ends);
  EXPECT_LT(piece.bytes.size(), 5'200u);
  EXPECT_EQ(reader->stream().to, ChangeNumber(4));
  EXPECT_EQ(store.ReadChanges(plan_.id, all, all, 1), nullptr);
  EXPECT_EQ(Step(&source_, TrackStep{plan_, ChangeNumber(4)}),
            MoveVerdict::kDone);
  EXPECT_EQ(status().changes_kept, 46u);
  EXPECT_EQ(status().changes_settled, all);
  EXPECT_EQ(store.memory_bytes(), before - 4 * ChangeLog::kChangeBytes);
  EXPECT_EQ(Step(&source_, TrackStep{plan_, ChangeNumber(4)}),
            MoveVerdict::kAlready);
  // Places that may have been read have a new number, once.
  for (int i = 0; i < 100; ++i) Set(&source_, keys[49], "new");
  EXPECT_EQ(status().changes_kept, 46u);
  EXPECT_EQ(status().at.changes, ChangeNumber(51));
  const auto rest = store.ReadChanges(plan_.id, ChangeNumber(4), all, 1 << 20);
  EXPECT_EQ(rest->stream().to, all);
}

// The destination of frozen slots takes a stream in several attempts if it is
// busy. Commands on the slots are refused meanwhile, each in an entry.
TEST_F(MovesTest, ChangesOfFrozenSlots_KeepTheirNameUntilOneMoreChanges) {
  source_.SetTime(10'000);
  Step(&source_, TrackStep{plan_});
  Set(&source_, "{a}1", "one", 20'000);
  Set(&source_, "{a}2", "two");
  Step(&source_, FreezeStep{plan_.id});
  const auto name = [&] {
    return source_.store()
        .ReadChanges(plan_.id, ChangeNumber(0), ChangeNumber(2), 1 << 20)
        ->stream();
  };
  const PieceStream before = name();
  EXPECT_EQ(Set(&source_, "{a}2", "three").status, ResultStatus::kNotOwner);
  Set(&source_, "{c}", "stays");
  EXPECT_EQ(name(), before);
  source_.Restart();
  EXPECT_EQ(name(), before);
  source_.SetTime(30'000);
  Set(&source_, "{c}", "expires the key");
  EXPECT_NE(name(), before);
}

// Keys that are set behind a flush have changed before it, too.
TEST_F(MovesTest, KeysBehindAFlush_ArriveBehindIt) {
  Step(&target_, PrepareStep{plan_});
  Step(&source_, TrackStep{plan_});
  Set(&source_, "{a}1", "old");
  const int64_t slot = HashSlot("{a}").value();
  Do(&source_, {.op = Op::kFlush, .numbers = {slot, slot}}, {});
  Set(&source_, "{a}1", "new");
  Set(&source_, "{a}2", "new");
  DriveAll();
  EXPECT_EQ(Get(&target_, "{a}1").bytes, "new");
  EXPECT_EQ(target_.store().key_count(), 2u);
}

TEST_F(MovesTest, Freeze_RefusesCommandsOnTheSlotsAlone) {
  Set(&source_, "{a}1", "one");
  Step(&source_, TrackStep{plan_});
  EXPECT_EQ(Step(&source_, FreezeStep{plan_.id}), MoveVerdict::kDone);
  EXPECT_EQ(Step(&source_, FreezeStep{plan_.id}), MoveVerdict::kAlready);
  EXPECT_EQ(Set(&source_, "{a}1", "two").status, ResultStatus::kNotOwner);
  EXPECT_EQ(Get(&source_, "{a}1").status, ResultStatus::kNotOwner);
  EXPECT_EQ(
      Do(&source_, {.op = Op::kIncrBy, .session = Stamp(1), .numbers = {1, 0}},
         {"{a}n"})
          .status,
      ResultStatus::kNotOwner);
  EXPECT_EQ(source_.store().session_count(), 0u);
  EXPECT_EQ(Set(&source_, "{c}", "stays").status, ResultStatus::kOk);
  EXPECT_FALSE(source_.store().Owns(HashSlot("{a}")));
  source_.Restart();
  EXPECT_EQ(Get(&source_, "{a}1").status, ResultStatus::kNotOwner);
  EXPECT_EQ(Step(&source_, AbortStep{plan_, 1}), MoveVerdict::kDone);
  EXPECT_EQ(Get(&source_, "{a}1").bytes, "one");
  EXPECT_TRUE(source_.store().moves().empty());
  EXPECT_EQ(source_.store().slot_runs().size(), 1u);
}

TEST_F(MovesTest, SealOfOtherSlots_IsRefused) {
  Set(&source_, "{a}1", "one");
  Step(&target_, PrepareStep{plan_});
  Step(&source_, TrackStep{plan_});
  MoveDriver driver(plan_, &source_, &target_, {});
  for (int i = 0; i < 2; ++i) {
    Step(&target_, driver.NextStep(MoveDecision::kMove)->step);
  }
  ASSERT_EQ(target_.StateOf(plan_.id).place.slots, 2u);
  EXPECT_FALSE(source_.store().SealOf(plan_.id).has_value());
  Step(&source_, FreezeStep{plan_.id});
  const MoveSeal seal = *source_.store().SealOf(plan_.id);
  MoveSeal other = seal;
  ++other.digest;
  ExpectRefused(&target_, SealStep{plan_.id, other}, MoveVerdict::kOtherDigest);
  other = seal;
  other.changes = ChangeNumber(1);
  ExpectRefused(&target_, SealStep{plan_.id, other}, MoveVerdict::kOutOfPlace);
  EXPECT_EQ(Step(&target_, SealStep{plan_.id, seal}), MoveVerdict::kDone);
  EXPECT_EQ(Step(&target_, SealStep{plan_.id, other}), MoveVerdict::kAlready);
}

TEST_F(MovesTest, Activate_RaisesTheLogTime) {
  Set(&source_, "{a}1", "one", 20'000);
  Set(&source_, "{a}2", "two", 40'000);
  source_.SetTime(30'000);
  EXPECT_EQ(Get(&source_, "{a}1").status, ResultStatus::kNil);
  DriveAll();
  EXPECT_EQ(target_.store().log_time(), WallTime(30'000'000'000));
  EXPECT_EQ(Get(&target_, "{a}1").status, ResultStatus::kNil);
  EXPECT_EQ(Get(&target_, "{a}2").bytes, "two");
  // The destination's own clock is behind. Relative times count from there.
  Do(&target_,
     {.op = Op::kSet, .flags = kRelativeExpiry, .expire_at_ms = 1'000},
     {"{a}3", "three"});
  EXPECT_EQ(Do(&target_, {.op = Op::kExpireTime}, {"{a}3"}).integer, 31'000);
  target_.Restart();
  EXPECT_EQ(target_.store().log_time(), WallTime(30'000'000'000));
}

TEST_F(MovesTest, ReleaseAndAbort_RemoveABoundedNumberOfSlots) {
  Set(&source_, "{a}1", "one");
  Set(&source_, "{b}1", "one");
  Drive(MovePhase::kSealed);
  MoveAnswer answer = target_.Step(AbortStep{plan_, 1});
  EXPECT_EQ(answer.phase, MovePhase::kDropping);
  EXPECT_EQ(answer.slots_left, 1u);
  target_.Restart();
  const SlotPiece piece = {.stream = {.slot = plan_.slots[0].first}};
  ExpectRefused(&target_, StageStep{plan_.id, piece}, MoveVerdict::kWrongPhase);
  ExpectRefused(&target_, ActivateStep{plan_}, MoveVerdict::kWrongPhase);
  ExpectRefused(&target_, SealStep{plan_.id, {}}, MoveVerdict::kWrongPhase);
  EXPECT_EQ(target_.Step(AbortStep{plan_, 1}).phase, MovePhase::kNone);
  EXPECT_EQ(target_.store().memory_bytes(), 0u);
  Step(&source_, AbortStep{plan_, 1});

  plan_ = PlanOf(2, {"{a}", "{b}"});
  Drive(MovePhase::kSealed);
  Step(&target_, ActivateStep{plan_});
  answer = source_.Step(ReleaseStep{plan_, 1});
  EXPECT_EQ(answer.phase, MovePhase::kReleasing);
  EXPECT_EQ(answer.slots_left, 1u);
  EXPECT_EQ(source_.store().key_count(), 0u);
  EXPECT_GT(source_.store().size_bytes(), 0u);
  ExpectRefused(&source_, AbortStep{plan_, 1}, MoveVerdict::kWrongPhase);
  source_.Restart();
  EXPECT_EQ(source_.Step(ReleaseStep{plan_, 0}).phase, MovePhase::kNone);
  EXPECT_EQ(source_.store().memory_bytes(), 0u);
}

TEST_F(MovesTest, SlotThatComesBack_HasALaterEpoch) {
  Set(&source_, "{a}1", "one");
  DriveAll();
  MovePlan back = PlanOf(2, {"{a}", "{b}"}, 3);
  std::swap(back.from, back.to);
  MoveDriver driver(back, &target_, &source_, {});
  for (const auto decision : {MoveDecision::kMove, MoveDecision::kActivate}) {
    while (const auto next = driver.NextStep(decision)) {
      EXPECT_FALSE(
          IsRefusal(Step(next->for_source ? &target_ : &source_, next->step)));
    }
  }
  EXPECT_EQ(Get(&source_, "{a}1").bytes, "one");
  EXPECT_EQ(Get(&target_, "{a}1").status, ResultStatus::kNotOwner);
  EXPECT_EQ(source_.store().slot_runs().size(), 5u);
  // Late copies of the steps of the first move.
  EXPECT_EQ(Step(&source_, ReleaseStep{plan_, 9}), MoveVerdict::kAlready);
  EXPECT_EQ(Step(&target_, ActivateStep{plan_}), MoveVerdict::kAlready);
  ExpectRefused(&target_, PrepareStep{plan_}, MoveVerdict::kOldEpoch);
  EXPECT_EQ(Get(&source_, "{a}1").bytes, "one");
}

TEST_F(MovesTest, StepThatCannotBeRead_IsMalformed) {
  const std::string whole = EncodeMoveStep(TrackStep{plan_});
  for (size_t size = 0; size < whole.size(); ++size) {
    const std::string_view cut = std::string_view(whole).substr(0, size);
    EXPECT_EQ(Do(&source_, {.op = Op::kMove}, {cut}).status,
              ResultStatus::kMalformed);
  }
  EXPECT_TRUE(source_.store().moves().empty());
}

}  // namespace
}  // namespace quorate::kv

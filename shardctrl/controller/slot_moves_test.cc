#include "shardctrl/controller/slot_moves.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"
#include "shardctrl/controller/rows.h"
#include "shardctrl/controller/testing/controller_fixture.h"

namespace quorate::shardctrl {
namespace {

using Answer = ControllerAnswer;
using Command = ControllerCommand;
using Outcome = ControllerAnswer::Outcome;

SlotRange Range(uint16_t first, uint16_t last) {
  return {Slot(first), Slot(last)};
}

// Group 1 owns all slots; groups 2 to `groups` own none.
class Moves : public ::testing::Test {
 protected:
  explicit Moves(uint32_t groups = 3) : cluster_(3, groups) {
    cluster_.SettleAll();
  }

  Answer Do(Command::Body body) { return cluster_.Do(std::move(body)); }
  MoveId Begin(uint32_t to, SlotRange slots) {
    const Answer answer =
        Do(Command::MoveSlots{.to = GroupId(to), .slots = {slots}});
    EXPECT_EQ(answer.outcome, Outcome::kDone) << answer.text;
    EXPECT_EQ(answer.moves.size(), 1u);
    return answer.moves.empty() ? MoveId() : answer.moves[0];
  }
  void End(MoveId id) {
    const SlotMove move = *cluster_.state.FindMove(id);
    Do(Command::ReportMoveEnd{id, move.to});
    Do(Command::ReportMoveEnd{id, move.from});
  }
  void Finish(MoveId id) {
    Do(Command::DecideMove{id});
    End(id);
  }
  GroupId OwnerOf(uint16_t slot) const {
    for (const AssignedRun& run : cluster_.state.slots) {
      if (run.slots.Contains(Slot(slot))) return run.group;
    }
    return GroupId();
  }
  std::map<GroupId, uint32_t> OwnedSlots() const {
    std::map<GroupId, uint32_t> counts;
    for (const AssignedRun& run : cluster_.state.slots) {
      counts[run.group] += run.slots.size();
    }
    return counts;
  }
  uint32_t SlotsMovingTo(GroupId group) const {
    uint32_t slots = 0;
    for (const SlotMove& move : cluster_.state.moves) {
      if (move.to == group) slots += move.SlotCount();
    }
    return slots;
  }
  // Refused, with these words, and nothing changed.
  void ExpectRefused(Command::Body body, const std::string& words) {
    const ClusterState before = cluster_.state;
    const Answer answer = Do(std::move(body));
    EXPECT_EQ(answer.outcome, Outcome::kRefused) << answer.text;
    EXPECT_TRUE(absl::StrContains(answer.text, words)) << answer.text;
    EXPECT_TRUE(cluster_.state == before);
  }

  ControlledCluster cluster_;
};

TEST_F(Moves, Decision_ChangesTheOwnerAndTheEpoch) {
  const MoveId id = Begin(2, Range(100, 199));
  EXPECT_EQ(OwnerOf(100), GroupId(1));
  EXPECT_EQ(Do(Command::DecideMove{id}).outcome, Outcome::kDone);
  EXPECT_EQ(OwnerOf(99), GroupId(1));
  EXPECT_EQ(OwnerOf(100), GroupId(2));
  EXPECT_EQ(OwnerOf(199), GroupId(2));
  EXPECT_EQ(OwnerOf(200), GroupId(1));
  ASSERT_EQ(cluster_.state.slots.size(), 3u);
  EXPECT_EQ(cluster_.state.slots[1].epoch, SlotEpoch(2));
  EXPECT_EQ(cluster_.state.FindMove(id)->epoch(), SlotEpoch(2));
  EXPECT_EQ(Do(Command::DecideMove{id}).outcome, Outcome::kAlreadySo);
  ExpectRefused(Command::DecideMove{id, "too late"}, "is done");
  ExpectRefused(Command::CancelMove{id}, "move slots 100-199 to group 1");
  End(id);
  EXPECT_TRUE(cluster_.state.moves.empty());
  ASSERT_EQ(MoveRows(cluster_.state).size(), 1u);
  EXPECT_EQ(MoveRows(cluster_.state)[0].phase, "done");
  EXPECT_EQ(MoveRows(cluster_.state)[0].progress.slots_done, 100u);
  // There and back.
  Finish(Begin(1, Range(100, 199)));
  ASSERT_EQ(cluster_.state.slots.size(), 3u);
  EXPECT_EQ(cluster_.state.slots[1].epoch, SlotEpoch(3));
}

// A verb that is typed again waits for what the first one began.
TEST_F(Moves, WishThatIsStatedAgain_NamesTheMovesThatAreUnderWay) {
  const auto again = [this](Command::Body body, std::vector<MoveId> moves) {
    const ClusterState before = cluster_.state;
    const Answer answer = Do(std::move(body));
    EXPECT_EQ(answer.outcome, Outcome::kAlreadySo) << answer.text;
    EXPECT_EQ(answer.moves, moves) << answer.text;
    EXPECT_TRUE(cluster_.state == before);
    return answer.text;
  };
  const Command::MoveSlots move = {.to = GroupId(2), .slots = {Range(0, 9)}};
  const MoveId first = Begin(2, Range(0, 9));
  EXPECT_EQ(again(move, {first}),
            "group 2 gets these slots: move 1 is under way");
  Do(Command::DecideMove{first});
  again(move, {first});
  // Slots that are in no move get one of their own.
  const Answer more =
      Do(Command::MoveSlots{.to = GroupId(2), .slots = {Range(0, 19)}});
  EXPECT_EQ(more.outcome, Outcome::kDone);
  ASSERT_EQ(more.moves.size(), 2u);
  EXPECT_EQ(more.moves[0], first);
  End(first);
  Finish(more.moves[1]);
  EXPECT_EQ(again(move, {}), "group 2 owns these slots");
  const Answer balanced = Do(Command::Rebalance{});
  ASSERT_EQ(balanced.outcome, Outcome::kDone);
  again(Command::Rebalance{}, balanced.moves);
  for (const MoveId id : balanced.moves) Finish(id);
  again(Command::Rebalance{}, {});
}

TEST_F(Moves, RetirementThatIsStatedAgain_NamesItsMovesUntilTheGroupIsGone) {
  Finish(Begin(2, Range(0, 99)));
  const Answer retired = Do(Command::RetireGroup{GroupId(2)});
  ASSERT_EQ(retired.outcome, Outcome::kDone) << retired.text;
  ASSERT_FALSE(retired.moves.empty());
  Answer again = Do(Command::RetireGroup{GroupId(2)});
  EXPECT_EQ(again.outcome, Outcome::kAlreadySo);
  EXPECT_EQ(again.moves, retired.moves);
  for (const MoveId id : retired.moves) Finish(id);
  EXPECT_EQ(cluster_.state.FindGroup(GroupId(2)), nullptr);
  again = Do(Command::RetireGroup{GroupId(2)});
  EXPECT_EQ(again.outcome, Outcome::kAlreadySo);
  EXPECT_EQ(again.text, "there is no group 2 any more");
  ExpectRefused(Command::RetireGroup{GroupId(99)}, "there is no group 99");
}

TEST_F(Moves, OneSlot_IsSaidAsOne) {
  const Answer answer =
      Do(Command::MoveSlots{.to = GroupId(2), .slots = {Range(7, 7)}});
  ASSERT_EQ(answer.steps.size(), 1u);
  EXPECT_EQ(answer.steps[0], "move 1: 1 slot of group 1 to group 2: 7");
}

TEST_F(Moves, Row_HasTheTimeOfItsEnd) {
  const MoveId id = Begin(2, Range(0, 9));
  EXPECT_EQ(MoveRows(cluster_.state)[0].ended, WallTime(0));
  Finish(id);
  EXPECT_GT(MoveRows(cluster_.state)[0].ended, WallTime(0));
}

TEST_F(Moves, Cancelled_KeepsTheOwnerUntilBothGroupsForgot) {
  const MoveId id = Begin(2, Range(0, 9));
  EXPECT_EQ(Do(Command::CancelMove{id}).outcome, Outcome::kDone);
  EXPECT_EQ(Do(Command::CancelMove{id}).outcome, Outcome::kAlreadySo);
  ExpectRefused(Command::PauseMove{id, true}, "was cancelled");
  ExpectRefused(Command::DecideMove{id}, "was cancelled");
  ExpectRefused(Command::MoveSlots{.to = GroupId(3), .slots = {Range(5, 5)}},
                "wait for its end");
  EXPECT_EQ(MoveRows(cluster_.state)[0].phase, "undo");
  End(id);
  EXPECT_EQ(OwnerOf(5), GroupId(1));
  EXPECT_EQ(MoveRows(cluster_.state)[0].phase, "cancelled");
  EXPECT_EQ(Do(Command::CancelMove{id}).outcome, Outcome::kAlreadySo);
  // A driver that has not heard of it would activate the destination.
  ExpectRefused(Command::DecideMove{id}, "was cancelled");
  EXPECT_EQ(Do(Command::ReportMoveEnd{id, GroupId(1)}).outcome,
            Outcome::kAlreadySo);
}

TEST_F(Moves, WhatCannotBe_IsRefusedInWords) {
  const MoveId id = Begin(2, Range(10, 19));
  ExpectRefused(Command::MoveSlots{.to = GroupId(9), .slots = {Range(1, 2)}},
                "no group 9");
  ExpectRefused(
      Command::MoveSlots{.to = kControllerGroup, .slots = {Range(1, 2)}},
      "owns no slots");
  ExpectRefused(
      Command::MoveSlots{.to = GroupId(2), .slots = {Range(1, 16384)}},
      "the last slot is 16383");
  ExpectRefused(Command::MoveSlots{.to = GroupId(3), .slots = {Range(5, 10)}},
                "slot 10 is in move 1 to group 2");
  ExpectRefused(
      Command::MoveSlots{.to = GroupId(2), .from = GroupId(1), .count = 16384},
      "has only 16374 slots");
  ExpectRefused(
      Command::MoveSlots{.to = GroupId(2), .from = GroupId(2), .count = 1},
      "the same group");
  ExpectRefused(Command::ReportMoveEnd{id, GroupId(1)}, "not decided");
  ExpectRefused(Command::CancelMove{MoveId(7)}, "no move 7");
  ExpectRefused(Command::PauseMove{MoveId(7)}, "no move 7");
  ExpectRefused(Command::RetireGroup{GroupId(2)}, "move 1 brings slots");
  ExpectRefused(Command::RetireGroup{kControllerGroup}, "cannot be retired");
  EXPECT_EQ(Do(Command::MoveSlots{.to = GroupId(2), .slots = {Range(12, 13)}})
                .outcome,
            Outcome::kAlreadySo);
  EXPECT_EQ(
      Do(Command::MoveSlots{.to = GroupId(1), .slots = {Range(0, 9)}}).outcome,
      Outcome::kAlreadySo);
}

TEST_F(Moves, NewGroups_GetNoSlotsBeforeTheyHaveReplicas) {
  const GroupId fresh = Do(Command::CreateGroups{1}).groups[0];
  ExpectRefused(Command::MoveSlots{.to = fresh, .slots = {Range(1, 2)}},
                "no replicas yet");
}

TEST_F(Moves, OfOneGroup_RunInTheirOrderAndPausedOnesDoNotBlock) {
  std::vector<MoveId> ids;
  for (uint16_t i = 0; i < 4; ++i) {
    ids.push_back(Begin(2, Range(i * 10, i * 10)));
  }
  const auto running = [&] {
    const std::vector<MoveId> now = RunningMoves(cluster_.state);
    std::string text;
    for (MoveId id : ids) {
      text += std::binary_search(now.begin(), now.end(), id) ? '1' : '0';
    }
    return text;
  };
  EXPECT_EQ(running(), "1100");
  Do(Command::PauseMove{ids[0], true});
  EXPECT_EQ(running(), "0110");
  EXPECT_EQ(Do(Command::PauseMove{ids[0], true}).outcome, Outcome::kAlreadySo);
  Do(Command::DecideMove{ids[1]});
  EXPECT_EQ(running(), "0011");
  Do(Command::PauseMove{ids[0], false});
  EXPECT_EQ(running(), "1010");
}

TEST_F(Moves, ThatStandWithoutRoom_DoNotBlockOthers) {
  std::vector<MoveId> ids;
  for (uint16_t i = 0; i < 3; ++i) {
    ids.push_back(Begin(2, Range(i * 10, i * 10)));
  }
  MoveProgress progress{.driver = NodeId(1),
                        .term = raft::Term(3),
                        .report = 1,
                        .problem = "no room"};
  Do(Command::ReportMove{ids[0], progress});
  EXPECT_EQ(RunningMoves(cluster_.state), ids);
  // One that copies keeps its place, whatever it lacks.
  ++progress.report;
  progress.source = MovePhase::kTracking;
  Do(Command::ReportMove{ids[0], progress});
  EXPECT_EQ(RunningMoves(cluster_.state),
            std::vector<MoveId>({ids[0], ids[1]}));
}

TEST_F(Moves, RowsOfMovesThatWait_HaveTheReason) {
  std::vector<MoveId> ids;
  for (uint16_t i = 0; i < 4; ++i) {
    ids.push_back(Begin(2, Range(i * 10, i * 10)));
  }
  const auto problem = [&](size_t i) {
    return MoveRows(cluster_.state)[i].problem;
  };
  Do(Command::PauseMove{ids[0], true});
  EXPECT_EQ(problem(0), absl::StrCat("it was paused; to go on, type quoratectl "
                                     "slots resume ",
                                     ids[0].value()));
  EXPECT_EQ(problem(1), "");
  EXPECT_EQ(problem(3), absl::StrCat("it begins after move ", ids[1].value(),
                                     ": a group takes part in at most ",
                                     kMovesOfGroupMax, " moves at a time"));
  MoveProgress progress{.driver = NodeId(1),
                        .term = raft::Term(3),
                        .report = 1,
                        .problem = "no room"};
  Do(Command::ReportMove{ids[1], progress});
  EXPECT_EQ(problem(1), "no room");
  for (const uint32_t node : {1u, 2u}) {
    Do(Command::ReportSilence{NodeId(node)});
  }
  EXPECT_TRUE(absl::StrContains(problem(1),
                                "group 1 has no leader: it has no majority"))
      << problem(1);
}

TEST_F(Moves, Progress_OfAnOlderLeaderIsIgnored) {
  const MoveId id = Begin(2, Range(0, 9));
  MoveProgress progress{.driver = NodeId(1),
                        .term = raft::Term(3),
                        .report = 1,
                        .source = MovePhase::kFrozen,
                        .longest_pause = Milliseconds(30)};
  EXPECT_EQ(Do(Command::ReportMove{id, progress}).outcome, Outcome::kDone);
  EXPECT_EQ(Do(Command::ReportMove{id, progress}).outcome, Outcome::kAlreadySo);
  progress.term = raft::Term(2);
  progress.report = 9;
  EXPECT_EQ(Do(Command::ReportMove{id, progress}).outcome, Outcome::kAlreadySo);
  progress.term = raft::Term(4);
  progress.report = 1;
  progress.source = MovePhase::kTracking;
  progress.longest_pause = Milliseconds(1);
  EXPECT_EQ(Do(Command::ReportMove{id, progress}).outcome, Outcome::kDone);
  const MoveRow row = MoveRows(cluster_.state)[0];
  EXPECT_EQ(row.phase, "copy");
  EXPECT_EQ(row.progress.longest_pause, Milliseconds(30));
}

TEST_F(Moves, Rebalance_CountsMovesUnderWay) {
  const Answer answer = Do(Command::Rebalance{});
  EXPECT_EQ(answer.moves.size(), 2u) << answer.text;
  EXPECT_EQ(answer.steps.size(), 2u);
  EXPECT_EQ(answer.text,
            "2 moves will be made: shares by weight bring group 1 from 16384 "
            "slots to 5462, group 2 from 0 slots to 5461, group 3 from 0 slots "
            "to 5461");
  EXPECT_EQ(Do(Command::Rebalance{}).outcome, Outcome::kAlreadySo);
  for (MoveId id : answer.moves) Finish(id);
  std::map<GroupId, uint32_t> counts = OwnedSlots();
  EXPECT_EQ(counts[GroupId(1)], 5462u);
  EXPECT_EQ(counts[GroupId(2)], 5461u);
  EXPECT_EQ(Do(Command::Rebalance{}).outcome, Outcome::kAlreadySo);
}

TEST_F(Moves, Rebalance_FollowsWeights) {
  for (MoveId id : Do(Command::Rebalance{}).moves) Finish(id);
  const Answer set =
      Do(Command::SetGroup{.group = GroupId(2), .weight = 2 * kGroupWeight});
  EXPECT_EQ(set.text,
            "group 2 has the weight 200; to move slots by it, type quoratectl "
            "rebalance");
  EXPECT_TRUE(cluster_.state.moves.empty());
  EXPECT_EQ(Do(Command::SetGroup{.group = GroupId(2), .weight = 200}).outcome,
            Outcome::kAlreadySo);
  // Slots that are on their way count as arrived.
  const Answer first =
      Do(Command::MoveSlots{.to = GroupId(2), .slots = {{Slot(0), Slot(999)}}});
  ASSERT_EQ(first.moves.size(), 1u);
  const Answer answer = Do(Command::Rebalance{});
  EXPECT_EQ(answer.text,
            "2 moves will be made: shares by weight bring group 1 from 4462 "
            "slots to 4096, group 2 from 6461 slots to 8192, group 3 from 5461 "
            "slots to 4096 (slots in moves count where they go, and stay in "
            "these moves: rebalance again once they have ended)");
  Finish(first.moves[0]);
  for (MoveId id : answer.moves) Finish(id);
  std::map<GroupId, uint32_t> counts = OwnedSlots();
  EXPECT_EQ(counts[GroupId(1)], 4096u);
  EXPECT_EQ(counts[GroupId(2)], 8192u);
}

TEST_F(Moves, Rebalance_MovesReplicasAndSaysWhy) {
  Do(Command::Rebalance{});
  Do(Command::AddNode{.name = "late",
                      .token = ControlledCluster::Token(4),
                      .valid_for = Seconds(60)});
  const NodeId late(4);
  ASSERT_EQ(Do(Command::BindNode{late, ControlledCluster::Token(4),
                                 StoreIncarnation(44)})
                .outcome,
            Outcome::kDone);
  // As if no rule had used the node yet.
  for (GroupRecord& group : cluster_.state.groups) {
    std::erase_if(group.wanted, [&](const WantedReplica& wanted) {
      return wanted.node == late;
    });
  }
  const Answer answer = Do(Command::Rebalance{});
  EXPECT_EQ(answer.outcome, Outcome::kDone);
  ASSERT_FALSE(answer.steps.empty());
  EXPECT_TRUE(absl::StrContains(answer.steps[0], "replica")) << answer.steps[0];
  EXPECT_EQ(Do(Command::Rebalance{}).outcome, Outcome::kAlreadySo);
}

TEST_F(Moves, RetiredGroup_EndsWithItsLastSlot) {
  for (MoveId id : Do(Command::Rebalance{}).moves) Finish(id);
  const Answer earlier =
      Do(Command::MoveSlots{.to = GroupId(1), .from = GroupId(2), .count = 3});
  const Answer answer = Do(Command::RetireGroup{GroupId(2)});
  EXPECT_EQ(answer.outcome, Outcome::kDone) << answer.text;
  ASSERT_GT(answer.moves.size(), 1u);
  EXPECT_EQ(answer.moves.front(), earlier.moves.front());
  EXPECT_EQ(Do(Command::RetireGroup{GroupId(2)}).outcome, Outcome::kAlreadySo);
  ExpectRefused(Command::MoveSlots{.to = GroupId(2), .slots = {Range(0, 1)}},
                "is being retired");
  for (MoveId id : answer.moves) {
    ASSERT_NE(cluster_.state.FindGroup(GroupId(2)), nullptr);
    Finish(id);
  }
  EXPECT_EQ(cluster_.state.FindGroup(GroupId(2)), nullptr);
  EXPECT_TRUE(ValidateState(cluster_.state).ok());
  // A group without slots ends at once. The last one stays.
  EXPECT_EQ(Do(Command::RetireGroup{GroupId(3)}).outcome, Outcome::kDone);
  for (const SlotMove& move : std::vector<SlotMove>(cluster_.state.moves)) {
    Finish(move.id);
  }
  EXPECT_EQ(cluster_.state.FindGroup(GroupId(3)), nullptr);
  ExpectRefused(Command::RetireGroup{GroupId(1)}, "no other group");
}

// The slots are its own by then, but pinned until the move has ended.
TEST_F(Moves, OfAGroupThatRetires_AreTheOnlyOnes) {
  for (MoveId id : Do(Command::Rebalance{}).moves) Finish(id);
  Finish(Do(Command::MoveSlots{
                .to = GroupId(1), .from = GroupId(2), .count = 2000})
             .moves[0]);
  const Answer answer = Do(Command::RetireGroup{GroupId(3)});
  EXPECT_EQ(answer.outcome, Outcome::kDone) << answer.text;
  for (const SlotMove& move : cluster_.state.moves) {
    EXPECT_EQ(move.from, GroupId(3));
  }
  const auto retiring = [&] {
    const std::vector<GroupRow> rows = GroupRows(cluster_.state);
    return std::ranges::find(rows, GroupId(3), &GroupRow::id)->retiring;
  };
  EXPECT_TRUE(retiring());
  const MoveId first = cluster_.state.moves.front().id;
  EXPECT_TRUE(absl::StrContains(Do(Command::CancelMove{first}).text,
                                "group 3 keeps the slots, and is not retired"));
  EXPECT_FALSE(retiring());
}

TEST_F(Moves, SlotsThatCameJustBeforeAGroupRetires_LeaveItWithoutAnotherWish) {
  const MoveId id = Begin(2, Range(0, 99));
  EXPECT_EQ(Do(Command::DecideMove{id}).outcome, Outcome::kDone);
  EXPECT_EQ(Do(Command::RetireGroup{GroupId(2)}).outcome, Outcome::kDone);
  End(id);
  EXPECT_EQ(OwnerOf(0), GroupId(2));
  // Those of the wish, and those of what it could not move then.
  for (int i = 0; i < 10 && !cluster_.state.moves.empty(); ++i) {
    Finish(cluster_.state.moves.front().id);
  }
  EXPECT_EQ(cluster_.state.FindGroup(GroupId(2)), nullptr);
}

TEST_F(Moves, CreatedGroupBesideOpenMoves_GetsItsShare) {
  for (MoveId id : Do(Command::Rebalance{}).moves) Finish(id);
  for (const GroupId from : {GroupId(1), GroupId(2)}) {
    Do(Command::MoveSlots{.to = GroupId(3), .from = from, .count = 5461});
  }
  const GroupId fresh = Do(Command::CreateGroups{.count = 1}).groups.at(0);
  cluster_.Settle(fresh);
  EXPECT_NEAR(SlotsMovingTo(fresh), kHashSlotCount / 4, 1);
}

TEST_F(Moves, CreatedGroupOfHalfTheWeight_GetsHalfAShare) {
  for (MoveId id : Do(Command::Rebalance{}).moves) Finish(id);
  const Answer made =
      Do(Command::CreateGroups{.count = 1, .weight = kGroupWeight / 2});
  cluster_.Settle(made.groups.at(0));
  uint32_t slots = 0;
  for (const SlotMove& move : cluster_.state.moves) slots += move.SlotCount();
  EXPECT_NEAR(slots, kHashSlotCount / 7, 1);
}

TEST_F(Moves, CreatedGroups_GetTheirShareOnceTheyHaveReplicas) {
  for (MoveId id : Do(Command::Rebalance{}).moves) Finish(id);
  const std::vector<GroupId> created = Do(Command::CreateGroups{2}).groups;
  ASSERT_EQ(created.size(), 2u);
  EXPECT_TRUE(cluster_.state.moves.empty());
  // The share of the other one is not moved to the first.
  cluster_.Settle(created[1]);
  const auto moves = cluster_.state.moves.size();
  EXPECT_EQ(SlotsMovingTo(created[0]), 0u);
  EXPECT_NEAR(SlotsMovingTo(created[1]), kHashSlotCount / 5, 1);
  cluster_.Settle(created[1]);
  EXPECT_EQ(cluster_.state.moves.size(), moves);
  cluster_.Settle(created[0]);
  EXPECT_NEAR(SlotsMovingTo(created[0]), kHashSlotCount / 5, 1);
  EXPECT_TRUE(ValidateState(cluster_.state).ok());
  // An operator who cancels one has the last word.
  const MoveId last = cluster_.state.moves.back().id;
  Do(Command::CancelMove{last});
  End(last);
  cluster_.SettleAll();
  EXPECT_EQ(cluster_.state.FindMove(last), nullptr);
  EXPECT_LT(SlotsMovingTo(created[0]) + SlotsMovingTo(created[1]),
            2 * kHashSlotCount / 5 - 1);
}

// Each step of a move names all its ranges.
TEST_F(Moves, OfManyRanges_AreSeveral) {
  std::vector<AssignedRun>& runs = cluster_.state.slots;
  runs.clear();
  for (uint16_t slot = 0; slot < kHashSlotCount; ++slot) {
    runs.push_back({.slots = Range(slot, slot),
                    .group = GroupId(slot % 2 + 1),
                    .epoch = SlotEpoch(1)});
  }
  const Answer answer = Do(Command::MoveSlots{
      .to = GroupId(3), .slots = {Range(0, kHashSlotCount - 1)}});
  EXPECT_EQ(answer.moves.size(), kHashSlotCount / kMoveRangesMax);
  std::set<uint32_t> slots;
  for (const SlotMove& move : cluster_.state.moves) {
    EXPECT_LE(move.slots.size(), kMoveRangesMax);
    for (SlotRange range : move.slots) {
      for (uint32_t i = 0; i < range.size(); ++i) {
        EXPECT_EQ(OwnerOf(range.first.value()), move.from);
        EXPECT_TRUE(slots.insert(range.first.value() + i).second);
      }
    }
  }
  EXPECT_EQ(slots.size(), kHashSlotCount);
  EXPECT_TRUE(ValidateState(cluster_.state).ok());
  for (MoveId id : answer.moves) Finish(id);
  EXPECT_EQ(cluster_.state.slots.size(), kHashSlotCount);
}

TEST_F(Moves, CancelOfARetiringGroup_KeepsTheGroup) {
  for (MoveId id : Do(Command::Rebalance{}).moves) Finish(id);
  const Answer answer = Do(Command::RetireGroup{GroupId(2)});
  ASSERT_FALSE(answer.moves.empty());
  for (MoveId id : answer.moves) {
    Do(Command::CancelMove{id});
    End(id);
  }
  ASSERT_NE(cluster_.state.FindGroup(GroupId(2)), nullptr);
  EXPECT_EQ(
      Do(Command::MoveSlots{.to = GroupId(2), .slots = {Range(0, 1)}}).outcome,
      Outcome::kDone);
}

// One command of an operator or of a group about moves.
Command::Body AnyCommand(const ClusterState& state) {
  const auto below = [](uint64_t end) {
    return *rc::gen::inRange<uint64_t>(0, end);
  };
  const auto group = [&] { return GroupId(static_cast<uint32_t>(below(6))); };
  const MoveId move(below(state.next_move.value() + 1));
  switch (below(9)) {
    case 0:
    case 1: {
      std::vector<SlotRange> slots;
      for (uint64_t i = below(3) + 1; i > 0; --i) {
        const auto first = static_cast<uint16_t>(below(300));
        slots.push_back(
            Range(first, static_cast<uint16_t>(first + below(100))));
      }
      return Command::MoveSlots{.to = group(), .slots = slots};
    }
    case 2:
      return Command::MoveSlots{.to = group(),
                                .from = group(),
                                .count = static_cast<uint32_t>(below(500)) + 1};
    case 3:
      return Command::CancelMove{move};
    case 4:
      return Command::PauseMove{move, below(2) == 0};
    case 5:
      return Command::DecideMove{move, below(4) == 0 ? "gave up" : ""};
    case 6:
      return below(2) == 0 ? Command::Body(Command::Rebalance{})
                           : Command::RetireGroup{group()};
    default:
      return Command::ReportMoveEnd{move, group()};
  }
}

RC_GTEST_PROP(MovesOfAnyScript, ChangeOwnersByDecisionsAlone, ()) {
  ControlledCluster cluster(3, 5);
  cluster.SettleAll();
  const auto owners = [&] {
    std::map<uint32_t, std::pair<GroupId, SlotEpoch>> of;
    for (const AssignedRun& run : cluster.state.slots) {
      for (uint32_t slot = run.slots.first.value();
           slot <= run.slots.last.value(); ++slot) {
        of[slot] = {run.group, run.epoch};
      }
    }
    return of;
  };
  auto before = owners();
  const auto steps = *rc::gen::inRange(1, 40);
  for (int i = 0; i < steps; ++i) {
    const ClusterState old = cluster.state;
    const Command::Body body = AnyCommand(old);
    const Answer answer = cluster.Do(body);
    RC_ASSERT(ValidateState(cluster.state).ok());
    RC_ASSERT((answer.outcome == Outcome::kDone) !=
              (cluster.state.version == old.version));
    const auto after = owners();
    const auto* decided = std::get_if<Command::DecideMove>(&body);
    const SlotMove* move =
        decided == nullptr ? nullptr : old.FindMove(decided->move);
    for (const auto& [slot, owner] : after) {
      const auto& [group, epoch] = before.at(slot);
      if (owner == before.at(slot)) continue;
      // Only the decision of an open move changes it, under a new epoch.
      RC_ASSERT(move != nullptr && decided->give_up.empty());
      RC_ASSERT(move->decision == MoveState::kOpen);
      RC_ASSERT(move->from == group && move->to == owner.first);
      RC_ASSERT(owner.second > epoch);
    }
    before = after;
  }
  const auto decoded = DecodeState(EncodeState(cluster.state));
  RC_ASSERT(decoded.ok() && *decoded == cluster.state);
}

}  // namespace
}  // namespace quorate::shardctrl

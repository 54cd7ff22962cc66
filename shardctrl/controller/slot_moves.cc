#include "shardctrl/controller/slot_moves.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "shardctrl/controller/wishes.h"
#include "shardctrl/controller/words.h"
#include "shardctrl/map.h"
#include "shardctrl/move.h"
#include "shardctrl/planner.h"

namespace quorate::shardctrl {
namespace {

using Answer = ControllerAnswer;
using Command = ControllerCommand;
constexpr auto Done = Answer::Done;
constexpr auto AlreadySo = Answer::AlreadySo;
constexpr auto Refused = Answer::Refused;

std::string MoveText(MoveId move) {
  return absl::StrCat("move ", move.value());
}

// The owner of each slot, and the move that it is in.
struct SlotTable {
  explicit SlotTable(const ClusterState& state)
      : owner(state.slot_count), move(state.slot_count) {
    for (const AssignedRun& run : state.slots) {
      std::fill_n(owner.begin() + run.slots.first.value(), run.slots.size(),
                  run.group);
    }
    for (const SlotMove& one : state.moves) {
      for (SlotRange range : one.slots) {
        std::fill_n(move.begin() + range.first.value(), range.size(), one.id);
      }
    }
  }

  std::vector<GroupId> owner;
  std::vector<MoveId> move;  // Zero: none.
};

// Empty, or the reason why the group cannot own more slots.
std::string WhyNotTo(const ClusterState& state, GroupId id) {
  const GroupRecord* group = state.FindGroup(id);
  if (group == nullptr) return NoSuchGroup(id).text;
  if (id == kControllerGroup) return "the controller's group owns no slots";
  if (group->retiring) return GroupText(id) + " is being retired";
  if (!group->founded) {
    return GroupText(id) +
           " has no replicas yet; see the command group show for the reason";
  }
  return "";
}

// By source and destination: the slots.
using Transfers = std::map<std::pair<GroupId, GroupId>, std::vector<SlotRange>>;

Answer Begin(const Transfers& transfers, uint64_t rate_max, WallTime log_time,
             ClusterState* state) {
  size_t count = 0;
  for (const auto& [groups, slots] : transfers) {
    count += (slots.size() + kMoveRangesMax - 1) / kMoveRangesMax;
  }
  if (state->moves.size() + count > kMovesMax) {
    return Refused(absl::StrCat("at most ", kMovesMax,
                                " moves can be under way; wait for their end"));
  }
  std::vector<std::string> steps;
  Answer answer = Done("");
  const auto add = [&](GroupId from, GroupId to, std::vector<SlotRange> slots) {
    SlotMove move{.id = state->next_move,
                  .slots = std::move(slots),
                  .from = from,
                  .to = to,
                  .began = log_time,
                  .rate_max = rate_max};
    state->next_move = MoveId(move.id.value() + 1);
    steps.push_back(
        absl::StrCat(MoveText(move.id), ": ", SlotsText(move.SlotCount()),
                     " of ", GroupText(move.from), " to ", GroupText(move.to),
                     ": ", FormatSlotRanges(move.slots)));
    answer.moves.push_back(move.id);
    state->moves.push_back(std::move(move));
  };
  for (const auto& [groups, slots] : transfers) {
    for (size_t at = 0; at < slots.size(); at += kMoveRangesMax) {
      const size_t end = std::min(at + kMoveRangesMax, slots.size());
      add(groups.first, groups.second,
          {slots.begin() + static_cast<std::ptrdiff_t>(at),
           slots.begin() + static_cast<std::ptrdiff_t>(end)});
    }
  }
  answer.text =
      absl::StrCat(count, count == 1 ? " move" : " moves", " will be made");
  answer.SetSteps(std::move(steps));
  return answer;
}

// Groups that may own more slots.
std::vector<SlotShare> OpenGroups(const ClusterState& state) {
  std::vector<SlotShare> shares;
  for (const GroupRecord& group : state.groups) {
    if (!WhyNotTo(state, group.id).empty()) continue;
    shares.push_back({.group = group.id, .weight = group.weight});
  }
  return shares;
}

// The owner of each slot once the open moves are done.
std::vector<GroupId> OwnersAfterMoves(const ClusterState& state) {
  std::vector<GroupId> owner = SlotTable(state).owner;
  for (const SlotMove& move : state.moves) {
    if (move.decision != MoveState::kOpen) continue;
    for (SlotRange range : move.slots) {
      std::fill_n(owner.begin() + range.first.value(), range.size(), move.to);
    }
  }
  return owner;
}

// After these `shares` have all slots. Open moves count as done. Slots in moves
// that have not ended are pinned.
Transfers PlanTransfers(const ClusterState& state,
                        const std::vector<SlotShare>& shares) {
  std::vector<Assignment> owners;
  std::vector<SlotRange> pinned;
  for (const SlotMove& move : state.moves) {
    pinned.insert(pinned.end(), move.slots.begin(), move.slots.end());
  }
  const std::vector<GroupId> owner = OwnersAfterMoves(state);
  for (uint32_t slot = 0; slot < state.slot_count; ++slot) {
    const Slot id(static_cast<uint16_t>(slot));
    if (!owners.empty() && owners.back().group == owner[slot]) {
      owners.back().slots.last = id;
    } else {
      owners.push_back({.slots = {id, id}, .group = owner[slot]});
    }
  }
  Transfers transfers;
  if (shares.empty()) return transfers;
  for (const SlotTransfer& one : PlanBalance(owners, shares, pinned)) {
    transfers[{one.from, one.to}].push_back(one.slots);
  }
  return transfers;
}

// How many slots each group has, open moves counting as done, and how many it
// will have.
std::string OwnedText(const ClusterState& state, const Transfers& transfers) {
  struct Count {
    int64_t now = 0;
    int64_t then = 0;
  };
  std::map<GroupId, Count> counts;
  for (const GroupId group : OwnersAfterMoves(state)) ++counts[group].now;
  for (auto& [group, count] : counts) count.then = count.now;
  for (const auto& [groups, slots] : transfers) {
    for (SlotRange range : slots) {
      counts[groups.first].then -= range.size();
      counts[groups.second].then += range.size();
    }
  }
  std::vector<std::string> texts;
  for (const auto& [group, count] : counts) {
    if (count.then == count.now) continue;
    texts.push_back(absl::StrCat(GroupText(group), " from ",
                                 SlotsText(count.now), " to ", count.then));
  }
  KeepFirst(8, &texts);
  return absl::StrCat("shares by weight bring ", absl::StrJoin(texts, ", "));
}

// The part of moves that have not ended in a plan. Empty: there are none.
std::string MovesText(const ClusterState& state) {
  if (state.moves.empty()) return "";
  return " (slots in moves count where they go, and stay in these moves: "
         "rebalance again once they have ended)";
}

bool IsMoving(const ClusterState& state, GroupId group) {
  return std::ranges::any_of(
      state.moves, [&](const SlotMove& move) { return move.TakesPart(group); });
}

bool HasSlots(const ClusterState& state, GroupId group) {
  return std::any_of(
      state.slots.begin(), state.slots.end(),
      [&](const AssignedRun& run) { return run.group == group; });
}

// The slots of a group that is being retired go to others, and no other slots.
Transfers PlanRetirement(const ClusterState& state, GroupId group) {
  Transfers transfers = PlanTransfers(state, OpenGroups(state));
  std::erase_if(transfers, [group](const auto& transfer) {
    return transfer.first.first != group;
  });
  return transfers;
}

// Slots that were on their way to a group when its end was wished go on from
// there. So do those for which there was no room for a move.
void ContinueRetiring(WallTime log_time, ClusterState* state) {
  for (const GroupRecord& group : state->groups) {
    if (!group.retiring || IsMoving(*state, group.id) ||
        !HasSlots(*state, group.id)) {
      continue;
    }
    const Transfers transfers = PlanRetirement(*state, group.id);
    if (!transfers.empty()) Begin(transfers, 0, log_time, state);
  }
}

// A wish that was stated before. Its moves are named, so that its caller can
// wait for them.
Answer UnderWay(std::vector<MoveId> moves, std::string text) {
  if (!moves.empty()) {
    std::vector<std::string> names;
    for (const MoveId move : moves) names.push_back(MoveText(move));
    KeepFirst(8, &names);
    absl::StrAppend(&text, ": ", absl::StrJoin(names, ", "),
                    moves.size() == 1 ? " is" : " are", " under way");
  }
  Answer answer = AlreadySo(std::move(text));
  answer.moves = std::move(moves);
  return answer;
}

// The slots change their owner.
void Activate(SlotMove* move, ClusterState* state) {
  std::vector<AssignedRun> runs;
  const auto add = [&](const AssignedRun& run) {
    if (!runs.empty() && runs.back().group == run.group &&
        runs.back().epoch == run.epoch) {
      runs.back().slots.last = run.slots.last;
    } else {
      runs.push_back(run);
    }
  };
  move->decision = MoveState::kActivated;
  std::vector<bool> moves(state->slot_count, false);
  for (SlotRange range : move->slots) {
    std::fill_n(moves.begin() + range.first.value(), range.size(), true);
  }
  for (const AssignedRun& run : state->slots) {
    for (uint32_t slot = run.slots.first.value();
         slot <= run.slots.last.value(); ++slot) {
      const Slot id(static_cast<uint16_t>(slot));
      add({.slots = {id, id},
           .group = moves[slot] ? move->to : run.group,
           .epoch = moves[slot] ? move->epoch() : run.epoch});
    }
  }
  state->slots = std::move(runs);
}

// Of a move that is unknown, or was decided.
Answer NotOpen(const ClusterState& state, MoveId id) {
  const SlotMove* move = state.FindMove(id);
  if (move == nullptr) {
    const auto ended =
        std::find_if(state.ended_moves.begin(), state.ended_moves.end(),
                     [&](const EndedMove& one) { return one.move.id == id; });
    if (ended == state.ended_moves.end()) {
      return Refused(absl::StrCat("there is no ", MoveText(id),
                                  "; the command slots status shows all"));
    }
    move = &ended->move;
  }
  if (move->decision == MoveState::kCancelled) {
    return AlreadySo(MoveText(id) + " was cancelled");
  }
  return Refused(absl::StrCat(MoveText(id), " is done: ", GroupText(move->to),
                              " owns the slots; to have them back, move slots ",
                              FormatSlotRanges(move->slots), " to ",
                              GroupText(move->from)));
}

SlotMove* FindOpen(MoveId id, ClusterState* state) {
  SlotMove* move = state->FindMove(id);
  return move == nullptr || move->decision != MoveState::kOpen ? nullptr : move;
}

}  // namespace

Answer NoSuchGroup(GroupId group) {
  return Refused(absl::StrCat("there is no ", GroupText(group),
                              "; the command group list shows all"));
}

std::vector<MoveId> RunningMoves(const ClusterState& state) {
  std::vector<MoveId> running;
  std::map<GroupId, size_t> earlier;
  for (const SlotMove& move : state.moves) {
    if (move.decision != MoveState::kOpen || move.paused) continue;
    if (earlier[move.from] < kMovesOfGroupMax &&
        earlier[move.to] < kMovesOfGroupMax) {
      running.push_back(move.id);
    }
    if (move.Stands()) continue;
    ++earlier[move.from];
    ++earlier[move.to];
  }
  return running;
}

Answer ChangeMoves(const Command::MoveSlots& command, WallTime log_time,
                   ClusterState* state) {
  if (std::string why = WhyNotTo(*state, command.to); !why.empty()) {
    return Refused(why);
  }
  const SlotTable table(*state);
  std::vector<bool> wanted(state->slot_count, false);
  for (SlotRange range : command.slots) {
    if (range.last.value() >= state->slot_count) {
      return Refused(absl::StrCat("the last slot is ", state->slot_count - 1,
                                  ", not ", range.last.value()));
    }
    std::fill_n(wanted.begin() + range.first.value(), range.size(), true);
  }
  if (command.slots.empty()) {
    if (state->FindGroup(command.from) == nullptr) {
      return NoSuchGroup(command.from);
    }
    if (command.from == command.to) {
      return Refused("source and destination are the same group");
    }
    uint32_t missing = command.count;
    for (uint32_t slot = state->slot_count; slot > 0 && missing > 0; --slot) {
      if (table.owner[slot - 1] != command.from) continue;
      if (table.move[slot - 1] != MoveId()) continue;
      wanted[slot - 1] = true;
      --missing;
    }
    if (missing > 0) {
      const uint32_t found = command.count - missing;
      return Refused(absl::StrCat(
          GroupText(command.from), " has only ", SlotsText(found), " that ",
          found == 1 ? "does" : "do", " not move already"));
    }
  }
  Transfers transfers;
  std::set<MoveId> under_way;  // They bring some of the slots already.
  for (uint32_t slot = 0; slot < state->slot_count; ++slot) {
    if (!wanted[slot]) continue;
    if (const SlotMove* move = state->FindMove(table.move[slot]);
        move != nullptr) {
      if (move->decision != MoveState::kCancelled && move->to == command.to) {
        under_way.insert(move->id);
        continue;
      }
      return Refused(absl::StrCat(
          "slot ", slot, " is in ", MoveText(move->id), " to ",
          GroupText(move->to), "; ",
          move->decision == MoveState::kOpen
              ? absl::StrCat("to end that, type quoratectl slots cancel ",
                             move->id.value())
              : "wait for its end"));
    }
    if (table.owner[slot] == command.to) continue;
    const Slot id(static_cast<uint16_t>(slot));
    AppendSlots({id, id}, &transfers[{table.owner[slot], command.to}]);
  }
  if (transfers.empty() && under_way.empty()) {
    return AlreadySo(GroupText(command.to) + " owns these slots");
  }
  if (transfers.empty()) {
    return UnderWay({under_way.begin(), under_way.end()},
                    GroupText(command.to) + " gets these slots");
  }
  Answer answer = Begin(transfers, command.rate_max, log_time, state);
  answer.moves.insert(answer.moves.begin(), under_way.begin(), under_way.end());
  return answer;
}

Answer ChangeMoves(const Command::CancelMove& command, WallTime,
                   ClusterState* state) {
  SlotMove* move = FindOpen(command.move, state);
  if (move == nullptr) return NotOpen(*state, command.move);
  move->decision = MoveState::kCancelled;
  move->reason = "an operator cancelled it";
  GroupRecord* const from = state->FindGroup(move->from);
  const bool retires = std::exchange(from->retiring, false);
  return Done(absl::StrCat(
      MoveText(move->id), " is cancelled: ", GroupText(move->from),
      " keeps the slots",
      retires ? ", and is not retired; its other moves go on" : ""));
}

Answer ChangeMoves(const Command::PauseMove& command, WallTime,
                   ClusterState* state) {
  SlotMove* move = FindOpen(command.move, state);
  if (move == nullptr) return Refused(NotOpen(*state, command.move).text);
  const std::string text = absl::StrCat(
      MoveText(move->id), command.paused ? " is paused" : " goes on");
  if (move->paused == command.paused) return AlreadySo(text);
  move->paused = command.paused;
  return Done(text);
}

Answer ChangeMoves(const Command::Rebalance&, WallTime log_time,
                   ClusterState* state) {
  ClusterState next = *state;
  std::vector<std::string> steps = PlanWishes(&next);
  const Transfers transfers = PlanTransfers(next, OpenGroups(next));
  if (transfers.empty() && steps.empty()) {
    std::vector<MoveId> open;
    for (const SlotMove& move : next.moves) {
      if (move.decision != MoveState::kCancelled) open.push_back(move.id);
    }
    return UnderWay(std::move(open), "the slots and the replicas are balanced" +
                                         MovesText(next));
  }
  if (std::string shortage = NewShortage(*state, next); !shortage.empty()) {
    return Refused(std::move(shortage));
  }
  Answer answer = Begin(transfers, 0, log_time, &next);
  if (answer.outcome != Answer::Outcome::kDone) return answer;
  if (!transfers.empty()) {
    absl::StrAppend(&answer.text, ": ", OwnedText(*state, transfers),
                    MovesText(*state));
  }
  if (!steps.empty()) {
    absl::StrAppend(&answer.text, "; replicas move: ", steps.size());
  }
  steps.insert(steps.end(), answer.steps.begin(), answer.steps.end());
  answer.SetSteps(std::move(steps));
  *state = std::move(next);
  return answer;
}

Answer ChangeMoves(const Command::RetireGroup& command, WallTime log_time,
                   ClusterState* state) {
  const GroupRecord* group = state->FindGroup(command.group);
  const std::string name = GroupText(command.group);
  // Ids are used once.
  if (group == nullptr && command.group < state->next_group &&
      command.group > GroupId()) {
    return AlreadySo("there is no " + name + " any more");
  }
  if (group == nullptr) return NoSuchGroup(command.group);
  if (command.group == kControllerGroup) {
    return Refused("the controller's group cannot be retired");
  }
  for (const SlotMove& move : state->moves) {
    if (move.to != command.group || move.decision != MoveState::kOpen) {
      continue;
    }
    return Refused(absl::StrCat(MoveText(move.id), " brings slots to ", name,
                                "; to end that, type quoratectl slots cancel ",
                                move.id.value()));
  }
  ClusterState next = *state;
  next.FindGroup(command.group)->retiring = true;
  const bool others = std::any_of(next.groups.begin(), next.groups.end(),
                                  [&](const GroupRecord& other) {
                                    return WhyNotTo(next, other.id).empty();
                                  });
  if (!others) {
    return Refused(absl::StrCat("no other group could own the slots of ", name,
                                "; create one with quoratectl group create"));
  }
  const Transfers transfers = PlanRetirement(next, command.group);
  // Those that are under way belong to the retirement, too.
  const auto leaving = [&next, group = command.group] {
    std::vector<MoveId> moves;
    for (const SlotMove& move : next.moves) {
      if (move.from == group) moves.push_back(move.id);
    }
    return moves;
  };
  if (group->retiring && transfers.empty()) {
    return UnderWay(leaving(), name + " is being retired");
  }
  Answer answer = Begin(transfers, 0, log_time, &next);
  if (answer.outcome != Answer::Outcome::kDone) return answer;
  answer.text = absl::StrCat(name, " is being retired");
  answer.moves = leaving();
  *state = std::move(next);
  return answer;
}

Answer ChangeMoves(const Command::ReportMove& command, WallTime,
                   ClusterState* state) {
  SlotMove* move = state->FindMove(command.move);
  if (move == nullptr) return NotOpen(*state, command.move);
  const auto order = [](const MoveProgress& progress) {
    return std::tuple(progress.term, progress.report);
  };
  if (order(command.progress) <= order(move->progress)) {
    return AlreadySo("this is known, or something newer");
  }
  MoveProgress fresh = command.progress;
  fresh.longest_pause =
      std::max(fresh.longest_pause, move->progress.longest_pause);
  move->progress = std::move(fresh);
  return Done("the progress is noted");
}

Answer ChangeMoves(const Command::DecideMove& command, WallTime,
                   ClusterState* state) {
  SlotMove* move = state->FindMove(command.move);
  const bool gives_up = !command.give_up.empty();
  if (move == nullptr) {
    const Answer ended = NotOpen(*state, command.move);
    // The destination would be activated if this were "already so".
    return gives_up ? ended : Refused(ended.text);
  }
  if (move->decision != MoveState::kOpen) {
    if (gives_up == (move->decision == MoveState::kCancelled)) {
      return AlreadySo("this was decided");
    }
    if (gives_up) return NotOpen(*state, command.move);
    return Refused(MoveText(move->id) + " was cancelled");
  }
  if (gives_up) {
    move->decision = MoveState::kCancelled;
    move->reason = command.give_up;
    return Done(MoveText(move->id) + " is given up");
  }
  Activate(move, state);
  return Done(absl::StrCat(GroupText(move->to), " owns the slots of ",
                           MoveText(move->id)));
}

Answer ChangeMoves(const Command::ReportMoveEnd& command, WallTime,
                   ClusterState* state) {
  SlotMove* move = state->FindMove(command.move);
  if (move == nullptr) return AlreadySo("the move has ended");
  if (move->decision == MoveState::kOpen) {
    return Refused(MoveText(move->id) + " is not decided");
  }
  if (!move->TakesPart(command.group)) {
    return Refused(absl::StrCat(GroupText(command.group), " takes no part in ",
                                MoveText(move->id)));
  }
  bool& ended = command.group == move->from ? move->source_ended
                                            : move->destination_ended;
  if (ended) return AlreadySo("this is known");
  ended = true;
  return Done(absl::StrCat(MoveText(move->id), " has ended in ",
                           GroupText(command.group)));
}

// Groups that have no replicas yet count, too. So the shares do not depend on
// the order in which groups get their replicas, and no slot moves twice.
void ShareSlots(WallTime log_time, ClusterState* state) {
  std::vector<SlotShare> shares = OpenGroups(*state);
  std::vector<GroupId> ready;
  for (const GroupRecord& group : state->groups) {
    if (!group.awaits_share || group.retiring) continue;
    if (WhyNotTo(*state, group.id).empty()) {
      ready.push_back(group.id);
    } else if (!group.founded) {
      shares.push_back({.group = group.id, .weight = group.weight});
    }
  }
  if (ready.empty()) return;
  for (SlotShare& share : shares) {
    share.takes = std::ranges::binary_search(ready, share.group);
  }
  const Transfers transfers = PlanTransfers(*state, shares);
  for (const GroupId group : ready) {
    state->FindGroup(group)->awaits_share = false;
  }
  // Without room for more moves an operator balances the slots later.
  if (!transfers.empty()) Begin(transfers, 0, log_time, state);
}

void EndMoves(WallTime log_time, ClusterState* state) {
  std::erase_if(state->moves, [&](SlotMove& move) {
    if (!move.source_ended || !move.destination_ended) return false;
    state->ended_moves.push_back({std::move(move), log_time});
    return true;
  });
  if (state->ended_moves.size() > kEndedMovesMax) {
    state->ended_moves.erase(
        state->ended_moves.begin(),
        state->ended_moves.end() - static_cast<std::ptrdiff_t>(kEndedMovesMax));
  }
  std::erase_if(state->groups, [&](const GroupRecord& group) {
    return group.retiring && !HasSlots(*state, group.id) &&
           !IsMoving(*state, group.id);
  });
  ContinueRetiring(log_time, state);
}

}  // namespace quorate::shardctrl

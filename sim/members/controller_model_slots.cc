// Commands about slots: their moves, and groups that retire. The planner of the
// product chooses the slots of some moves; its goals are checked here.
#include <algorithm>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "sim/members/controller_model.h"

namespace quorate::sim {

using shardctrl::kControllerGroup;
using shardctrl::MoveProgress;
using shardctrl::MoveState;

namespace {

// Moves that one plan may need: more than any test has.
constexpr size_t kPlannedMoves = 64;

// Runs of neighbours.
size_t CountRuns(const std::set<uint32_t>& slots) {
  size_t runs = 0;
  for (const uint32_t slot : slots) {
    if (slot == 0 || !slots.contains(slot - 1)) ++runs;
  }
  return runs;
}

std::vector<uint32_t> Flatten(const std::vector<SlotRange>& ranges) {
  std::vector<uint32_t> slots;
  for (const SlotRange& range : ranges) {
    for (uint32_t slot = range.first.value(); slot <= range.last.value();
         ++slot) {
      slots.push_back(slot);
    }
  }
  return slots;
}

}  // namespace

bool ControllerModel::MayOwn(GroupId id) const {
  const auto group = next_.groups.find(id);
  return group != next_.groups.end() && id != kControllerGroup &&
         group->second.founded && !group->second.retiring;
}

bool ControllerModel::TakesPart(GroupId id) const {
  return std::any_of(next_.moves.begin(), next_.moves.end(), [&](auto& one) {
    return one.second.from == id || one.second.to == id;
  });
}

std::vector<uint32_t> ControllerModel::SlotsOf(GroupId id) const {
  std::vector<uint32_t> slots;
  for (uint32_t slot = 0; slot < next_.slots.size(); ++slot) {
    if (next_.slots[slot].group == id) slots.push_back(slot);
  }
  return slots;
}

std::set<uint32_t> ControllerModel::MovingSlots() const {
  std::set<uint32_t> moving;
  for (const auto& [id, move] : next_.moves) {
    for (const uint32_t slot : Flatten(move.slots)) moving.insert(slot);
  }
  return moving;
}

bool ControllerModel::MayLackRoom(size_t most) const {
  return next_.moves.size() + most > shardctrl::kMovesMax;
}

// ---- Moves that begin.

const shardctrl::SlotMove* ControllerModel::FreshMove() const {
  for (const SlotMove& move : effect_->after.moves) {
    if (move.id >= next_.next_move) return &move;
  }
  return nullptr;
}

std::vector<uint32_t> ControllerModel::BeginMove(uint64_t rate_max) {
  const SlotMove* const fresh = FreshMove();
  if (fresh == nullptr) {
    Wrong("moves: one is missing");
    return {};
  }
  const std::string name = absl::StrCat("move ", fresh->id.value());
  SlotMove expected;
  expected.id = next_.next_move;
  expected.slots = fresh->slots;
  expected.from = fresh->from;
  expected.to = fresh->to;
  expected.began = log_time_;
  expected.rate_max = rate_max;
  next_.next_move = MoveId(fresh->id.value() + 1);
  if (!(*fresh == expected)) Wrong(name + " does not begin as a new one");
  if (!MayOwn(fresh->to) || fresh->from == fresh->to) {
    Wrong(name + " goes to a group that may not own more slots");
  }
  const std::vector<uint32_t> slots = Flatten(fresh->slots);
  const std::set<uint32_t> distinct(slots.begin(), slots.end());
  if (slots.empty() || distinct.size() != slots.size() ||
      !std::is_sorted(slots.begin(), slots.end()) ||
      fresh->slots.size() > kMoveRangesMax ||
      fresh->slots.size() != CountRuns(distinct)) {
    Wrong(name + " has slots without order, or too many ranges");
  }
  const std::set<uint32_t> moving = MovingSlots();
  for (const uint32_t slot : slots) {
    if (slot >= next_.slots.size() || moving.contains(slot) ||
        next_.slots[slot].group != fresh->from) {
      Wrong(absl::StrCat(name, " has slot ", slot,
                         ", which moves already, or is not of its source"));
      return slots;
    }
  }
  next_.moves[fresh->id] = *fresh;
  return slots;
}

std::vector<uint32_t> ControllerModel::BeginAnsweredMoves(uint64_t rate_max) {
  std::vector<uint32_t> all;
  const MoveId first = next_.next_move;
  for (const MoveId move : effect_->answer.moves) {
    if (move < first) continue;
    const std::vector<uint32_t> slots = BeginMove(rate_max);
    all.insert(all.end(), slots.begin(), slots.end());
  }
  return all;
}

// ---- Commands of operators.

ControllerModel::Verdict ControllerModel::Do(const Command::MoveSlots& move) {
  if (!MayOwn(move.to)) return Refused();
  std::set<uint32_t> slots;
  for (const uint32_t slot : Flatten(move.slots)) {
    if (slot >= next_.slots.size()) return Refused();
    slots.insert(slot);
  }
  return move.slots.empty() ? MoveSomeSlots(move) : MoveNamedSlots(move, slots);
}

ControllerModel::Verdict ControllerModel::MoveNamedSlots(
    const Command::MoveSlots& move, const std::set<uint32_t>& slots) {
  std::map<uint32_t, MoveId> moving;
  for (const auto& [id, one] : next_.moves) {
    for (const uint32_t slot : Flatten(one.slots)) moving[slot] = id;
  }
  std::set<MoveId> under_way;
  std::map<GroupId, std::set<uint32_t>> expected;  // By source.
  for (const uint32_t slot : slots) {
    if (const auto at = moving.find(slot); at != moving.end()) {
      const SlotMove& other = next_.moves.at(at->second);
      const bool brings =
          other.decision != MoveState::kCancelled && other.to == move.to;
      if (!brings) return Refused();
      under_way.insert(at->second);
    } else if (next_.slots[slot].group != move.to) {
      expected[next_.slots[slot].group].insert(slot);
    }
  }
  Verdict verdict;
  verdict.moves.assign(under_way.begin(), under_way.end());
  if (expected.empty()) {
    verdict.outcome = Outcome::kAlreadySo;
    return verdict;
  }
  size_t count = 0;
  for (const auto& [from, of_source] : expected) {
    count += (CountRuns(of_source) + kMoveRangesMax - 1) / kMoveRangesMax;
  }
  if (MayLackRoom(count)) return Refused();
  if (effect_->answer.outcome != Outcome::kDone) return verdict;
  for (size_t i = 0; i < count; ++i) {
    const MoveId id = next_.next_move;
    std::set<uint32_t> left;
    for (const uint32_t slot : BeginMove(move.rate_max)) left.insert(slot);
    if (left.empty()) return verdict;
    const SlotMove& begun = next_.moves[id];
    for (const uint32_t slot : left) {
      if (begun.to == move.to && expected[begun.from].erase(slot) > 0) continue;
      Wrong(absl::StrCat("moves: slot ", slot, " was not asked for"));
    }
    verdict.moves.push_back(id);
  }
  for (const auto& [from, missing] : expected) {
    if (missing.empty()) continue;
    Wrong(absl::StrCat("moves: slot ", *missing.begin(), " stays"));
  }
  return verdict;
}

ControllerModel::Verdict ControllerModel::MoveSomeSlots(
    const Command::MoveSlots& move) {
  if (!next_.groups.contains(move.from) || move.from == move.to) {
    return Refused();
  }
  const std::set<uint32_t> moving = MovingSlots();
  const std::vector<uint32_t> owned = SlotsOf(move.from);
  const auto free = std::count_if(owned.begin(), owned.end(), [&](auto slot) {
    return !moving.contains(slot);
  });
  if (static_cast<uint64_t>(free) < move.count) return Refused();
  Verdict verdict;
  if (effect_->answer.outcome != Outcome::kDone) {
    return MayLackRoom(kPlannedMoves) ? Refused() : verdict;
  }
  const MoveId first = next_.next_move;
  const std::vector<uint32_t> slots = BeginAnsweredMoves(move.rate_max);
  for (MoveId id = first; id < next_.next_move; id = MoveId(id.value() + 1)) {
    verdict.moves.push_back(id);
    const SlotMove& begun = next_.moves[id];
    if (begun.from == move.from && begun.to == move.to) continue;
    Wrong("moves: one of another group begins");
  }
  if (slots.size() != move.count) {
    Wrong(absl::StrCat("moves: ", slots.size(), " slots of ", move.count));
  }
  return verdict;
}

ControllerModel::Verdict ControllerModel::NotOpen(MoveId id) const {
  const SlotMove* move = nullptr;
  if (const auto at = next_.moves.find(id); at != next_.moves.end()) {
    move = &at->second;
  }
  for (const shardctrl::EndedMove& one : next_.ended) {
    if (one.move.id == id) move = &one.move;
  }
  return move != nullptr && move->decision == MoveState::kCancelled
             ? AlreadySo()
             : Refused();
}

shardctrl::SlotMove* ControllerModel::FindOpen(MoveId id) {
  const auto at = next_.moves.find(id);
  if (at == next_.moves.end()) return nullptr;
  return at->second.decision == MoveState::kOpen ? &at->second : nullptr;
}

ControllerModel::Verdict ControllerModel::Do(
    const Command::CancelMove& cancel) {
  SlotMove* const move = FindOpen(cancel.move);
  if (move == nullptr) return NotOpen(cancel.move);
  move->decision = MoveState::kCancelled;
  move->reason = "an operator cancelled it";
  // The source keeps the slots, so it does not end.
  next_.groups.at(move->from).retiring = false;
  return {};
}

ControllerModel::Verdict ControllerModel::Do(const Command::PauseMove& pause) {
  SlotMove* const move = FindOpen(pause.move);
  if (move == nullptr) return Refused();
  if (move->paused == pause.paused) return AlreadySo();
  move->paused = pause.paused;
  return {};
}

ControllerModel::Verdict ControllerModel::Do(const Command::Rebalance&) {
  std::set<GroupId> open;
  std::map<GroupId, std::set<NodeId>> wanted;
  for (const auto& [id, group] : next_.groups) {
    if (MayOwn(id)) open.insert(id);
    if (!group.recovery.has_value()) wanted[id] = WantedVoters(group);
  }
  if (effect_->answer.outcome == Outcome::kAlreadySo) {
    if (const std::string bad = Goals().Check(wanted); !bad.empty()) {
      Wrong("placement: " + bad);
    }
    CheckShares(open, open);
    Verdict verdict = AlreadySo();
    for (const auto& [id, move] : next_.moves) {
      if (move.decision != MoveState::kCancelled) verdict.moves.push_back(id);
    }
    return verdict;
  }
  if (Plan()) return Refused();
  if (effect_->answer.outcome == Outcome::kRefused) {
    return MayLackRoom(kPlannedMoves) ? Refused() : Verdict();
  }
  Verdict verdict;
  const MoveId first = next_.next_move;
  const std::vector<uint32_t> slots = BeginAnsweredMoves(0);
  for (MoveId id = first; id < next_.next_move; id = MoveId(id.value() + 1)) {
    verdict.moves.push_back(id);
  }
  bool changed = !slots.empty();
  for (const auto& [id, voters] : wanted) {
    changed |= WantedVoters(next_.groups.at(id)) != voters;
  }
  if (!changed) Wrong("rebalance: nothing changes");
  CheckShares(open, open);
  return verdict;
}

ControllerModel::Verdict ControllerModel::Do(
    const Command::RetireGroup& retire) {
  const auto found = next_.groups.find(retire.group);
  if (found == next_.groups.end()) {
    // Ids are used once, so it has ended.
    const bool ended =
        retire.group > GroupId() && retire.group < next_.next_group;
    return ended ? AlreadySo() : Refused();
  }
  if (retire.group == kControllerGroup) return Refused();
  for (const auto& [id, move] : next_.moves) {
    if (move.to == retire.group && move.decision == MoveState::kOpen) {
      return Refused();
    }
  }
  const bool retired = std::exchange(found->second.retiring, true);
  bool others = false;
  for (const auto& [id, group] : next_.groups) others |= MayOwn(id);
  if (!others) return Refused();
  const std::set<uint32_t> moving = MovingSlots();
  std::set<uint32_t> left;
  for (const uint32_t slot : SlotsOf(retire.group)) {
    if (!moving.contains(slot)) left.insert(slot);
  }
  Verdict verdict;
  if (retired && left.empty()) verdict.outcome = Outcome::kAlreadySo;
  if (effect_->answer.outcome == Outcome::kRefused) {
    return MayLackRoom(kPlannedMoves) ? Refused() : verdict;
  }
  for (const uint32_t slot : BeginAnsweredMoves(0)) left.erase(slot);
  if (!left.empty()) {
    Wrong(absl::StrCat("retirement: slot ", *left.begin(), " stays"));
  }
  for (const auto& [id, move] : next_.moves) {
    if (move.from == retire.group) verdict.moves.push_back(id);
  }
  return verdict;
}

// ---- Reports.

ControllerModel::Verdict ControllerModel::Do(
    const Command::ReportMove& report) {
  const auto at = next_.moves.find(report.move);
  if (at == next_.moves.end()) return NotOpen(report.move);
  MoveProgress& known = at->second.progress;
  const MoveProgress& fresh = report.progress;
  if (std::tuple(fresh.term, fresh.report) <=
      std::tuple(known.term, known.report)) {
    return AlreadySo();
  }
  const Duration longest = std::max(fresh.longest_pause, known.longest_pause);
  known = fresh;
  known.longest_pause = longest;
  return {};
}

ControllerModel::Verdict ControllerModel::Do(
    const Command::DecideMove& decide) {
  const bool cancels = !decide.give_up.empty();
  SlotMove* const move = FindOpen(decide.move);
  if (move == nullptr) {
    if (cancels) return NotOpen(decide.move);
    // The destination activates the slots after "already so". So a move is
    // "already so" only while it is known to be activated.
    const auto at = next_.moves.find(decide.move);
    return at != next_.moves.end() &&
                   at->second.decision == MoveState::kActivated
               ? AlreadySo()
               : Refused();
  }
  if (cancels) {
    move->decision = MoveState::kCancelled;
    move->reason = decide.give_up;
    return {};
  }
  move->decision = MoveState::kActivated;
  for (const uint32_t slot : Flatten(move->slots)) {
    next_.slots[slot] = {move->to, SlotEpoch(move->id.value() + 1)};
  }
  return {};
}

ControllerModel::Verdict ControllerModel::Do(
    const Command::ReportMoveEnd& report) {
  const auto at = next_.moves.find(report.move);
  if (at == next_.moves.end()) return AlreadySo();
  SlotMove& move = at->second;
  if (move.decision == MoveState::kOpen) return Refused();
  if (report.group != move.from && report.group != move.to) return Refused();
  bool& ended =
      report.group == move.from ? move.source_ended : move.destination_ended;
  if (ended) return AlreadySo();
  ended = true;
  return {};
}

// ---- Consequences of a command.

void ControllerModel::CheckShares(const std::set<GroupId>& shares,
                                  const std::set<GroupId>& takers) {
  // Open moves count as done, and slots in moves stay in them.
  std::map<GroupId, uint64_t> counts, free;
  std::vector<GroupId> owners;
  for (const SlotOwner& one : next_.slots) owners.push_back(one.group);
  for (const auto& [id, move] : next_.moves) {
    if (move.decision != MoveState::kOpen) continue;
    for (const uint32_t slot : Flatten(move.slots)) owners[slot] = move.to;
  }
  const std::set<uint32_t> moving = MovingSlots();
  for (uint32_t slot = 0; slot < owners.size(); ++slot) {
    ++counts[owners[slot]];
    if (!moving.contains(slot)) ++free[owners[slot]];
  }
  uint64_t weights = 0;
  for (const GroupId id : shares) weights += next_.groups.at(id).weight;
  if (weights == 0) return;
  const auto share = [&](GroupId id, bool up) -> uint64_t {
    if (!shares.contains(id)) return 0;
    const uint64_t exact = owners.size() * next_.groups.at(id).weight;
    return (exact + (up ? weights - 1 : 0)) / weights;
  };
  const bool all = shares == takers;
  const bool lacking = std::any_of(
      takers.begin(), takers.end(),
      [&](GroupId id) { return counts[id] < share(id, /*up=*/false); });
  for (const auto& [from, unmoved] : free) {
    if (counts[from] <= share(from, /*up=*/true) || !(all || lacking)) continue;
    Wrong(absl::StrCat("shares: group ", from.value(), " keeps ", counts[from],
                       " slots"));
  }
  for (const auto& [id, move] : next_.moves) {
    if (id < now_.next_move || counts[move.to] <= share(move.to, /*up=*/true)) {
      continue;
    }
    Wrong(absl::StrCat("shares: group ", move.to.value(), " gets ",
                       counts[move.to], " slots, more than its share"));
  }
  // Slots in earlier moves may be in the way.
  if (all && lacking && now_.moves.empty()) {
    Wrong("shares: a group has fewer slots than its share");
  }
}

// Groups that were created and have their replicas now get their share. Others
// that are being created count as owners.
void ControllerModel::ShareSlots() {
  std::set<GroupId> shares, ready;
  for (const auto& [id, group] : next_.groups) {
    if (MayOwn(id)) shares.insert(id);
    if (!group.awaits_share || group.retiring) continue;
    if (MayOwn(id)) ready.insert(id);
    if (!group.founded) shares.insert(id);
  }
  if (ready.empty()) return;
  while (FreshMove() != nullptr && ready.contains(FreshMove()->to)) {
    if (BeginMove(0).empty()) return;
  }
  for (const GroupId id : ready) next_.groups.at(id).awaits_share = false;
  // Without room for more moves an operator balances the slots later.
  if (!MayLackRoom(kPlannedMoves)) CheckShares(shares, ready);
}

void ControllerModel::EndMoves() {
  for (auto at = next_.moves.begin(); at != next_.moves.end();) {
    if (at->second.source_ended && at->second.destination_ended) {
      next_.ended.push_back({at->second, log_time_});
      at = next_.moves.erase(at);
    } else {
      ++at;
    }
  }
  while (next_.ended.size() > shardctrl::kEndedMovesMax) {
    next_.ended.erase(next_.ended.begin());
  }
  for (auto at = next_.groups.begin(); at != next_.groups.end();) {
    const bool ends = at->second.retiring && SlotsOf(at->first).empty() &&
                      !TakesPart(at->first);
    at = ends ? next_.groups.erase(at) : std::next(at);
  }
  ContinueRetiring();
}

// Slots that came while the group was to retire already go on from there.
void ControllerModel::ContinueRetiring() {
  bool others = false;
  for (const auto& [id, group] : next_.groups) others |= MayOwn(id);
  if (!others || MayLackRoom(kPlannedMoves)) return;
  for (const auto& [id, group] : next_.groups) {
    if (!group.retiring || TakesPart(id)) continue;
    std::set<uint32_t> left;
    for (const uint32_t slot : SlotsOf(id)) left.insert(slot);
    while (FreshMove() != nullptr && FreshMove()->from == id) {
      for (const uint32_t slot : BeginMove(0)) left.erase(slot);
    }
    if (left.empty()) continue;
    Wrong(absl::StrCat("retirement: slot ", *left.begin(), " stays"));
  }
}

}  // namespace quorate::sim

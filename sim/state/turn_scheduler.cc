#include "sim/state/turn_scheduler.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "env/check.h"

namespace quorate::sim {
namespace {
constexpr ChoiceSite kHiccup("loop.hiccup");
constexpr ChoiceSite kTimersFirst("loop.timers_first");
// 0: the order of arrival; else the random bits of the order.
constexpr ChoiceSite kOrder("loop.order");
}  // namespace

TurnScheduler::TurnScheduler(SimState* state, MachineId id,
                             const LoopOptions& options, Parts* parts)
    : state_(state), id_(id), options_(options), parts_(parts) {}

void TurnScheduler::CountCall() {
  if (calls_to_death_ > 0 && --calls_to_death_ == 0) {
    state_->faults.Count(Fault::kCrashInTurn, id_);
    // This call is the last one that takes effect.
    StopSoon();
  }
  if (calls_to_pause_ > 0 && --calls_to_pause_ == 0) {
    state_->faults.Count(Fault::kPauseInTurn, id_);
    turn_pause_end_ = effect_time() + pause_length_;
    pauses_.emplace_back(turn_pause_end_, pause_length_);
    if (in_turn_) {
      pause_due_ = pause_length_;
    } else {
      busy_until_ = std::max(busy_until_, turn_pause_end_);
    }
  }
}

void TurnScheduler::StopSoon() {
  if (!alive_ || dying_) return;
  dying_ = true;
  if (in_turn_) return;
  state_->queue.Push(state_->now, {kEventWake, id_.value(), 0});
}

void TurnScheduler::Accept(TurnInput input) {
  if (!alive_ || dying_) return;
  input.cause = state_->hash.cause();
  inbox_.push_back(input);
  // Inputs that arrive together share a turn, which may change their order. A
  // program starts at once, since its starter may look at it.
  const bool alone = input.kind == TurnInputKind::kBoot || state_->branching ||
                     !state_->queue.MayHaveMoreAt(state_->now);
  if (ready() && alone) {
    RunTurn();
  } else {
    ScheduleWake();
  }
}

void TurnScheduler::Post(TurnInput input) {
  if (!alive_ || dying_) return;
  input.cause = state_->hash.cause();
  inbox_.push_back(input);
  ScheduleWake();
}

void TurnScheduler::NudgeOutsideTurns() {
  // The turn comes later, because the caller is in the middle of its own work.
  for (const TurnInput& input : inbox_) {
    if (input.kind == TurnInputKind::kNudge) return;
  }
  inbox_.push_back({TurnInputKind::kNudge, 0, 0, state_->hash.cause()});
  ScheduleWake();
}

void TurnScheduler::TimerDue() {
  if (!alive_ || dying_) return;
  timer_due_ = true;
  if (ready()) {
    RunTurn();
  } else {
    ScheduleWake();
  }
}

void TurnScheduler::ScheduleWake() {
  // A running turn and Resume check the inbox themselves.
  if (wake_ != 0 || paused_ || in_turn_) return;
  const SimTime when = busy_until_ > state_->now ? busy_until_ : state_->now;
  wake_ = state_->queue.Push(when, {kEventWake, id_.value(), 0});
}

void TurnScheduler::WakeUp() {
  wake_ = 0;
  if (dying_ && !in_turn_) return Die();
  if (!alive_ || paused_) return;
  if (!ready()) {
    ScheduleWake();
  } else if (!inbox_.empty() || timer_due_) {
    RunTurn();
  }
}

void TurnScheduler::Start() {
  CHECK(!alive_);
  alive_ = true;
  dying_ = false;
  paused_ = false;
  timer_due_ = false;
  busy_until_ = state_->now;
  turn_pause_end_ = state_->now;
  busy_ = Duration(0);
  inbox_.clear();
  calls_to_death_ = 0;
  calls_to_pause_ = 0;
  Accept({TurnInputKind::kBoot, 0});
}

bool TurnScheduler::Stop() {
  if (!alive_) return true;
  dying_ = true;
  if (in_turn_) return false;
  Die();
  return true;
}

void TurnScheduler::Pause() {
  if (!std::exchange(paused_, true)) paused_since_ = state_->now;
}

void TurnScheduler::Resume() {
  if (std::exchange(paused_, false)) {
    pauses_.emplace_back(state_->now, state_->now - paused_since_);
  }
  if (alive_ && (!inbox_.empty() || timer_due_)) ScheduleWake();
}

Duration TurnScheduler::PausedFor(SimTime since) const {
  Duration all = paused_ ? state_->now - paused_since_ : Duration();
  for (const auto& [end, length] : pauses_) {
    if (end > since) all = all + length;
  }
  return all;
}

// Draws the source of each place in the turn. The inputs of a source take its
// places in the order of their arrival.
void TurnScheduler::Shuffle(uint64_t bits) {
  state_->faults.Count(Fault::kTurnShuffled, id_);
  const Random random(bits);
  std::vector<std::pair<uint64_t, size_t>> order;
  // The inputs of each source, the last one first.
  absl::flat_hash_map<uint64_t, std::vector<size_t>> of_source;
  for (size_t i = draining_.size(); i-- > 0;) {
    order.emplace_back(random.Bits("loop.rank", draining_[i].source, i), i);
    of_source[draining_[i].source].push_back(i);
  }
  std::sort(order.begin(), order.end());
  std::vector<TurnInput> shuffled;
  shuffled.reserve(draining_.size());
  for (const auto& [rank, i] : order) {
    std::vector<size_t>& waiting = of_source[draining_[i].source];
    shuffled.push_back(draining_[waiting.back()]);
    waiting.pop_back();
  }
  draining_ = std::move(shuffled);
}

void TurnScheduler::RunTurn() {
  in_turn_ = true;
  timer_due_ = false;
  elapsed_ = Duration(0);
  pause_due_ = Duration(0);
  const ChoiceKey turn{id_.value(), turns_.Next(state_->now)};
  draining_.clear();
  std::swap(inbox_, draining_);
  if (draining_.size() > 1) {
    const uint64_t order =
        state_->choices.Choose(kOrder, turn, 0, UINT64_MAX,
                               [this](const Random& random, Site s, uint64_t e,
                                      uint64_t c) -> uint64_t {
                                 if (!random.Chance(options_.shuffle, s, e, c))
                                   return 0;
                                 return random.Fork(s, e).Bits(s, e, c) | 1;
                               });
    if (order != 0) Shuffle(order);
  }
  parts_->BeginTurn();
  const bool timers_first =
      !draining_.empty() &&
      state_->choices.Chance(kTimersFirst, turn, options_.timers_first);
  if (timers_first) parts_->RunTimers();
  for (size_t i = 0; i < draining_.size() && !dying_; ++i) {
    state_->hash.SetCause(draining_[i].cause);
    parts_->RunInput(draining_[i]);
  }
  if (!timers_first && !dying_) parts_->RunTimers();
  elapsed_ = elapsed_ + std::exchange(pause_due_, Duration(0)) +
             options_.turn_cost +
             options_.input_cost * static_cast<int64_t>(draining_.size()) +
             state_->Delay(kHiccup, turn, options_.hiccup, options_.hiccup_max,
                           Fault::kSlowTurn, id_);
  if (!dying_) parts_->RunDeferred();
  elapsed_ = elapsed_ + std::exchange(pause_due_, Duration(0));
  busy_until_ = state_->now + elapsed_;
  busy_ = busy_ + elapsed_;
  if (!dying_) parts_->EndTurn();
  FinishTurn();
}

void TurnScheduler::FinishTurn() {
  if (dying_ && effect_time() <= state_->now) return Die();
  const SimTime end = effect_time();
  in_turn_ = false;
  if (dying_) {
    // Calls that the turn made after a pause lie ahead, and so does the death.
    state_->queue.Cancel(wake_);
    wake_ = state_->queue.Push(end, {kEventWake, id_.value(), 0});
  } else if (!inbox_.empty() || timer_due_) {
    ScheduleWake();
  }
  parts_->AfterTurn();
}

void TurnScheduler::Die() {
  death_time_ = state_->now;
  in_turn_ = false;
  state_->queue.Cancel(std::exchange(wake_, 0));
  inbox_.clear();
  timer_due_ = false;
  alive_ = false;
  parts_->Die();
  dying_ = false;
  busy_until_ = state_->now;
  parts_->AfterTurn();
}

}  // namespace quorate::sim

#include "sim/world/node_loop.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_format.h"
#include "env/check.h"

namespace quorate::sim {

Now NodeLoop::ReadClock() {
  // The last turn may have ended a little after the event that began it.
  return scheduler_->in_turn()
             ? reading_
             : clock_.Read(
                   std::max(scheduler_->state().now, scheduler_->busy_until()));
}

env::Pending NodeLoop::At(MonoTime deadline, env::Callback callback) {
  if (!scheduler_->BeginCall()) return {};
  const uint64_t id = callbacks_.Add(std::move(callback));
  // Cancelled timers leave the heap when they reach the top, or when they are
  // many.
  if (timers_.size() > 64 && timers_.size() > 4 * callbacks_.size()) {
    timers_.erase(std::remove_if(timers_.begin(), timers_.end(),
                                 [this](const Timer& timer) {
                                   return callbacks_.Find(timer.id) == nullptr;
                                 }),
                  timers_.end());
    std::make_heap(timers_.begin(), timers_.end(), HeapOrder());
  }
  timers_.push_back({deadline, order_++, id, scheduler_->state().hash.cause()});
  std::push_heap(timers_.begin(), timers_.end(), HeapOrder());
  if (!scheduler_->in_turn()) Arm();
  return env::Pending(this, id);
}

env::Pending NodeLoop::Defer(env::Callback callback) {
  if (!scheduler_->BeginCall()) return {};
  const uint64_t id = callbacks_.Add(std::move(callback));
  deferred_.push_back(id);
  if (!scheduler_->in_turn()) scheduler_->Nudge();
  return env::Pending(this, id);
}

bool NodeLoop::FindFirst() {
  while (!timers_.empty() && callbacks_.Find(timers_.front().id) == nullptr) {
    PopFirst();
  }
  return !timers_.empty();
}

void NodeLoop::PopFirst() {
  std::pop_heap(timers_.begin(), timers_.end(), HeapOrder());
  timers_.pop_back();
}

void NodeLoop::RunTimers() {
  // Runs only timers that were set before this turn. Timers that the turn sets
  // run in a later turn.
  if (timers_.empty() || timers_.front().deadline > reading_.mono) return;
  due_.clear();
  set_in_turn_.clear();
  while (!timers_.empty() && timers_.front().deadline <= reading_.mono) {
    const Timer timer = timers_.front();
    PopFirst();
    if (callbacks_.Find(timer.id) == nullptr) continue;
    (timer.order >= first_of_turn_ ? set_in_turn_ : due_).push_back(timer);
  }
  for (const Timer& timer : set_in_turn_) {
    timers_.push_back(timer);
    std::push_heap(timers_.begin(), timers_.end(), HeapOrder());
  }
  SimState& state = scheduler_->state();
  for (size_t i = 0; i < due_.size() && scheduler_->alive(); ++i) {
    std::optional<env::Callback> callback = callbacks_.TakeIfThere(due_[i].id);
    if (!callback.has_value()) continue;
    state.hash.SetCause(due_[i].cause);
    state.hash.Add(state.now, scheduler_->id(), TraceKind::kTimer,
                   due_[i].order);
    if (state.hash.keeps_records()) state.hash.Detail(Describe(due_[i]));
    (*callback)();
  }
}

std::string NodeLoop::Describe(const Timer& timer) const {
  const SimState& state = scheduler_->state();
  const std::vector<TraceRecord>& records = state.hash.records();
  const SimTime set =
      timer.cause == 0 ? SimTime() : records[timer.cause - 1].time;
  const int64_t age_us = (state.now - set).us();
  const int64_t late_us = (reading_.mono - timer.deadline).us();
  return absl::StrFormat("set %d.%03d ms ago, due %d.%03d ms ago",
                         age_us / 1'000, age_us % 1'000, late_us / 1'000,
                         late_us % 1'000);
}

void NodeLoop::RunDeferred() {
  if (deferred_.empty()) return;
  reading_ = clock_.Read(scheduler_->effect_time());
  for (size_t i = 0; i < deferred_.size() && scheduler_->alive(); ++i) {
    std::optional<env::Callback> callback =
        callbacks_.TakeIfThere(deferred_[i]);
    if (callback.has_value()) (*callback)();
  }
  deferred_.clear();
}

void NodeLoop::Arm() {
  // No timer is due before the first one of the heap, cancelled or not.
  if (armed_ != 0 && !timers_.empty() &&
      timers_.front().deadline >= armed_deadline_) {
    return;
  }
  if (!scheduler_->alive() || !FindFirst()) return;
  if (armed_ != 0 && timers_.front().deadline >= armed_deadline_) return;
  SimState& state = scheduler_->state();
  SimTime when = clock_.WhenMono(timers_.front().deadline, state.now);
  if (when != SimTime::Max()) when = std::max(when, scheduler_->busy_until());
  if (when >= armed_for_) return;
  state.queue.Cancel(armed_);
  armed_for_ = when;
  armed_deadline_ = timers_.front().deadline;
  armed_ = state.queue.Push(when, {kEventTimers, scheduler_->id().value(), 0});
}

void NodeLoop::TimersEvent() {
  armed_ = 0;
  armed_for_ = SimTime::Max();
  if (!FindFirst()) return;
  if (timers_.front().deadline <= clock_.Mono(scheduler_->state().now)) {
    scheduler_->TimerDue();
  } else {
    Arm();
  }
}

void NodeLoop::Rearm() {
  scheduler_->state().queue.Cancel(std::exchange(armed_, 0));
  armed_for_ = SimTime::Max();
  Arm();
}

void NodeLoop::Clear() {
  scheduler_->state().queue.Cancel(std::exchange(armed_, 0));
  armed_for_ = SimTime::Max();
  callbacks_.Clear();
  timers_.clear();
  due_.clear();
  deferred_.clear();
}

}  // namespace quorate::sim

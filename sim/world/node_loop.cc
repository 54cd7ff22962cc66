#include "sim/world/node_loop.h"

#include <algorithm>
#include <utility>

#include "env/check.h"

namespace quorate::sim {

Now NodeLoop::ReadClock() {
  // The last turn may have ended a little after the event that began it.
  return cpu_->in_turn()
             ? reading_
             : clock_.Read(std::max(cpu_->kernel().now, cpu_->busy_until()));
}

env::Pending NodeLoop::At(MonoTime deadline, env::Callback callback) {
  if (!cpu_->BeginCall()) return {};
  const uint64_t id = callbacks_.Add(std::move(callback));
  // Timers that were cancelled leave when they come up, or when they are many.
  if (timers_.size() > 64 && timers_.size() > 4 * callbacks_.size()) {
    timers_.erase(std::remove_if(timers_.begin(), timers_.end(),
                                 [this](const Timer& timer) {
                                   return callbacks_.Find(timer.id) == nullptr;
                                 }),
                  timers_.end());
    std::make_heap(timers_.begin(), timers_.end(), HeapOrder);
  }
  timers_.push_back({deadline, order_++, id});
  std::push_heap(timers_.begin(), timers_.end(), HeapOrder);
  if (!cpu_->in_turn()) Arm();
  return env::Pending(this, id);
}

env::Pending NodeLoop::Defer(env::Callback callback) {
  if (!cpu_->BeginCall()) return {};
  const uint64_t id = callbacks_.Add(std::move(callback));
  deferred_.push_back(id);
  if (!cpu_->in_turn()) cpu_->Nudge();
  return env::Pending(this, id);
}

bool NodeLoop::FindFirst() {
  while (!timers_.empty() && callbacks_.Find(timers_.front().id) == nullptr) {
    PopFirst();
  }
  return !timers_.empty();
}

void NodeLoop::PopFirst() {
  std::pop_heap(timers_.begin(), timers_.end(), HeapOrder);
  timers_.pop_back();
}

void NodeLoop::RunTimers() {
  // Only those that were set before this turn: what it sets itself runs in a later one.
  due_.clear();
  set_in_turn_.clear();
  while (FindFirst() && timers_.front().deadline <= reading_.mono) {
    const bool early = timers_.front().order >= first_of_turn_;
    (early ? set_in_turn_ : due_).push_back(timers_.front());
    PopFirst();
  }
  for (const Timer& timer : set_in_turn_) {
    timers_.push_back(timer);
    std::push_heap(timers_.begin(), timers_.end(), HeapOrder);
  }
  Kernel& kernel = cpu_->kernel();
  for (size_t i = 0; i < due_.size() && cpu_->alive(); ++i) {
    if (callbacks_.Find(due_[i].id) == nullptr) continue;
    env::Callback callback = callbacks_.Take(due_[i].id);
    ++kernel.events;
    kernel.hash.Add(kernel.now, cpu_->id(), TraceKind::kTimer, due_[i].order);
    callback();
  }
}

void NodeLoop::RunDeferred() {
  reading_ = clock_.Read(cpu_->effect_time());
  for (size_t i = 0; i < deferred_.size() && cpu_->alive(); ++i) {
    if (callbacks_.Find(deferred_[i]) == nullptr) continue;
    env::Callback callback = callbacks_.Take(deferred_[i]);
    callback();
  }
  deferred_.clear();
}

void NodeLoop::Arm() {
  if (!cpu_->alive() || !FindFirst()) return;
  Kernel& kernel = cpu_->kernel();
  SimTime when = clock_.WhenMono(timers_.front().deadline, kernel.now);
  if (when != SimTime::Max()) when = std::max(when, cpu_->busy_until());
  if (when >= armed_for_) return;
  kernel.queue.Cancel(armed_);
  armed_for_ = when;
  armed_ = kernel.queue.Push(when, {kEventTimers, cpu_->id().value(), 0});
}

void NodeLoop::TimersEvent() {
  armed_ = 0;
  armed_for_ = SimTime::Max();
  if (!FindFirst()) return;
  if (timers_.front().deadline <= clock_.Mono(cpu_->kernel().now)) {
    cpu_->TimerDue();
  } else {
    Arm();
  }
}

void NodeLoop::Rearm() {
  cpu_->kernel().queue.Cancel(std::exchange(armed_, 0));
  armed_for_ = SimTime::Max();
  Arm();
}

void NodeLoop::Clear() {
  cpu_->kernel().queue.Cancel(std::exchange(armed_, 0));
  armed_for_ = SimTime::Max();
  callbacks_.Clear();
  timers_.clear();
  due_.clear();
  deferred_.clear();
}

}  // namespace quorate::sim

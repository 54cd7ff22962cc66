#include "sim/state/queue.h"

#include <algorithm>
#include <utility>

#include "env/check.h"

namespace quorate::sim {
namespace {
constexpr size_t kArity = 4;
constexpr size_t kCompactAtLeast = 64;
}  // namespace

EventQueue::Handle EventQueue::Push(SimTime time, QueuedEvent event) {
  CHECK_GE(time, last_);
  if (cause_ != nullptr) event.cause = *cause_;
  const bool top_is_dead = TopIsDead();
  const Entry entry{time.ns(), order_++, events_.Add(std::move(event))};
  if (top_is_dead) {
    heap_.front() = entry;
    SiftDown(0);
  } else {
    heap_.push_back(entry);
    SiftUp(heap_.size() - 1);
  }
  return entry.handle;
}

void EventQueue::Cancel(Handle handle) {
  events_.Remove(handle);
  if (heap_.size() >= kCompactAtLeast && heap_.size() > 2 * size()) Compact();
}

SimTime EventQueue::NextTime() {
  DropDead();
  return heap_.empty() ? SimTime::Max() : SimTime(heap_.front().time);
}

bool EventQueue::MayHaveMoreAt(SimTime time) {
  if (heap_.empty()) return false;
  if (heap_.front().time == time.ns() &&
      events_.Find(heap_.front().handle) != nullptr) {
    return true;
  }
  // The first entry is that of the popped event. One of these is next.
  const size_t end = std::min<size_t>(heap_.size(), 5);
  for (size_t i = 1; i < end; ++i) {
    if (heap_[i].time == time.ns()) return true;
  }
  return false;
}

QueuedEvent EventQueue::Pop(SimTime* time) {
  DropDead();
  CHECK(!heap_.empty());
  return TakeTop(time);
}

std::optional<QueuedEvent> EventQueue::PopUntil(SimTime end, SimTime* time) {
  while (!heap_.empty() && heap_.front().time <= end.ns()) {
    std::optional<QueuedEvent> event =
        events_.TakeIfThere(heap_.front().handle);
    if (event.has_value()) {
      *time = last_ = SimTime(heap_.front().time);
      return event;
    }
    DropTop();
  }
  return std::nullopt;
}

QueuedEvent EventQueue::TakeTop(SimTime* time) {
  *time = last_ = SimTime(heap_.front().time);
  return events_.Take(heap_.front().handle);
}

void EventQueue::DropDead() {
  while (TopIsDead()) DropTop();
}

void EventQueue::DropTop() {
  heap_.front() = heap_.back();
  heap_.pop_back();
  if (!heap_.empty()) SiftDown(0);
}

void EventQueue::SiftUp(size_t i) {
  const Entry entry = heap_[i];
  while (i > 0) {
    const size_t parent = (i - 1) / kArity;
    if (!entry.Before(heap_[parent])) break;
    heap_[i] = heap_[parent];
    i = parent;
  }
  heap_[i] = entry;
}

void EventQueue::SiftDown(size_t i) {
  const Entry entry = heap_[i];
  Entry* const heap = heap_.data();
  Entry* hole = heap + i;
  for (size_t first; (first = i * kArity + 1) < heap_.size();) {
    Entry* const end = heap + std::min(first + kArity, heap_.size());
    Entry* least = heap + first;
    for (Entry* child = least + 1; child < end; ++child) {
      if (child->Before(*least)) least = child;
    }
    if (!least->Before(entry)) break;
    *hole = *least;
    hole = least;
    i = static_cast<size_t>(least - heap);
  }
  *hole = entry;
}

void EventQueue::Compact() {
  size_t kept = 0;
  for (const Entry& entry : heap_) {
    if (events_.Find(entry.handle) != nullptr) heap_[kept++] = entry;
  }
  heap_.resize(kept);
  // The order by (time, order) is total, so the shape of the heap has no
  // effect.
  for (size_t i = kept / kArity + 1; i-- > 0;) {
    if (i < kept) SiftDown(i);
  }
}

}  // namespace quorate::sim

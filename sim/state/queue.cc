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
  if (free_.empty()) {
    CHECK_LT(slots_.size(), kSlotsMax);
    free_.push_back(static_cast<uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const uint32_t slot = free_.back();
  free_.pop_back();
  const Handle handle = ++pushed_ << kSlotBits | slot;
  slots_[slot] = {handle, event};
  const Entry entry{time.ns(), handle};
  if (top_is_dead) {
    heap_.front() = entry;
    SiftDown(0);
  } else {
    heap_.push_back(entry);
    SiftUp(heap_.size() - 1);
  }
  return handle;
}

void EventQueue::Free(Slot* slot) {
  free_.push_back(static_cast<uint32_t>(slot - slots_.data()));
  slot->handle = 0;
}

void EventQueue::Cancel(Handle handle) {
  if (handle == 0 || !IsAlive(handle)) return;
  Free(&SlotOf(handle));
  if (heap_.size() >= kCompactAtLeast && heap_.size() > 2 * size()) Compact();
}

SimTime EventQueue::NextTime() {
  DropDead();
  return heap_.empty() ? SimTime::Max() : SimTime(heap_.front().time);
}

bool EventQueue::MayHaveMoreAt(SimTime time) {
  if (heap_.empty()) return false;
  if (heap_.front().time == time.ns() && IsAlive(heap_.front().handle)) {
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
    if (IsAlive(heap_.front().handle)) return TakeTop(time);
    DropTop();
  }
  return std::nullopt;
}

void EventQueue::List(std::vector<Pending>* pending) const {
  pending->clear();
  for (const Entry& entry : heap_) {
    const Slot& slot = slots_[entry.handle % kSlotsMax];
    if (slot.handle != entry.handle) continue;
    pending->push_back({SimTime(entry.time), entry.handle, slot.event});
  }
  std::stable_sort(
      pending->begin(), pending->end(), [](const Pending& a, const Pending& b) {
        return a.time != b.time ? a.time < b.time : a.handle < b.handle;
      });
}

QueuedEvent EventQueue::TakeTop(SimTime* time) {
  *time = last_ = SimTime(heap_.front().time);
  Slot& slot = SlotOf(heap_.front().handle);
  Free(&slot);
  return slot.event;
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
    Entry* least = heap + first;
    if (first + kArity <= heap_.size()) {
      Entry* const last = FirstOf(least + 2, least + 3);
      least = FirstOf(FirstOf(least, least + 1), last);
    } else {
      for (Entry* child = least + 1; child < heap + heap_.size(); ++child) {
        least = FirstOf(least, child);
      }
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
    if (IsAlive(entry.handle)) heap_[kept++] = entry;
  }
  heap_.resize(kept);
  // The order by (time, handle) is total, so the shape of the heap has no
  // effect.
  for (size_t i = kept / kArity + 1; i-- > 0;) {
    if (i < kept) SiftDown(i);
  }
}

}  // namespace quorate::sim

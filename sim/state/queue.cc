#include "sim/state/queue.h"

#include <algorithm>

#include "env/check.h"

namespace quorate::sim {
namespace {
constexpr size_t kArity = 4;
constexpr size_t kCompactAtLeast = 64;
}  // namespace

EventQueue::Handle EventQueue::Push(SimTime time, const QueuedEvent& event) {
  CHECK_GE(time, last_);
  uint32_t index;
  if (free_.empty()) {
    index = static_cast<uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    index = free_.back();
    free_.pop_back();
  }
  Slot& slot = slots_[index];
  slot.event = event;
  slot.live = true;
  ++live_;
  heap_.push_back({time.ns(), order_++, index});
  SiftUp(heap_.size() - 1);
  return uint64_t{slot.generation} << 32 | index;
}

void EventQueue::Cancel(Handle handle) {
  const auto index = static_cast<uint32_t>(handle);
  if (handle == 0 || index >= slots_.size()) return;
  Slot& slot = slots_[index];
  if (!slot.live || slot.generation != handle >> 32) return;
  slot.live = false;
  --live_;
  if (heap_.size() >= kCompactAtLeast && heap_.size() > 2 * live_) Compact();
}

SimTime EventQueue::NextTime() {
  DropDead();
  return heap_.empty() ? SimTime::Max() : SimTime(heap_.front().time);
}

QueuedEvent EventQueue::Pop(SimTime* time) {
  DropDead();
  CHECK(!heap_.empty());
  *time = last_ = SimTime(heap_.front().time);
  const QueuedEvent event = slots_[heap_.front().slot].event;
  slots_[heap_.front().slot].live = false;
  --live_;
  RemoveTop();
  return event;
}

void EventQueue::DropDead() {
  while (!heap_.empty() && !slots_[heap_.front().slot].live) RemoveTop();
}

void EventQueue::RemoveTop() {
  const uint32_t index = heap_.front().slot;
  ++slots_[index].generation;
  free_.push_back(index);
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
  while (true) {
    const size_t first = i * kArity + 1;
    if (first >= heap_.size()) break;
    const size_t end = std::min(first + kArity, heap_.size());
    size_t least = first;
    for (size_t child = first + 1; child < end; ++child) {
      if (heap_[child].Before(heap_[least])) least = child;
    }
    if (!heap_[least].Before(entry)) break;
    heap_[i] = heap_[least];
    i = least;
  }
  heap_[i] = entry;
}

void EventQueue::Compact() {
  size_t kept = 0;
  for (const Entry& entry : heap_) {
    if (slots_[entry.slot].live) {
      heap_[kept++] = entry;
    } else {
      ++slots_[entry.slot].generation;
      free_.push_back(entry.slot);
    }
  }
  heap_.resize(kept);
  // The order by (time, order) is total, so the shape of the heap has no
  // effect.
  for (size_t i = kept / kArity + 1; i-- > 0;) {
    if (i < kept) SiftDown(i);
  }
}

}  // namespace quorate::sim

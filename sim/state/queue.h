// sim/state/queue.h: the queue of all future events of a world, ordered by
// virtual time, then by insertion.
//
// Events are small values in slots, so the steady state allocates nothing.
// Cancelling is O(1): it frees the slot. The entry leaves the heap when it
// reaches the top, or when cancelled entries are the majority. The entry of a
// popped event stays on top, where the next pushed one may replace it. That is
// cheaper than to remove one entry and to add another.
#ifndef QUORATE_SIM_STATE_QUEUE_H_
#define QUORATE_SIM_STATE_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "sim/choices/sim_time.h"

namespace quorate::sim {

// An event: a kind that the world can run, a target, and one number.
struct QueuedEvent {
  uint32_t kind = 0;
  uint32_t target = 0;
  uint64_t argument = 0;
  uint64_t cause = 0;  // See TraceRecord. Push sets it.
};

class EventQueue {
 public:
  // `cause`, if not null, is the cause of events that are pushed.
  explicit EventQueue(const uint64_t* cause = nullptr) : cause_(cause) {}

  // Identifies a scheduled event. Handles are never reused, and grow. Zero is
  // no event.
  using Handle = uint64_t;

  // Requires: `time` is not before that of the last popped event.
  Handle Push(SimTime time, QueuedEvent event);
  // Removes the event. A handle of a popped or cancelled event is ignored.
  void Cancel(Handle handle);
  // The time of the next event, or Max() if there is none.
  SimTime NextTime();
  // True if an event of this time may follow. It is true for each, and seldom
  // also for one that was cancelled. Requires: no event is earlier.
  bool MayHaveMoreAt(SimTime time);
  // Takes the next event. Requires: NextTime() != Max().
  QueuedEvent Pop(SimTime* time);
  // Takes the next event if there is one and its time is not after `end`.
  std::optional<QueuedEvent> PopUntil(SimTime end, SimTime* time);
  // An event that is scheduled.
  struct Pending {
    SimTime time;
    Handle handle = 0;
    QueuedEvent event;
  };
  // Puts all of them, in their order, in place of the elements of `pending`.
  void List(std::vector<Pending>* pending) const;
  // Events that are scheduled and not cancelled.
  size_t size() const { return slots_.size() - free_.size(); }

 private:
  // The low bits of a handle are the number of its slot. The bits above count
  // the events.
  static constexpr int kSlotBits = 22;
  static constexpr size_t kSlotsMax = size_t{1} << kSlotBits;
  struct Entry {
    int64_t time;
    Handle handle;
    bool Before(const Entry& other) const {
      return time != other.time ? time < other.time : handle < other.handle;
    }
  };
  struct Slot {
    Handle handle = 0;  // Zero: the slot is free.
    QueuedEvent event;
  };

  Slot& SlotOf(Handle handle) { return slots_[handle % kSlotsMax]; }
  // Requires: the queue made the handle.
  bool IsAlive(Handle handle) { return SlotOf(handle).handle == handle; }
  void Free(Slot* slot);
  void SiftUp(size_t i);
  void SiftDown(size_t i);
  // The event of the first entry was popped or cancelled.
  bool TopIsDead() { return !heap_.empty() && !IsAlive(heap_.front().handle); }
  static Entry* FirstOf(Entry* a, Entry* b) { return b->Before(*a) ? b : a; }
  void DropDead();
  void DropTop();
  // Requires: the first entry is that of an event.
  QueuedEvent TakeTop(SimTime* time);
  void Compact();

  const uint64_t* const cause_;
  std::vector<Entry> heap_;  // Four children each.
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;  // The numbers of free slots.
  uint64_t pushed_ = 0;
  SimTime last_ = SimTime::Min();
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_STATE_QUEUE_H_

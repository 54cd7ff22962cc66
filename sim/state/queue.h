// sim/state/queue.h: the one queue of everything that will happen, ordered by
// (virtual time, order of insertion).
//
// Events are small values in pooled slots; in the steady state nothing is
// allocated. Cancelling is O(1): the slot is marked and its place in the heap
// is dropped when it comes up, or when such places are the majority.
#ifndef QUORATE_SIM_STATE_QUEUE_H_
#define QUORATE_SIM_STATE_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "sim/choices/sim_time.h"

namespace quorate::sim {

// What happens: a kind that the world knows how to run, whom it concerns and
// one number.
struct QueuedEvent {
  uint32_t kind = 0;
  uint32_t target = 0;
  uint64_t argument = 0;
};

class EventQueue {
 public:
  // Names a scheduled event. Never reused; zero names none.
  using Handle = uint64_t;

  // Requires: `time` is not before that of the last popped event.
  Handle Push(SimTime time, const QueuedEvent& event);
  // Forgets the event; one that was popped or cancelled already is ignored.
  void Cancel(Handle handle);
  // The time of the next event; Max() if there is none.
  SimTime NextTime();
  // Takes the next event. Requires: NextTime() != Max().
  QueuedEvent Pop(SimTime* time);
  // Events that are scheduled and not cancelled.
  size_t size() const { return live_; }

 private:
  struct Entry {
    int64_t time;
    uint64_t order;
    uint32_t slot;
    bool Before(const Entry& other) const {
      return time != other.time ? time < other.time : order < other.order;
    }
  };
  struct Slot {
    QueuedEvent event;
    uint32_t generation = 1;
    bool live = false;
  };

  void SiftUp(size_t i);
  void SiftDown(size_t i);
  void RemoveTop();
  void DropDead();
  void Compact();

  std::vector<Entry> heap_;  // Four children each.
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  uint64_t order_ = 0;
  size_t live_ = 0;
  SimTime last_ = SimTime::Min();
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_STATE_QUEUE_H_

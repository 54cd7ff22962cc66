// sim/world/node_loop.h: env::Loop of a simulated machine: its clocks, timers
// and deferred callbacks.
#ifndef QUORATE_SIM_WORLD_NODE_LOOP_H_
#define QUORATE_SIM_WORLD_NODE_LOOP_H_

#include <cstdint>
#include <string>
#include <vector>

#include "env/loop.h"
#include "env/slot_pool.h"
#include "sim/state/turn_scheduler.h"
#include "sim/world/clock.h"

namespace quorate::sim {

class NodeLoop final : public env::Loop, public env::Pending::Source {
 public:
  NodeLoop(TurnScheduler* scheduler, SimClock clock)
      : scheduler_(scheduler), clock_(clock) {}

  // env::Loop. Outside of turns the clock shows the current virtual time.
  Now ReadClock() override;
  env::Pending At(MonoTime deadline, env::Callback callback) override;
  env::Pending Defer(env::Callback callback) override;
  // env::Pending::Source.
  void Cancel(uint64_t id) override { callbacks_.Remove(id); }

  // ---- Called by the machine.
  void BeginTurn() {
    reading_ = clock_.Read(scheduler_->state().now);
    first_of_turn_ = order_;
  }
  void RunTimers();
  void RunDeferred();
  // Schedules an event for the time at which the first timer is due.
  void Arm();
  void TimersEvent();  // Handles kEventTimers.
  // The clock changed: the first timer may be due at another time.
  void Rearm();
  void Clear();  // The machine died.
  SimClock& clock() { return clock_; }

 private:
  struct Timer {
    MonoTime deadline;
    uint64_t order;
    uint64_t id;
    uint64_t cause;  // See TraceRecord.
    bool After(const Timer& other) const {
      return deadline != other.deadline ? deadline > other.deadline
                                        : order > other.order;
    }
  };
  // For records of events.
  std::string Describe(const Timer& timer) const;
  // An object, so that the functions of heaps compare without calls.
  struct HeapOrder {
    bool operator()(const Timer& a, const Timer& b) const { return a.After(b); }
  };
  // Drops cancelled timers from the top. False: no timer is left.
  bool FindFirst();
  void PopFirst();

  TurnScheduler* const scheduler_;
  SimClock clock_;
  Now reading_;
  // The callbacks of timers and deferred calls.
  SlotPool<env::Callback> callbacks_;
  std::vector<Timer> timers_;  // A heap, the first on top.
  std::vector<Timer> due_;
  std::vector<uint64_t> deferred_;
  uint64_t order_ = 0;
  // Timers with this number or a later one wait for the next turn.
  uint64_t first_of_turn_ = 0;
  std::vector<Timer> set_in_turn_;
  EventQueue::Handle armed_ = 0;
  SimTime armed_for_ = SimTime::Max();
  MonoTime armed_deadline_;  // Valid if armed_ is not 0.
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_WORLD_NODE_LOOP_H_

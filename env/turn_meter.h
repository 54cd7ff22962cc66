// env/turn_meter.h: the work of one step of a turn (env/loop.h), in units that
// the user of the meter chooses.
//
// A node has one thread, and nothing may wait long for it. So components ask
// the meter before they begin a piece of work. They leave the rest to the next
// turn.
#ifndef QUORATE_ENV_TURN_METER_H_
#define QUORATE_ENV_TURN_METER_H_

#include <algorithm>
#include <cstdint>

#include "env/loop.h"
#include "env/time.h"

namespace quorate::env {

class TurnMeter {
 public:
  // `loop` outlives the object. After `units_max` no further work begins in a
  // step. The last piece of work may exceed it.
  TurnMeter(Loop& loop, uint64_t units_max)
      : loop_(loop), units_max_(units_max) {}
  TurnMeter(const TurnMeter&) = delete;
  TurnMeter& operator=(const TurnMeter&) = delete;

  void Add(uint64_t units) {
    NoteTime();
    units_ += units;
    longest_ = std::max(longest_, units_);
  }
  // The work that may begin now. 0: none until the next step.
  uint64_t left() {
    NoteTime();
    return units_max_ - std::min(units_max_, units_);
  }
  bool exhausted() { return left() == 0; }
  // A later turn has begun, perhaps at the same time.
  void Begin() { units_ = 0; }
  // The most work of one step of a turn so far.
  uint64_t longest() const { return longest_; }

 private:
  // Time stands still within a step of a turn.
  void NoteTime() {
    const MonoTime now = loop_.ReadClock().mono;
    if (now == time_) return;
    time_ = now;
    units_ = 0;
  }

  Loop& loop_;
  const uint64_t units_max_;
  MonoTime time_ = MonoTime::Min();
  uint64_t units_ = 0;
  uint64_t longest_ = 0;
};

}  // namespace quorate::env

#endif  // QUORATE_ENV_TURN_METER_H_

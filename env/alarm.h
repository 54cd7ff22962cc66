// env/alarm.h: one timer for the earliest of many deadlines.
//
// A component with a single deadline uses Loop::At itself.
#ifndef QUORATE_ENV_ALARM_H_
#define QUORATE_ENV_ALARM_H_

#include <utility>

#include "env/loop.h"
#include "env/pending.h"
#include "env/time.h"

namespace quorate::env {

// Calls `ring` when a deadline is due. A later deadline does not move the
// timer: an early `ring` finds nothing due and sets the alarm again. So no
// change of the deadlines in mid-turn loses a timer that is due already.
class Alarm {
 public:
  // `loop` outlives the object.
  Alarm(Loop& loop, Callback ring) : loop_(loop), ring_(std::move(ring)) {}
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;

  // Rings at `earliest` or before. MonoTime::Max(): there is no deadline.
  void SetFor(MonoTime earliest) {
    if (earliest >= at_) return;
    at_ = earliest;
    timer_ = loop_.At(earliest, [this] {
      at_ = MonoTime::Max();
      ring_();
    });
  }

 private:
  Loop& loop_;
  Callback ring_;
  MonoTime at_ = MonoTime::Max();
  Pending timer_;
};

}  // namespace quorate::env

#endif  // QUORATE_ENV_ALARM_H_

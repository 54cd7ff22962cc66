// net/event_loop/clock.h: reads the machine's clocks.
// The event loop calls it once a step; nothing else in a node reads a clock.
#ifndef QUORATE_NET_EVENT_LOOP_CLOCK_H_
#define QUORATE_NET_EVENT_LOOP_CLOCK_H_

#include <cstdint>

#include "env/time.h"

namespace quorate::net {

struct ClockOptions {
  // The half width of the wall interval is never less than this, however exact
  // the kernel believes its clock to be.
  Duration error_floor = Milliseconds(1);
  // What the operator vouches for where the kernel does not know its clock's
  // error (no time service runs): the half width then. Zero: nobody vouches.
  Duration error_unsynchronised = Nanoseconds(0);
};

// What the kernel says about its wall clock (ntp_adjtime).
struct ClockError {
  bool synchronised = false;
  Duration error_max;
};

// The interval around `reading`. Where nobody knows the error it is not bounded
// above, so leases are off, and its lower end is the reading itself less the
// floor: log time, by which keys expire, goes by the best guess there is.
WallInterval MakeWallInterval(WallTime reading, const ClockError& error,
                              const ClockOptions& options);

class Clock {
 public:
  explicit Clock(const ClockOptions& options) : options_(options) {}

  // CLOCK_MONOTONIC, which stands still while the machine is suspended: a node
  // that could not act must not find all its deadlines passed on waking up.
  // What may not be trusted across a suspension (leases) goes by wall time.
  static MonoTime ReadMono();

  Now Read();

 private:
  // The kernel's answer is used for this long, widened meanwhile by the drift
  // that the kernel itself assumes, and only while both clocks agree.
  static constexpr Duration kErrorValidFor = Milliseconds(10);

  const ClockOptions options_;
  ClockError error_;
  MonoTime error_mono_ = MonoTime::Min();
  WallTime error_wall_;
};

}  // namespace quorate::net

#endif  // QUORATE_NET_EVENT_LOOP_CLOCK_H_

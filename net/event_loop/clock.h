// net/event_loop/clock.h: reads the clocks of the machine. The event loop calls
// it once per step; no other code of a node reads a clock.
#ifndef QUORATE_NET_EVENT_LOOP_CLOCK_H_
#define QUORATE_NET_EVENT_LOOP_CLOCK_H_

#include <cstdint>

#include "env/clock_watch.h"
#include "env/time.h"

namespace quorate::net {

struct ClockOptions {
  // Least half width of the wall interval, however exact the kernel believes
  // its clock to be.
  Duration error_floor = Milliseconds(1);
  // Half width of the wall interval if the kernel does not know the error of
  // its clock (no time service runs). The operator asserts it; zero: no
  // assertion, so the interval is unbounded.
  Duration error_unsynchronised = Nanoseconds(0);
};

// The kernel's estimate of its wall clock (ntp_adjtime).
struct ClockError {
  bool synchronised = false;
  Duration error_max;
};

// Returns the interval around `reading`. If the error is unknown, the interval
// has no upper bound, so leases are off. Its lower bound is then the reading
// less the floor: log time, which decides expiry, uses the best estimate.
WallInterval MakeWallInterval(WallTime reading, const ClockError& error,
                              const ClockOptions& options);

class Clock {
 public:
  explicit Clock(const ClockOptions& options) : options_(options) {}

  // Reads CLOCK_MONOTONIC. It stops while the machine is suspended, so
  // deadlines do not pass while the node cannot act. Leases cannot trust it
  // across a suspension.
  static MonoTime ReadMono();

  // Now::disruptions counts differences from CLOCK_BOOTTIME, which goes on
  // while the machine is suspended, and from CLOCK_MONOTONIC_RAW, which no time
  // service slews.
  Now Read();
  // The reading may be older than it seems.
  void CountDisruption() { watch_.CountDisruption(); }

 private:
  // The kernel's estimate is reused for this long, widened by the drift that
  // the kernel itself assumes, and only while both clocks agree.
  static constexpr Duration kErrorValidFor = Milliseconds(10);

  const ClockOptions options_;
  ClockError error_;
  MonoTime error_mono_ = MonoTime::Min();
  WallTime error_wall_;
  env::ClockWatch watch_;
};

}  // namespace quorate::net

#endif  // QUORATE_NET_EVENT_LOOP_CLOCK_H_

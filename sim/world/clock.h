// sim/world/clock.h: the clocks of one machine as functions of virtual time, each
// with offset, rate, steps and freezes.
#ifndef QUORATE_SIM_WORLD_CLOCK_H_
#define QUORATE_SIM_WORLD_CLOCK_H_

#include <algorithm>
#include <cstdint>

#include "env/time.h"
#include "sim/choices/sim_time.h"

namespace quorate::sim {

struct SimClockOptions {
  Duration mono_offset = Seconds(1000);  // Reading at virtual time zero.
  int64_t mono_drift_ppm = 0;
  Duration wall_offset{};  // Error of the wall clock. Honest: at most
                           // `wall_error_bound` either way.
  // The machine reports [reading - bound, reading + bound]. Negative: it cannot
  // tell (an unbounded interval).
  Duration wall_error_bound = Milliseconds(10);
  // False: it reports no latest end, as a machine does whose clock no daemon
  // disciplines.
  bool wall_latest_known = true;
};

// Monotonic and wall readings. Wall = true time + offset; mono is linear in
// pieces and never goes back.
class SimClock {
 public:
  SimClock(const SimClockOptions& options, WallTime epoch);

  MonoTime Mono(SimTime now) const;
  WallInterval Wall(SimTime now) const;
  Now Read(SimTime now) {
    read_ = std::max(read_, now);
    return {Mono(now), Wall(now)};
  }
  // The first virtual time, not before `now`, at which Mono reads at least
  // `deadline`; SimTime::Max() while frozen.
  SimTime WhenMono(MonoTime deadline, SimTime now) const;

  // ---- Changes, each from `now` on. Tell the world afterwards
  // (World::ClockChanged). A turn that paused may have read a later time already:
  // then from there.
  void SetMonoDrift(SimTime now, int64_t ppm);
  // Mono jumps ahead (what a machine that slept does). Requires: by >= 0.
  void JumpMono(SimTime now, Duration by);
  // Mono stands still until SetFrozen(now, false), then goes on from where it
  // stood.
  void SetFrozen(SimTime now, bool frozen);
  bool frozen() const { return frozen_; }
  // How long it has stood still in all.
  Duration frozen_for(SimTime now) const {
    return frozen_for_ +
           (frozen_ ? std::max(now, anchor_) - anchor_ : Duration());
  }
  // Steps the wall clock. An offset beyond the bound makes the clock lie about
  // itself, which no lease survives.
  void SetWallOffset(Duration offset) { wall_offset_ = offset; }
  void SetWallErrorBound(Duration bound) { wall_error_bound_ = bound; }
  void SetWallLatestKnown(bool known) { wall_latest_known_ = known; }
  Duration wall_offset() const { return wall_offset_; }
  Duration wall_error_bound() const { return wall_error_bound_; }
  int64_t mono_drift_ppm() const { return mono_drift_ppm_; }

 private:
  // Makes `now` the beginning of a new piece.
  void Anchor(SimTime now);

  SimTime read_;  // The latest time it was read at.
  SimTime anchor_;
  MonoTime anchor_mono_;
  int64_t mono_drift_ppm_;
  bool frozen_ = false;
  Duration frozen_for_;  // Before anchor_.
  WallTime epoch_;
  Duration wall_offset_;
  Duration wall_error_bound_;
  bool wall_latest_known_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_WORLD_CLOCK_H_

// sim/world/clock.h: the clocks of one machine as functions of virtual time,
// with offset, drift, steps and freezes.
#ifndef QUORATE_SIM_WORLD_CLOCK_H_
#define QUORATE_SIM_WORLD_CLOCK_H_

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "env/clock_watch.h"
#include "env/time.h"
#include "sim/choices/sim_time.h"

namespace quorate::sim {

struct SimClockOptions {
  Duration mono_offset = Seconds(1000);  // The reading at virtual time zero.
  int64_t mono_drift_ppm = 0;
  // The error of the wall clock. It should be at most `wall_error_bound` in
  // both directions.
  Duration wall_offset{};
  // The machine reports [reading - bound, reading + bound]. Negative: the bound
  // is unknown, and the interval is unbounded.
  Duration wall_error_bound = Milliseconds(10);
  // False: it reports no latest end, like a machine whose clock no daemon
  // disciplines.
  bool wall_latest_known = true;
};

// Monotonic and wall readings. The wall clock is the true time plus an offset.
// The monotonic clock is piecewise linear and does not go back while the
// machine runs.
class SimClock {
 public:
  SimClock(const SimClockOptions& options, WallTime epoch);

  MonoTime Mono(SimTime now) const;
  WallInterval Wall(SimTime now) const;
  Now Read(SimTime now) {
    if (now < anchor_) NoteStandstill(now);
    read_ = std::max(read_, now);
    const MonoTime mono = Mono(now);
    // The other clocks of the machine neither stand still nor jump.
    const MonoTime steady(now.ns() + now.ns() / 1'000'000 * mono_drift_ppm_);
    watch_.Observe(mono, steady, steady);
    return {mono, Wall(now), watch_.disruptions()};
  }
  // The first virtual time, not before `now`, at which Mono reads at least
  // `deadline`; SimTime::Max() while frozen.
  SimTime WhenMono(MonoTime deadline, SimTime now) const;

  // ---- Changes.
  // They begin at `now`. If a turn that paused has read a later time already,
  // they begin there. Call World::ClockChanged afterwards.
  void SetMonoDrift(SimTime now, int64_t ppm);
  // The monotonic clock jumps ahead, as after a suspension of the machine.
  // Requires: by >= 0.
  void JumpMono(SimTime now, Duration by);
  // The machine starts again, and the monotonic clock with it: from now on it
  // counts from `reading`.
  void RestartMono(SimTime now, MonoTime reading);
  // The monotonic clock stops until SetFrozen(now, false), then goes on from
  // the same reading.
  void SetFrozen(SimTime now, bool frozen);
  bool frozen() const { return frozen_; }
  // The time from `since` to `now` for which it was frozen or stood still. It
  // stands still if it changed during a turn that paused, and that program
  // died. The next program reads the same time until the end of the pause.
  Duration FrozenFor(SimTime since, SimTime now) const;
  // Steps the wall clock. With an offset beyond the bound the stated interval
  // is wrong, and no lease is safe.
  void SetWallOffset(Duration offset) { wall_offset_ = offset; }
  void SetWallErrorBound(SimTime now, Duration bound);
  void SetWallLatestKnown(bool known) { wall_latest_known_ = known; }
  Duration wall_offset() const { return wall_offset_; }
  bool wall_latest_known() const { return wall_latest_known_; }
  Duration wall_error_bound() const { return wall_error_bound_; }
  // The largest bound that it stated from `since` on.
  Duration WidestErrorBound(SimTime since) const;
  // Upper bounds of the monotonic time that it has gained from `since` to `now`
  // by jumps and drift. Slowed: that it has lost by drift.
  Duration Gained(SimTime since, SimTime now) const;
  Duration Slowed(SimTime since, SimTime now) const {
    return std::max(Duration() - Drifted(since, now), Duration());
  }
  int64_t mono_drift_ppm() const { return mono_drift_ppm_; }

 private:
  // Makes `now` the beginning of a new piece.
  void Anchor(SimTime now);
  // It stands still from `now` to the anchor.
  void NoteStandstill(SimTime now);
  // The drift is drawn once, before the first turn.
  Duration Drifted(SimTime since, SimTime now) const {
    return Duration((now - since).ns() / 1'000'000 * mono_drift_ppm_);
  }

  env::ClockWatch watch_;
  SimTime read_;  // The latest time at which it was read.
  SimTime anchor_;
  MonoTime anchor_mono_;
  int64_t mono_drift_ppm_;
  bool frozen_ = false;
  // Begin and end of each freeze or standstill. The last one lasts if frozen_.
  std::vector<std::pair<SimTime, SimTime>> freezes_;
  WallTime epoch_;
  Duration wall_offset_;
  Duration wall_error_bound_;
  // Each bound but the present one, and when it ended.
  std::vector<std::pair<SimTime, Duration>> past_error_bounds_;
  std::vector<std::pair<SimTime, Duration>> jumps_;  // When, and how far.
  bool wall_latest_known_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_WORLD_CLOCK_H_

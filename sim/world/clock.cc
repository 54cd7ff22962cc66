#include "sim/world/clock.h"

#include <algorithm>
#include <limits>

#include "env/check.h"

namespace quorate::sim {
namespace {
constexpr int64_t kMillion = 1'000'000;
}  // namespace

SimClock::SimClock(const SimClockOptions& options, WallTime epoch)
    : anchor_mono_(options.mono_offset.ns()),
      mono_drift_ppm_(options.mono_drift_ppm),
      epoch_(epoch),
      wall_offset_(options.wall_offset),
      wall_error_bound_(options.wall_error_bound),
      wall_latest_known_(options.wall_latest_known) {
  CHECK_GT(mono_drift_ppm_, -kMillion);
}

MonoTime SimClock::Mono(SimTime now) const {
  if (frozen_) return anchor_mono_;
  // A turn that paused may have moved the anchor beyond this moment.
  const int64_t passed = std::max<int64_t>((now - anchor_).ns(), 0);
  if (mono_drift_ppm_ == 0) return anchor_mono_ + Duration(passed);
  return anchor_mono_ +
         Duration(passed + passed / kMillion * mono_drift_ppm_ +
                  passed % kMillion * mono_drift_ppm_ / kMillion);
}

WallInterval SimClock::Wall(SimTime now) const {
  if (wall_error_bound_ < Duration(0)) return {};
  const WallTime reading = epoch_ + Duration(now.ns()) + wall_offset_;
  return {reading - wall_error_bound_,
          wall_latest_known_ ? reading + wall_error_bound_ : WallTime::Max()};
}

SimTime SimClock::WhenMono(MonoTime deadline, SimTime now) const {
  if (Mono(now) >= deadline) return now;
  if (frozen_ || deadline == MonoTime::Max()) return SimTime::Max();
  const int64_t wanted = (deadline - anchor_mono_).ns();
  // A product that fits into a word is divided much faster than a longer one.
  constexpr int64_t kShortMax = std::numeric_limits<int64_t>::max() / kMillion;
  const __int128 passed = wanted <= kShortMax
                              ? wanted * kMillion / (kMillion + mono_drift_ppm_)
                              : static_cast<__int128>(wanted) * kMillion /
                                    (kMillion + mono_drift_ppm_);
  // Far beyond any run.
  if (passed > static_cast<__int128>(Seconds(1'000'000'000).ns())) {
    return SimTime::Max();
  }
  // Mono rounds, so the estimate may be late by one.
  SimTime time = anchor_ + Duration(static_cast<int64_t>(passed) - 2);
  if (time < now) time = now;
  while (Mono(time) < deadline) time = time + Nanoseconds(1);
  return time;
}

void SimClock::Anchor(SimTime now) {
  now = std::max(now, read_);
  anchor_mono_ = Mono(now);
  anchor_ = now;
}

void SimClock::SetMonoDrift(SimTime now, int64_t ppm) {
  CHECK_GT(ppm, -kMillion);
  Anchor(now);
  mono_drift_ppm_ = ppm;
}

void SimClock::JumpMono(SimTime now, Duration by) {
  CHECK_GE(by, Duration(0));
  Anchor(now);
  anchor_mono_ = anchor_mono_ + by;
  jumps_.emplace_back(anchor_, by);
}

void SimClock::RestartMono(SimTime now, MonoTime reading) {
  Anchor(now);
  anchor_mono_ = reading;
}

void SimClock::SetFrozen(SimTime now, bool frozen) {
  Anchor(now);
  if (frozen && !frozen_) freezes_.emplace_back(anchor_, SimTime::Max());
  if (!frozen && frozen_) freezes_.back().second = anchor_;
  frozen_ = frozen;
}

void SimClock::NoteStandstill(SimTime now) {
  if (freezes_.empty() || freezes_.back().second < anchor_) {
    freezes_.emplace_back(now, anchor_);
  }
  SimTime& begin = freezes_.back().first;
  begin = std::min(begin, now);
}

Duration SimClock::FrozenFor(SimTime since, SimTime now) const {
  Duration total;
  for (const auto& [begin, end] : freezes_) {
    const SimTime from = std::max(begin, since);
    const SimTime to = std::min(end, now);
    if (from < to) total = total + (to - from);
  }
  return total;
}

Duration SimClock::Gained(SimTime since, SimTime now) const {
  Duration gained = std::max(Drifted(since, now), Duration());
  for (const auto& [at, by] : jumps_) {
    if (at >= since) gained = gained + by;
  }
  return gained;
}

void SimClock::SetWallErrorBound(SimTime now, Duration bound) {
  past_error_bounds_.emplace_back(std::max(now, read_), wall_error_bound_);
  wall_error_bound_ = bound;
}

Duration SimClock::WidestErrorBound(SimTime since) const {
  Duration widest = wall_error_bound_;
  for (const auto& [ended, bound] : past_error_bounds_) {
    if (ended >= since) widest = std::max(widest, bound);
  }
  return widest;
}

}  // namespace quorate::sim

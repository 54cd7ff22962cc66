#include "net/event_loop/clock.h"

#include <sys/timex.h>
#include <time.h>

#include <algorithm>

#include "env/check.h"

namespace quorate::net {
namespace {

// The drift that the kernel assumes for an undisciplined oscillator (MAXFREQ,
// 500 ppm).
constexpr int64_t kDriftPartsPerMillion = 500;
// Largest difference of two clocks read one after the other. A larger one is a
// step.
constexpr Duration kAgreement = Microseconds(500);

int64_t ReadNs(clockid_t id) {
  timespec t;
  CHECK_EQ(clock_gettime(id, &t), 0);
  return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

ClockError ReadError() {
  timex t = {};
  const int state = ntp_adjtime(&t);
  ClockError error;
  error.synchronised =
      state >= 0 && state != TIME_ERROR && (t.status & STA_UNSYNC) == 0;
  error.error_max = Microseconds(t.maxerror);
  return error;
}

}  // namespace

WallInterval MakeWallInterval(WallTime reading, const ClockError& error,
                              const ClockOptions& options) {
  if (error.synchronised) {
    const Duration width = std::max(error.error_max, options.error_floor);
    return {.earliest = reading - width, .latest = reading + width};
  }
  if (options.error_unsynchronised > Nanoseconds(0)) {
    const Duration width =
        std::max(options.error_unsynchronised, options.error_floor);
    return {.earliest = reading - width, .latest = reading + width};
  }
  return {.earliest = reading - options.error_floor, .latest = WallTime::Max()};
}

MonoTime Clock::ReadMono() { return MonoTime(ReadNs(CLOCK_MONOTONIC)); }

Now Clock::Read() {
  const MonoTime mono = ReadMono();
  const WallTime wall(ReadNs(CLOCK_REALTIME));
  const bool known = error_mono_ != MonoTime::Min();
  const Duration passed = known ? mono - error_mono_ : Duration();
  const Duration apart = known ? (wall - error_wall_) - passed : Duration();
  if (!known || passed > kErrorValidFor || apart > kAgreement ||
      apart < Nanoseconds(0) - kAgreement) {
    error_ = ReadError();
    error_mono_ = mono;
    error_wall_ = wall;
  }
  ClockError error = error_;
  error.error_max = error.error_max +
                    (mono - error_mono_) * kDriftPartsPerMillion / 1'000'000;
  watch_.Observe(mono, MonoTime(ReadNs(CLOCK_BOOTTIME)),
                 MonoTime(ReadNs(CLOCK_MONOTONIC_RAW)));
  return {.mono = mono,
          .wall = MakeWallInterval(wall, error, options_),
          .disruptions = watch_.disruptions()};
}

}  // namespace quorate::net

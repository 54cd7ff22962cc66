// env/clock_watch.h: notices that a monotonic clock stood still or jumped, by
// two other clocks.
#ifndef QUORATE_ENV_CLOCK_WATCH_H_
#define QUORATE_ENV_CLOCK_WATCH_H_

#include <cstdint>
#include <cstdlib>

#include "env/time.h"

namespace quorate::env {

class ClockWatch {
 public:
  // Within kWindow the clocks may differ by this and by so many parts per
  // million: time services slew by 500. Across the end of a window, twice as
  // much may go unnoticed.
  static constexpr Duration kApartMax = Milliseconds(3);
  static constexpr int64_t kApartPpm = 1000;
  static constexpr Duration kWindow = Seconds(1);

  // `boot` goes on while the machine is suspended, and nothing slews `raw`.
  void Observe(MonoTime mono, MonoTime boot, MonoTime raw) {
    if (begun_) {
      const int64_t passed = (mono - mono_).ns();
      const int64_t most = kApartMax.ns() + passed / 1'000'000 * kApartPpm;
      if (std::abs((boot - boot_).ns() - passed) > most ||
          std::abs((raw - raw_).ns() - passed) > most) {
        ++disruptions_;
      } else if (passed < kWindow.ns()) {
        return;
      }
    }
    begun_ = true;
    mono_ = mono;
    boot_ = boot;
    raw_ = raw;
  }
  // The clock cannot be relied on for another reason.
  void CountDisruption() { ++disruptions_; }
  uint32_t disruptions() const { return disruptions_; }

 private:
  uint32_t disruptions_ = 0;
  bool begun_ = false;
  MonoTime mono_;
  MonoTime boot_;
  MonoTime raw_;
};

}  // namespace quorate::env

#endif  // QUORATE_ENV_CLOCK_WATCH_H_

// env/time.h: durations and points in time as int64 nanoseconds, in types that
// cannot be mixed up. env::Loop::ReadClock reads the clocks.
#ifndef QUORATE_ENV_TIME_H_
#define QUORATE_ENV_TIME_H_

#include <compare>
#include <cstdint>
#include <limits>
#include <ostream>

namespace quorate {

// A signed duration in nanoseconds (about ±292 years).
class Duration {
 public:
  constexpr Duration() = default;
  explicit constexpr Duration(int64_t ns) : ns_(ns) {}
  constexpr int64_t ns() const { return ns_; }
  constexpr int64_t us() const { return ns_ / 1'000; }
  constexpr int64_t ms() const { return ns_ / 1'000'000; }
  friend constexpr auto operator<=>(Duration, Duration) = default;
  friend constexpr Duration operator+(Duration a, Duration b) {
    return Duration(a.ns_ + b.ns_);
  }
  friend constexpr Duration operator-(Duration a, Duration b) {
    return Duration(a.ns_ - b.ns_);
  }
  friend constexpr Duration operator*(Duration a, int64_t n) {
    return Duration(a.ns_ * n);
  }
  friend constexpr Duration operator/(Duration a, int64_t n) {
    return Duration(a.ns_ / n);
  }
  friend std::ostream& operator<<(std::ostream& out, Duration d) {
    return out << d.ns_ << "ns";
  }

 private:
  int64_t ns_ = 0;
};

constexpr Duration Nanoseconds(int64_t n) { return Duration(n); }
constexpr Duration Microseconds(int64_t n) { return Duration(n * 1'000); }
constexpr Duration Milliseconds(int64_t n) { return Duration(n * 1'000'000); }
constexpr Duration Seconds(int64_t n) { return Duration(n * 1'000'000'000); }

// A reading of a clock. The tag makes readings of different clocks different
// types.
template <typename Tag>
class TimePoint {
 public:
  constexpr TimePoint() = default;
  explicit constexpr TimePoint(int64_t ns) : ns_(ns) {}
  static constexpr TimePoint Min() {
    return TimePoint(std::numeric_limits<int64_t>::min());
  }
  static constexpr TimePoint Max() {
    return TimePoint(std::numeric_limits<int64_t>::max());
  }
  constexpr int64_t ns() const { return ns_; }
  constexpr int64_t ms() const { return ns_ / 1'000'000; }
  friend constexpr auto operator<=>(TimePoint, TimePoint) = default;
  friend constexpr TimePoint operator+(TimePoint a, Duration d) {
    return TimePoint(a.ns_ + d.ns());
  }
  friend constexpr TimePoint operator-(TimePoint a, Duration d) {
    return TimePoint(a.ns_ - d.ns());
  }
  friend constexpr Duration operator-(TimePoint a, TimePoint b) {
    return Duration(a.ns_ - b.ns_);
  }
  friend std::ostream& operator<<(std::ostream& out, TimePoint t) {
    return out << t.ns_ << "ns";
  }

 private:
  int64_t ns_ = 0;
};

// A clock that never steps. Its readings have no meaning outside one boot of
// one machine. Max() means "never".
using MonoTime = TimePoint<struct MonoTag>;
// Nanoseconds since the Unix epoch, as far as the machine knows. Wall time may
// step.
using WallTime = TimePoint<struct WallTag>;

// Bounds of the true wall time, inclusive. Unbounded if the machine does not
// know the error of its clock.
struct WallInterval {
  WallTime earliest = WallTime::Min();
  WallTime latest = WallTime::Max();
  constexpr bool bounded() const {
    return earliest != WallTime::Min() && latest != WallTime::Max();
  }
  // The earliest end of a bounded interval; else Min(). Nothing may expire by
  // the reading of a clock whose error is not known.
  constexpr WallTime bounded_earliest() const {
    return bounded() ? earliest : WallTime::Min();
  }
  friend constexpr bool operator==(const WallInterval&,
                                   const WallInterval&) = default;
};

// A reading of both clocks. It is the same throughout one step of a turn
// (env/loop.h). Deadlines use `mono`.
struct Now {
  MonoTime mono;
  WallInterval wall;
  // How often since the start `mono` was noticed to have stood still or jumped.
  // Across a change of it, times that `mono` measured mean nothing.
  uint32_t disruptions = 0;
};

}  // namespace quorate

#endif  // QUORATE_ENV_TIME_H_

// env/time.h: points and spans of time as strong int64 nanoseconds, and the pair of clocks read once per loop turn.
// Pure values: reading a clock is env/clock.h.
#ifndef QUORATE_ENV_TIME_H_
#define QUORATE_ENV_TIME_H_

#include <compare>
#include <cstdint>
#include <limits>
#include <ostream>

namespace quorate {

// A span of time, signed, in nanoseconds (about ±292 years).
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

// A reading of some clock. Two kinds never mix: the tag is part of the type.
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

// Never steps, has no meaning outside one boot of one machine. Max() means "never".
using MonoTime = TimePoint<struct MonoTag>;
// Nanoseconds since the Unix epoch, as well as the machine knows. Wall time may step.
using WallTime = TimePoint<struct WallTag>;

// The true wall time lies between both ends, inclusive. Unbounded when the machine cannot tell.
struct WallInterval {
  WallTime earliest = WallTime::Min();
  WallTime latest = WallTime::Max();
  constexpr bool bounded() const {
    return earliest != WallTime::Min() && latest != WallTime::Max();
  }
  friend constexpr bool operator==(const WallInterval&,
                                   const WallInterval&) = default;
};

// Both clocks, read once per loop turn after its inputs were drained; within a turn time stands still.
// Deadlines use `mono`; only leases and log time use `wall`.
struct Now {
  MonoTime mono;
  WallInterval wall;
};

}  // namespace quorate

#endif  // QUORATE_ENV_TIME_H_

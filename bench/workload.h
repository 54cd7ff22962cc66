// bench/workload.h: what one measurement asks of a system, and what comes of
// it.
//
// A closed loop: `connections` times `pipeline` requests are outstanding at any
// time, over a fixed number of keys, whose values follow from the key, so that
// every reply can be checked. Knows no system and no protocol.
#ifndef QUORATE_BENCH_WORKLOAD_H_
#define QUORATE_BENCH_WORKLOAD_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "bench/histogram.h"

namespace quorate::bench {

enum class Op : uint8_t { kSet, kGet };

struct Workload {
  Op op = Op::kSet;
  size_t value_bytes = 64;  // At least kKeyBytes.
  int connections = 1;
  int pipeline = 1;
  int64_t warmup_ns = 0;
  int64_t measure_ns = 0;
  uint64_t keys = 10'000;
  uint64_t seed = 1;
  // Each key exactly once, in order, instead of random keys for a time.
  bool fill = false;
};

struct Measurement {
  Histogram latency_ns;    // Of requests whose reply came in the time measured.
  int64_t elapsed_ns = 0;  // The time measured.
  uint64_t replies = 0;    // All good ones, warm-up included.
  uint64_t moved = 0;      // Requests sent again where a MOVED reply pointed.
  uint64_t errors = 0;     // Error replies and wrong values, warm-up included.
  std::string first_error;  // In words, if there was one.

  double ops_per_second() const {
    return elapsed_ns == 0 ? 0
                           : static_cast<double>(latency_ns.count()) * 1e9 /
                                 static_cast<double>(elapsed_ns);
  }
};

// Length of every key, in bytes.
inline constexpr size_t kKeyBytes = 16;

// Keys and values of one workload.
class Corpus {
 public:
  explicit Corpus(const Workload& workload);

  // The next key's number, or false when a fill has named each.
  bool Next(uint64_t* key);
  // Writes the key's kKeyBytes characters to `out`.
  void WriteKey(uint64_t key, char* out) const;
  // Writes its value_bytes characters to `out`.
  void WriteValue(uint64_t key, char* out) const;
  bool IsValueOf(uint64_t key, std::string_view value) const;

  size_t value_bytes() const { return filler_.size(); }

 private:
  uint64_t keys_;
  bool fill_;
  uint64_t state_;
  uint64_t next_ = 0;
  std::string filler_;
};

// Monotonic, in nanoseconds.
int64_t MonotonicNanos();

// True once the user pressed Ctrl-C: measurements end early.
bool Interrupted();
void CatchInterrupts();

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_WORKLOAD_H_

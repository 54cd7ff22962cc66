// bench/workload.h: the load of one measurement, and its result.
//
// A closed loop: `connections` times `pipeline` requests are outstanding at any
// time, over a fixed number of keys. With a rate each connection sends its
// pipeline at fixed times, and latencies count from these. The value of a key
// follows from it, so every reply can be checked. Independent of system and
// protocol.
#ifndef QUORATE_BENCH_WORKLOAD_H_
#define QUORATE_BENCH_WORKLOAD_H_

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bench/histogram.h"

namespace quorate::bench {

struct Workload {
  enum class Op : uint8_t { kSet, kGet };

  Op op = Op::kSet;
  size_t value_bytes = 64;  // At least kKeyBytes.
  int connections = 1;
  int pipeline = 1;
  int64_t warmup_ns = 0;
  int64_t measure_ns = 0;
  uint64_t keys = 10'000;
  uint64_t seed = 1;
  // Writes each key exactly once, in order, instead of random keys for a time.
  bool fill = false;
  // Only the keys whose hash slot is one of these.
  uint16_t first_slot = 0;
  uint16_t last_slot = 16'383;
  // The rate of all connections; zero: as many as the servers answer.
  double requests_per_second = 0;
  // True ends the load early. May be null.
  const std::atomic<bool>* stop = nullptr;
};

struct Measurement {
  Histogram latency_ns;  // Requests whose reply arrived in the measured time.
  // Its 99th percentile in each whole second of that time.
  std::vector<uint64_t> p99_of_seconds_ns;
  int64_t elapsed_ns = 0;   // The measured time.
  uint64_t replies = 0;     // All correct replies, with those of the warm-up.
  uint64_t moved = 0;       // Requests sent again because of a MOVED reply.
  uint64_t most_moved = 0;  // The most such replies to one request.
  // Error replies and wrong values, with those of the warm-up.
  uint64_t errors = 0;
  uint64_t unknown = 0;     // Those errors that begin with UNKNOWN.
  std::string first_error;  // Text of the first error, if there was one.

  double p99_ms() const {
    return static_cast<double>(latency_ns.Percentile(9900)) / 1e6;
  }
  // p99_of_seconds_ns in milliseconds.
  std::vector<double> p99_of_seconds_ms() const {
    std::vector<double> millis;
    for (const uint64_t ns : p99_of_seconds_ns) {
      millis.push_back(static_cast<double>(ns) / 1e6);
    }
    return millis;
  }
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

  // Sets `key` to the next key's number. False if a fill has returned every
  // key.
  bool Next(uint64_t* key);
  // Writes the key's kKeyBytes characters to `out`.
  void WriteKey(uint64_t key, char* out) const;
  // Writes the value_bytes characters of the key's value to `out`.
  void WriteValue(uint64_t key, char* out) const;
  bool IsValueOf(uint64_t key, std::string_view value) const;

  size_t value_bytes() const { return filler_.size(); }

 private:
  bool IsInSlots(uint64_t key) const;
  // A random key.
  uint64_t Draw();

  uint64_t keys_;
  bool fill_;
  uint16_t first_slot_;
  uint16_t last_slot_;
  uint64_t state_;
  uint64_t next_ = 0;
  std::string filler_;
};

// Monotonic time in nanoseconds.
int64_t MonotonicNanos();

// True after the user pressed Ctrl-C: measurements then end early.
bool Interrupted();
void CatchInterrupts();

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_WORKLOAD_H_

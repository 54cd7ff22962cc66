// bench/histogram.h: latencies in buckets whose width grows with the value, as
// in HdrHistogram.
//
// Every power of two is divided into 128 equal buckets, so a percentile is
// exact to within 1/128 of its value over the whole range. Adding a value takes
// a few instructions and no memory.
#ifndef QUORATE_BENCH_HISTOGRAM_H_
#define QUORATE_BENCH_HISTOGRAM_H_

#include <cstdint>
#include <vector>

namespace quorate::bench {

class Histogram {
 public:
  Histogram();

  void Add(uint64_t value);
  void Merge(const Histogram& other);

  uint64_t count() const { return count_; }
  // The least value such that at least `ten_thousandths` / 10000 of all values
  // are not greater, rounded up to the end of its bucket. Zero if there are no
  // values. The argument 5000 means the median, 9990 means p99.9.
  uint64_t Percentile(uint64_t ten_thousandths) const;

 private:
  std::vector<uint64_t> buckets_;
  uint64_t count_ = 0;
};

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_HISTOGRAM_H_

#include "bench/histogram.h"

#include <bit>
#include <cstddef>

namespace quorate::bench {
namespace {

constexpr int kBitsOfBucket = 7;  // 128 buckets for each power of two.
constexpr uint64_t kExact = uint64_t{1} << kBitsOfBucket;

// Values below 128 have a bucket each. For larger values the leading bit and
// the seven bits after it select the bucket.
size_t BucketOf(uint64_t value) {
  if (value < kExact) return value;
  const int shift = std::bit_width(value) - 1 - kBitsOfBucket;
  return (static_cast<size_t>(shift + 1) << kBitsOfBucket) +
         ((value >> shift) - kExact);
}

uint64_t LastOf(size_t bucket) {
  if (bucket < kExact) return bucket;
  const size_t shift = (bucket >> kBitsOfBucket) - 1;
  const uint64_t leading = kExact + (bucket & (kExact - 1));
  return ((leading + 1) << shift) - 1;
}

}  // namespace

Histogram::Histogram()
    : buckets_((64 - kBitsOfBucket + 1) << kBitsOfBucket, 0) {}

void Histogram::Add(uint64_t value) {
  ++buckets_[BucketOf(value)];
  ++count_;
}

void Histogram::Merge(const Histogram& other) {
  for (size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
}

uint64_t Histogram::Percentile(uint64_t ten_thousandths) const {
  const auto wanted = static_cast<unsigned __int128>(count_) * ten_thousandths;
  unsigned __int128 seen = 0;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    if (buckets_[i] == 0) continue;
    seen += buckets_[i];
    if (seen * 10'000 >= wanted) return LastOf(i);
  }
  return 0;
}

}  // namespace quorate::bench

#include "bench/histogram.h"

#include <algorithm>
#include <vector>

#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace quorate::bench {
namespace {

TEST(HistogramTest, Percentile_OfNothing_IsZero) {
  EXPECT_EQ(Histogram().Percentile(9'990), 0u);
}

TEST(HistogramTest, Percentile_OfSmallValues_IsExact) {
  Histogram histogram;
  for (uint64_t value = 1; value <= 100; ++value) histogram.Add(value);
  EXPECT_EQ(histogram.Percentile(5'000), 50u);
  EXPECT_EQ(histogram.Percentile(9'900), 99u);
  EXPECT_EQ(histogram.Percentile(9'990), 100u);
  EXPECT_EQ(histogram.Percentile(10'000), 100u);
}

// Compares with a sorted list.
RC_GTEST_PROP(HistogramTest, Percentile_OfAnyValues_IsWithinABucketOfTheTruth,
              ()) {
  const auto shift = *rc::gen::inRange(0, 64);
  auto values = *rc::gen::nonEmpty(rc::gen::container<std::vector<uint64_t>>(
      rc::gen::map(rc::gen::arbitrary<uint64_t>(),
                   [shift](uint64_t value) { return value >> shift; })));
  const auto wanted = *rc::gen::inRange<uint64_t>(1, 10'001);
  Histogram left, right;
  for (size_t i = 0; i < values.size(); ++i) {
    (i % 2 == 0 ? left : right).Add(values[i]);
  }
  left.Merge(right);
  std::sort(values.begin(), values.end());
  const size_t rank = (values.size() * wanted + 9'999) / 10'000;
  const uint64_t truth = values[rank - 1];
  RC_ASSERT(left.count() == values.size());
  RC_ASSERT(left.Percentile(wanted) >= truth);
  RC_ASSERT(left.Percentile(wanted) - truth <= truth / 128);
}

}  // namespace
}  // namespace quorate::bench

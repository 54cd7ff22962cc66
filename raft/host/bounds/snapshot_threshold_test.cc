#include <algorithm>
#include <cstdint>

#include "gtest/gtest.h"
#include "raft/host/bounds/log_budget.h"

namespace quorate::raft {
namespace {

constexpr uint64_t kMi = 1 << 20;

SnapshotDescriptor Last(uint64_t index, uint64_t size) {
  SnapshotDescriptor last;
  last.position.index = Index(index);
  last.size_bytes = size;
  return last;
}

// The smallest and largest of many draws are near `expected` * 3/4 and 5/4.
void ExpectAround(uint64_t expected, uint64_t min, uint64_t max,
                  uint64_t size) {
  uint64_t smallest = ~uint64_t{0};
  uint64_t largest = 0;
  for (uint64_t index = 1; index <= 1000; ++index) {
    const uint64_t threshold =
        SnapshotThreshold(min, max, GroupId(1), Last(index, size), Random(7));
    smallest = std::min(smallest, threshold);
    largest = std::max(largest, threshold);
  }
  EXPECT_GE(smallest, expected / 4 * 3);
  EXPECT_LE(smallest, expected / 100 * 76);
  EXPECT_LE(largest, expected / 4 * 5);
  EXPECT_GE(largest, expected / 100 * 124);
}

TEST(SnapshotThreshold, SizeOfTheLastSnapshot_CountsBetweenTheBounds) {
  ExpectAround(64 * kMi, 64 * kMi, 256 * kMi, 0);
  ExpectAround(64 * kMi, 64 * kMi, 256 * kMi, 100 * kMi);
  ExpectAround(150 * kMi, 64 * kMi, 256 * kMi, 300 * kMi);
  ExpectAround(256 * kMi, 64 * kMi, 256 * kMi, 10'000 * kMi);
  ExpectAround(64 * kMi, 64 * kMi, 1 * kMi, 10'000 * kMi);
}

TEST(SnapshotThreshold, ReplicasOfOneGroup_DrawDifferently) {
  int equal = 0;
  for (uint64_t index = 1; index <= 100; ++index) {
    const auto draw = [&](uint64_t seed) {
      return SnapshotThreshold(64 * kMi, 256 * kMi, GroupId(1), Last(index, 0),
                               Random(seed));
    };
    EXPECT_EQ(draw(1), draw(1));
    equal += draw(1) == draw(2);
  }
  EXPECT_EQ(equal, 0);
}

}  // namespace
}  // namespace quorate::raft

#include "env/random.h"

#include <set>

#include "gtest/gtest.h"

namespace quorate {
namespace {

TEST(Random, Bits_AreFixedForEver) {
  // Recorded tapes and seeds depend on these values.
  EXPECT_EQ(Random(1).Bits("raft.election_timeout", 2, 3),
            Random(1).Bits("raft.election_timeout", 2, 3));
  static_assert(Site("a").hash() != Site("b").hash());
}

TEST(Random, EveryKeyPart_MovesTheDraw) {
  std::set<uint64_t> draws;
  for (uint64_t seed = 0; seed < 4; ++seed) {
    for (const Site site : {Site("a"), Site("b")}) {
      for (uint64_t entity = 0; entity < 4; ++entity) {
        for (uint64_t counter = 0; counter < 4; ++counter) {
          draws.insert(Random(seed).Bits(site, entity, counter));
        }
      }
    }
  }
  EXPECT_EQ(draws.size(), 4u * 2 * 4 * 4);
}

TEST(Random, BetweenAndBelow_ReachBothEndsAndNothingElse) {
  std::set<int64_t> seen;
  for (uint64_t i = 0; i < 200; ++i) {
    seen.insert(
        Random(7).Between(Nanoseconds(-1), Nanoseconds(2), "x", 0, i).ns());
  }
  EXPECT_EQ(seen, (std::set<int64_t>{-1, 0, 1, 2}));
}

TEST(Random, Chance_IsNearItsRatio) {
  int hits = 0;
  for (uint64_t i = 0; i < 10000; ++i) {
    hits += Random(3).Chance({1, 10}, "x", 0, i) ? 1 : 0;
  }
  EXPECT_GT(hits, 850);
  EXPECT_LT(hits, 1150);
  EXPECT_FALSE(Random(3).Chance({0, 1}, "x", 0, 0));
  EXPECT_TRUE(Random(3).Chance({1, 1}, "x", 0, 0));
}

}  // namespace
}  // namespace quorate

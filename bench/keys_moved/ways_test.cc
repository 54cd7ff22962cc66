#include "bench/keys_moved/ways.h"

#include <set>

#include "gtest/gtest.h"

namespace quorate::bench {
namespace {

constexpr uint32_t kGroups = 10;

TEST(KeysMoved, WaysThatMoveLeast_MoveKeysToTheAddedGroupOnly) {
  const std::vector<HashedKey> keys = KeysOfRound(0, 50'000);
  for (const KeyOwners& owners :
       {OwnersByPlanner(keys, kGroups), OwnersByRing(keys, kGroups, 100, 0),
        OwnersByRendezvous(keys, kGroups)}) {
    const KeysMoved moved = CompareOwners(owners, kGroups);
    EXPECT_EQ(moved.between_old, 0);
    // The ring with 100 places is the least even.
    EXPECT_NEAR(moved.moved, LeastMoved(kGroups), 0.03);
  }
}

TEST(KeysMoved, Modulo_MovesAllKeysButTheShareThatAgreesByChance) {
  const KeysMoved moved =
      CompareOwners(OwnersByModulo(KeysOfRound(0, 50'000), kGroups), kGroups);
  EXPECT_NEAR(moved.moved, 1 - LeastMoved(kGroups), 0.01);
}

TEST(KeysMoved, Planner_IsMoreEvenThanTheRing) {
  const std::vector<HashedKey> keys = KeysOfRound(0, 200'000);
  const KeysMoved planner =
      CompareOwners(OwnersByPlanner(keys, kGroups), kGroups);
  const KeysMoved ring =
      CompareOwners(OwnersByRing(keys, kGroups, 100, 0), kGroups);
  EXPECT_LT(planner.imbalance_after, 1.02);
  EXPECT_GT(ring.imbalance_after, 1.05);
}

TEST(KeysMoved, Compare_CountsMovesAndImbalance) {
  const KeyOwners owners = {.before = {0, 0, 1, 1}, .after = {0, 2, 0, 1}};
  const KeysMoved moved = CompareOwners(owners, 2);
  EXPECT_EQ(moved.moved, 0.5);
  EXPECT_EQ(moved.between_old, 0.25);
  EXPECT_EQ(moved.imbalance_before, 1);
  EXPECT_EQ(moved.imbalance_after, 1.5);
}

TEST(KeysMoved, Rounds_HaveOtherKeys) {
  std::set<uint64_t> hashes;
  for (const uint64_t round : {0, 1}) {
    for (const HashedKey& key : KeysOfRound(round, 100)) {
      hashes.insert(key.hash);
    }
  }
  EXPECT_EQ(hashes.size(), 200u);
}

}  // namespace
}  // namespace quorate::bench

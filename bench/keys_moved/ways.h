// bench/keys_moved/ways.h: the keys that change their group when one group is
// added, by four ways to give each key a group.
//
// Arithmetic only, without servers. Groups are counted from 0; the added one is
// the last.
#ifndef QUORATE_BENCH_KEYS_MOVED_WAYS_H_
#define QUORATE_BENCH_KEYS_MOVED_WAYS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "shardctrl/partition.h"

namespace quorate::bench {

// A key as the ways see it.
struct HashedKey {
  Slot slot = {};
  uint64_t hash = 0;
};

// `count` keys, the names of which differ between rounds.
std::vector<HashedKey> KeysOfRound(uint64_t round, uint64_t count);

// The group of each key before and after a group is added.
struct KeyOwners {
  std::vector<uint32_t> before;
  std::vector<uint32_t> after;
};

// This store: a table of slots. The planner changes it.
KeyOwners OwnersByPlanner(const std::vector<HashedKey>& keys, uint32_t groups);
// A ring: each group has `points` places on a circle, drawn from `round`. A key
// belongs to the next place after its hash.
KeyOwners OwnersByRing(const std::vector<HashedKey>& keys, uint32_t groups,
                       uint32_t points, uint64_t round);
// Rendezvous: a key belongs to the group whose hash together with that of the
// key is the greatest.
KeyOwners OwnersByRendezvous(const std::vector<HashedKey>& keys,
                             uint32_t groups);
// The hash of the key modulo the number of groups.
KeyOwners OwnersByModulo(const std::vector<HashedKey>& keys, uint32_t groups);

// Shares of all keys.
struct KeysMoved {
  double moved = 0;
  // Part of `moved`: from one old group to another.
  double between_old = 0;
  // The largest number of keys of a group over the mean of all groups.
  double imbalance_before = 0;
  double imbalance_after = 0;
};
// Requires: keys not empty, groups at least 1 before.
KeysMoved CompareOwners(const KeyOwners& owners, uint32_t groups);

struct KeysMovedRow {
  std::string name;
  uint32_t groups = 0;  // Before.
  KeysMoved mean;       // The mean of all rounds.
};
// All ways for each number of groups.
std::vector<KeysMovedRow> MeasureKeysMoved(const std::vector<uint32_t>& groups,
                                           uint64_t keys, uint64_t rounds);

// The share of keys that any way must move if the groups are even afterwards:
// that of the added group.
double LeastMoved(uint32_t groups);

// The rows as a table of Markdown, and as a picture (SVG).
std::string KeysMovedTable(const std::vector<KeysMovedRow>& rows);
std::string KeysMovedPicture(const std::vector<KeysMovedRow>& rows);

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_KEYS_MOVED_WAYS_H_

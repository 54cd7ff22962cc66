// kv/store/expiry.h: the expiry order of the keys of all slots: by (time, slot,
// hash).
//
// Stores hashes instead of keys: 16 bytes for each key with an expiry. Two keys
// of one slot with equal hash and time have two entries.
#ifndef QUORATE_KV_STORE_EXPIRY_H_
#define QUORATE_KV_STORE_EXPIRY_H_

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "env/check.h"
#include "shardctrl/partition.h"

namespace quorate::kv {

class ExpiryIndex {
 public:
  struct Due {
    int64_t at_ms = 0;
    Slot slot = {};
    uint64_t hash = 0;
  };

  void Add(Slot slot, int64_t at_ms, uint64_t hash);
  // Requires: this element was added.
  void Remove(Slot slot, int64_t at_ms, uint64_t hash);
  // Removes all elements of a slot. Memory is freed step by step.
  void DropSlot(Slot slot);

  bool empty() const { return firsts_.empty(); }
  // True if Step has something to free.
  bool dropped() const { return !dropped_.empty(); }
  uint64_t size() const { return size_; }
  // The earliest element, and its time alone. Require: !empty().
  Due First() const;
  int64_t first_ms() const {
    CHECK(!empty());
    return firsts_.begin()->first;
  }

  // Frees up to `count_max` dropped elements. Returns false when none is left.
  bool Step(size_t count_max);

 private:
  using SlotSet = absl::btree_multiset<std::pair<int64_t, uint64_t>>;

  // Invariant: no set is empty, and firsts_ holds the time of the first element
  // of each set.
  absl::btree_map<Slot, SlotSet> slots_;
  absl::btree_set<std::pair<int64_t, Slot>> firsts_;
  std::vector<SlotSet> dropped_;
  uint64_t size_ = 0;
};

}  // namespace quorate::kv

#endif  // QUORATE_KV_STORE_EXPIRY_H_

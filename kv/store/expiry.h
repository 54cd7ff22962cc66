// kv/store/expiry.h: the expiry order of the keys of all slots: by (time, slot,
// hash).
//
// Stores hashes instead of keys: 16 bytes for each key with an expiry. Two keys
// of one slot with equal hash and time have two entries. Takes hardly any
// memory before the first key.
#ifndef QUORATE_KV_STORE_EXPIRY_H_
#define QUORATE_KV_STORE_EXPIRY_H_

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "env/boxed.h"
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

  bool empty() const { return size() == 0; }
  // True if Step has something to free.
  bool dropped() const { return sets_.has_value() && !sets_->dropped.empty(); }
  uint64_t size() const { return sets_.has_value() ? sets_->size : 0; }
  // The earliest element, and its time alone. Require: !empty().
  Due First() const;
  int64_t first_ms() const {
    CHECK(!empty());
    return sets_->firsts.begin()->first;
  }

  // Frees up to `count_max` dropped elements. Returns false when none is left.
  bool Step(size_t count_max);

 private:
  using SlotSet = absl::btree_multiset<std::pair<int64_t, uint64_t>>;

  // Invariant: no set of a slot is empty, and `firsts` holds the time of the
  // first element of each set.
  struct Sets {
    absl::btree_map<Slot, SlotSet> slots;
    absl::btree_set<std::pair<int64_t, Slot>> firsts;
    std::vector<SlotSet> dropped;
    uint64_t size = 0;  // The sum over `slots`.
  };

  // None until the first element is added.
  Boxed<Sets> sets_;
};

}  // namespace quorate::kv

#endif  // QUORATE_KV_STORE_EXPIRY_H_

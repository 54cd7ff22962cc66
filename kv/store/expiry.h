// kv/store/expiry.h: which keys, and which rows of sessions, expire next.
//
// Elements are grouped, for example by slot. A group is dropped, or held, as a
// whole. Stores 16 bytes for each element, and hardly any memory before the
// first one.
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

// An order by (time, group, id). Equal elements count as often as they are
// added.
template <typename Of, typename Id>
class ExpiryOrder {
 public:
  struct Due {
    int64_t at_ms = 0;
    Of of = {};
    Id id = {};
  };

  void Add(Of of, int64_t at_ms, Id id) {
    Sets& sets = sets_.Mutable();
    Set& set = sets.groups[of];
    const bool first = set.empty() || at_ms < set.begin()->first;
    if (first && !sets.held.contains(of)) {
      if (!set.empty()) sets.firsts.erase({set.begin()->first, of});
      sets.firsts.insert({at_ms, of});
    }
    set.insert({at_ms, id});
    ++sets.size;
  }
  // Requires: this element was added.
  void Remove(Of of, int64_t at_ms, Id id) {
    const auto group = sets_->groups.find(of);
    CHECK(group != sets_->groups.end()) << "at " << at_ms;
    Set& set = group->second;
    const auto element = set.find({at_ms, id});
    CHECK(element != set.end()) << "at " << at_ms;
    const int64_t first_before = set.begin()->first;
    set.erase(element);
    --sets_->size;
    const bool held = sets_->held.contains(of);
    if (set.empty()) {
      if (!held) sets_->firsts.erase({first_before, of});
      sets_->groups.erase(group);
    } else if (set.begin()->first != first_before && !held) {
      sets_->firsts.erase({first_before, of});
      sets_->firsts.insert({set.begin()->first, of});
    }
  }
  // Removes all elements of a group. Memory is freed step by step.
  void Drop(Of of) {
    if (!sets_.has_value()) return;
    const auto group = sets_->groups.find(of);
    if (group == sets_->groups.end()) return;
    sets_->firsts.erase({group->second.begin()->first, of});
    sets_->size -= group->second.size();
    sets_->dropped.push_back(std::move(group->second));
    sets_->groups.erase(group);
  }
  // Leaves a group out of the order, as long as it is held: no element of it is
  // the earliest one of all.
  void Hold(Of of) {
    Sets& sets = sets_.Mutable();
    if (!sets.held.insert(of).second) return;
    const auto group = sets.groups.find(of);
    if (group == sets.groups.end()) return;
    sets.firsts.erase({group->second.begin()->first, of});
  }
  // Ends Hold.
  void Unhold(Of of) {
    if (!sets_.has_value() || sets_->held.erase(of) == 0) return;
    const auto group = sets_->groups.find(of);
    if (group == sets_->groups.end()) return;
    sets_->firsts.insert({group->second.begin()->first, of});
  }

  // True if no element is in the order.
  bool empty() const { return !sets_.has_value() || sets_->firsts.empty(); }
  // True if Step has something to free.
  bool dropped() const { return sets_.has_value() && !sets_->dropped.empty(); }
  // Elements, those of groups that are held included.
  uint64_t size() const { return sets_.has_value() ? sets_->size : 0; }
  uint64_t size(Of of) const {
    if (!sets_.has_value()) return 0;
    const auto group = sets_->groups.find(of);
    return group == sets_->groups.end() ? 0 : group->second.size();
  }
  // The earliest element, and its time alone. Require: !empty().
  Due First() const {
    CHECK(!empty());
    const auto [at_ms, of] = *sets_->firsts.begin();
    const auto group = sets_->groups.find(of);
    CHECK(group != sets_->groups.end());
    return {.at_ms = at_ms, .of = of, .id = group->second.begin()->second};
  }
  int64_t first_ms() const {
    CHECK(!empty());
    return sets_->firsts.begin()->first;
  }
  // The earliest element of a group, as its time and id. Null: it has none.
  const std::pair<int64_t, Id>* FirstOf(Of of) const {
    if (!sets_.has_value()) return nullptr;
    const auto group = sets_->groups.find(of);
    return group == sets_->groups.end() ? nullptr : &*group->second.begin();
  }

  // Frees up to `count_max` dropped elements. Returns false when none is left.
  bool Step(size_t count_max) {
    if (!dropped()) return false;
    for (; count_max > 0 && !sets_->dropped.empty(); --count_max) {
      Set& set = sets_->dropped.back();
      if (set.empty()) {
        sets_->dropped.pop_back();
      } else {
        set.erase(set.begin());
      }
    }
    return !sets_->dropped.empty();
  }

 private:
  using Set = absl::btree_multiset<std::pair<int64_t, Id>>;

  // Invariant: no set of a group is empty, and `firsts` holds the time of the
  // first element of each set whose group is not held.
  struct Sets {
    absl::btree_map<Of, Set> groups;
    absl::btree_set<std::pair<int64_t, Of>> firsts;
    absl::btree_set<Of> held;
    std::vector<Set> dropped;
    uint64_t size = 0;  // The sum over `groups`.
  };

  // None until the first element is added, or the first group is held.
  Boxed<Sets> sets_;
};

// The keys of all slots, each by its hash. Two keys of one slot with equal hash
// and time are two elements.
using ExpiryIndex = ExpiryOrder<Slot, uint64_t>;

}  // namespace quorate::kv

#endif  // QUORATE_KV_STORE_EXPIRY_H_

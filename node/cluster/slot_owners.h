// node/cluster/slot_owners.h: the group of each slot by the newest shard map,
// and the groups that had the slot before.
//
// It knows slots and groups only, neither queues nor requests.
#ifndef QUORATE_NODE_CLUSTER_SLOT_OWNERS_H_
#define QUORATE_NODE_CLUSTER_SLOT_OWNERS_H_

#include <algorithm>
#include <cstddef>
#include <vector>

#include "env/ids.h"
#include "shardctrl/map.h"
#include "shardctrl/partition.h"

namespace quorate::node {

// Invariant: the ranges are ascending, and together they have each slot once.
class SlotOwners {
 public:
  // A group that had a slot, by an earlier map.
  struct Former {
    GroupId group;
    // The map that gave the slot to another group, the last time.
    shardctrl::MapVersion lost;
    friend bool operator==(const Former&, const Former&) = default;
  };
  // Slots with the same owners, up to the next range.
  struct Range {
    Slot first;
    GroupId group;
    size_t position;             // The position of `group` in map.groups().
    std::vector<Former> former;  // Each group once, without `group`.
  };

  explicit SlotOwners(const shardctrl::ShardMap& map);

  // Takes the assignments of a newer map. Requires: the number of slots is that
  // of the map before.
  void Update(const shardctrl::ShardMap& map);

  const Range& RangeOf(Slot slot) const { return ranges_[Find(slot)]; }
  // The ranges of the slots from `first` to `last`.
  std::vector<const Range*> RangesOf(Slot first, Slot last) const;
  shardctrl::MapVersion version() const { return version_; }
  // The last map that gave a slot to another group; zero: none did.
  shardctrl::MapVersion moved() const { return moved_; }
  // False until slots move: no range has a former group.
  bool changed() const { return changed_; }

 private:
  static std::vector<Range> Assigned(const shardctrl::ShardMap& map);
  // The position of the slot's range.
  size_t Find(Slot slot) const {
    const auto behind = std::upper_bound(firsts_.begin(), firsts_.end(), slot);
    return static_cast<size_t>(behind - firsts_.begin()) - 1;
  }
  void TakeFirsts();
  // Makes ranges_ of the ranges before and after a change of the map.
  void Merge(const std::vector<Range>& before, const std::vector<Range>& after);

  shardctrl::MapVersion version_;
  shardctrl::MapVersion moved_ = {};
  std::vector<Range> ranges_;
  std::vector<Slot> firsts_;  // The first slot of each range.
  bool changed_ = false;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_CLUSTER_SLOT_OWNERS_H_

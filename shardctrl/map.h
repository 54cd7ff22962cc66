// shardctrl/map.h: the shard map as a value: slots to groups, groups to
// replicas, nodes to addresses.
//
// Built once from a configuration file (node/config/config.h), checked whole,
// then immutable. A slot's group is one array access. Knows nothing of leaders.
#ifndef QUORATE_SHARDCTRL_MAP_H_
#define QUORATE_SHARDCTRL_MAP_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "env/ids.h"
#include "env/strong_types.h"
#include "shardctrl/partition.h"

namespace quorate::shardctrl {

// Rises with every change of the map; a static map is version 1.
using MapVersion = StrongOrdinal<struct MapVersionTag>;

// One server process's loop, as the outside reaches it. Addresses are
// "host:port"; resp and http may be empty (not served).
struct Node {
  NodeId id = {};
  std::string name = {};  // For people; unique; never empty.
  std::string peer_address = {};
  std::string resp_address = {};
  std::string http_address = {};
  // Holds only non-voting replicas: serves stale reads, refuses writes.
  bool read_only = false;
  friend bool operator==(const Node&, const Node&) = default;
};

// One Raft group. Both lists are sorted by node, without duplicates and
// disjoint.
struct Group {
  GroupId id = {};
  std::string name = {};            // For people; unique; never empty.
  std::vector<NodeId> voters = {};  // At least one.
  std::vector<NodeId> non_voters = {};
  friend bool operator==(const Group&, const Group&) = default;
};

struct Assignment {
  SlotRange slots = {};
  GroupId group = {};
  friend bool operator==(const Assignment&, const Assignment&) = default;
};

class ShardMap {
 public:
  // What a map is made of, in any order.
  struct Parts {
    MapVersion version{1};
    Partitioner partitioner = Partitioner::kHashSlots;
    // kHashSlotCount with kHashSlots; the count of shards (1 … 256) with
    // kLastCharacter.
    uint32_t slot_count = kHashSlotCount;
    std::vector<Node> nodes = {};
    std::vector<Group> groups = {};
    // Each slot exactly once.
    std::vector<Assignment> assignments = {};
  };

  // No slots, no groups, no nodes: version 0, what a node knows before it knows
  // a map.
  ShardMap() = default;

  // Sorts and checks. kInvalidArgument names the first thing wrong: a zero or
  // repeated id, name or address, a group without voters or with an unknown
  // node, a voter on a read-only node, a slot assigned twice, not at all or to
  // an unknown group.
  static absl::StatusOr<ShardMap> Create(Parts parts);

  MapVersion version() const { return parts_.version; }
  Partitioner partitioner() const { return parts_.partitioner; }
  uint32_t slot_count() const { return parts_.slot_count; }
  bool empty() const { return group_of_slot_.empty(); }

  // The owner. Requires: slot < slot_count(), map not empty.
  GroupId GroupOf(Slot slot) const { return group_of_slot_[slot.value()]; }
  // Null if there is none. Pointers live as long as the map.
  const Group* FindGroup(GroupId id) const;
  const Group* FindGroup(std::string_view name) const;
  const Node* FindNode(NodeId id) const;
  const Node* FindNode(std::string_view name) const;

  // Sorted by id.
  absl::Span<const Node> nodes() const { return parts_.nodes; }
  absl::Span<const Group> groups() const { return parts_.groups; }
  // Sorted by slot, adjacent ranges of one group merged.
  absl::Span<const Assignment> assignments() const {
    return parts_.assignments;
  }
  // Sorted; empty if the group owns nothing or is unknown.
  std::vector<SlotRange> RangesOf(GroupId group) const;
  // Groups of which the node holds a replica, voting or not, sorted.
  std::vector<GroupId> GroupsOn(NodeId node) const;

  // Several lines for people: one for each group with its slots and replicas.
  std::string ToString() const;

  friend bool operator==(const ShardMap& a, const ShardMap& b) {
    return a.parts_.version == b.parts_.version &&
           a.parts_.partitioner == b.parts_.partitioner &&
           a.parts_.slot_count == b.parts_.slot_count &&
           a.parts_.nodes == b.parts_.nodes &&
           a.parts_.groups == b.parts_.groups &&
           a.parts_.assignments == b.parts_.assignments;
  }

 private:
  // Sorted, checked; assignments merged. `slot_count` is 0 in the empty map.
  Parts parts_ = {.version = MapVersion{}, .slot_count = 0};
  // Invariant: size is 0 or slot_count; no element is zero.
  std::vector<GroupId> group_of_slot_;
};

// "0-5460,10923" ↔ ranges; the text form used in files and messages. Ranges
// come back sorted; kInvalidArgument names what cannot be read, overlaps or
// reaches `slot_count`.
std::string FormatSlotRanges(absl::Span<const SlotRange> ranges);
absl::StatusOr<std::vector<SlotRange>> ParseSlotRanges(std::string_view text,
                                                       uint32_t slot_count);

}  // namespace quorate::shardctrl

#endif  // QUORATE_SHARDCTRL_MAP_H_

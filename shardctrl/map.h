// shardctrl/map.h: the shard map as a value: slots to groups, groups to
// replicas, nodes to addresses.
//
// Built and validated as a whole, then immutable; a change makes another one.
// Looking up the group of a slot is a binary search among the ranges of slots.
// The map does not know leaders.
#ifndef QUORATE_SHARDCTRL_MAP_H_
#define QUORATE_SHARDCTRL_MAP_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "env/ids.h"
#include "env/strong_types.h"
#include "shardctrl/partition.h"

namespace quorate::shardctrl {

// Rises with every change of the map; that of the founding is version 1.
using MapVersion = StrongOrdinal<struct MapVersionTag>;

// The addresses of one node, in the form "host:port". Empty ones are not known:
// a node reports its addresses itself, and they are only hints.
struct Node {
  NodeId id = {};
  std::string name = {};  // For people; unique; never empty.
  std::string peer_address = {};
  std::string resp_address = {};
  std::string resp_cluster_address = {};
  std::string http_address = {};
  // Holds only non-voting replicas: serves stale reads, refuses writes.
  bool read_only = false;
  std::string zone = {};  // As the operator said. Empty: unknown.
  friend bool operator==(const Node&, const Node&) = default;
};

// One Raft group with its wanted replicas. Both lists are sorted by node,
// without duplicates and disjoint. Where replicas are, Raft's configurations
// say.
struct Group {
  GroupId id = {};
  std::string name = {};            // For people; unique; never empty.
  std::vector<NodeId> voters = {};  // At least one.
  std::vector<NodeId> non_voters = {};
  // The voter that should lead; zero: any.
  NodeId preferred_leader = {};
  friend bool operator==(const Group&, const Group&) = default;
};

struct Assignment {
  SlotRange slots = {};
  GroupId group = {};
  friend bool operator==(const Assignment&, const Assignment&) = default;
};

class ShardMap {
 public:
  // The parts of a map, in any order.
  struct Parts {
    MapVersion version{1};
    Partitioner partitioner = Partitioner::kHashSlots;
    // As CheckSlotCount allows.
    uint32_t slot_count = kHashSlotCount;
    std::vector<Node> nodes = {};
    std::vector<Group> groups = {};
    // Each slot exactly once.
    std::vector<Assignment> assignments = {};
    // Slots are moving between groups, or have moved.
    bool slots_move = false;
  };

  // The empty map: no slots, groups or nodes, version 0. A node has it before
  // it knows another one.
  ShardMap() = default;

  // Sorts and checks the parts. The status kInvalidArgument names the first
  // error. No id, name or address is zero or repeated. Each group has voters,
  // its nodes are known, and no voter is on a read-only node. Its preferred
  // leader is a voter. Each slot is assigned to one known group.
  static absl::StatusOr<ShardMap> Create(Parts parts);

  MapVersion version() const { return parts_.version; }
  Partitioner partitioner() const { return parts_.partitioner; }
  uint32_t slot_count() const { return parts_.slot_count; }
  bool slots_move() const { return parts_.slots_move; }
  bool empty() const { return parts_.assignments.empty(); }

  // Sorted by id.
  absl::Span<const Node> nodes() const { return parts_.nodes; }
  absl::Span<const Group> groups() const { return parts_.groups; }
  // Sorted by slot, adjacent ranges of one group merged.
  absl::Span<const Assignment> assignments() const {
    return parts_.assignments;
  }
  // Null if the map does not have it.
  const Group* FindGroup(GroupId group) const;
  // Sorted; empty if the group owns no slot or is unknown.
  std::vector<SlotRange> RangesOf(GroupId group) const;
  // Groups with a wanted replica on the node, voting or not, sorted.
  std::vector<GroupId> GroupsOn(NodeId node) const;

  friend bool operator==(const ShardMap& a, const ShardMap& b) {
    return a.parts_.version == b.parts_.version &&
           a.parts_.partitioner == b.parts_.partitioner &&
           a.parts_.slot_count == b.parts_.slot_count &&
           a.parts_.nodes == b.parts_.nodes &&
           a.parts_.groups == b.parts_.groups &&
           a.parts_.assignments == b.parts_.assignments &&
           a.parts_.slots_move == b.parts_.slots_move;
  }

 private:
  // Sorted, checked; assignments merged, so they are few. Together they have
  // each slot once. `slot_count` is 0 in the empty map.
  Parts parts_ = {.version = MapVersion{}, .slot_count = 0};
};

// Ranges as text for people, such as "0-5460,10923".
std::string FormatSlotRanges(absl::Span<const SlotRange> ranges);
// Adds slots behind those of `ranges`. If they touch the last range, it grows.
void AppendSlots(SlotRange slots, std::vector<SlotRange>* ranges);
// The ranges of such a text, in its order. Nullopt if it is none, or if a range
// ends before it begins.
std::optional<std::vector<SlotRange>> ParseSlotRanges(std::string_view text);

}  // namespace quorate::shardctrl

#endif  // QUORATE_SHARDCTRL_MAP_H_

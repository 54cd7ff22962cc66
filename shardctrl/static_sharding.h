// shardctrl/static_sharding.h: a map from a parsed description, for clusters
// whose sharding is written in a file.
//
// Three ways of saying it, exactly one in a file (the TOML text itself is
// parsed in node/):
//
//   groups = 3                        # a count: slots split evenly and
//   contiguously, each group on every voting node
//
//   [[groups]]                        # slots by hand
//   name = "g1"
//   slots = ["0-8191"]                # all groups without it: the whole is
//   split evenly replicas = [1, 2, 3]              # left out: every voting
//   node
//
//   [[shards]]                        # as in a small store: an address for
//   each shard, and those of its replicas name = "Moscow" idx = 0 address =
//   "127.0.0.1:8080" replicas = ["127.0.0.1:8085"]
#ifndef QUORATE_SHARDCTRL_STATIC_SHARDING_H_
#define QUORATE_SHARDCTRL_STATIC_SHARDING_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "shardctrl/map.h"

namespace quorate::shardctrl {

// Limits of a static map; beyond them is kInvalidArgument.
inline constexpr uint32_t kStaticGroupsMax = 4096;
inline constexpr uint32_t kStaticShardsMax = 256;

struct StaticGroup {
  GroupId id = {};        // Zero: its position in the list, from 1.
  std::string name = {};  // Empty: "g" and the id.
  // Text ranges such as "0-5460" or "7"; empty in every group: split evenly in
  // the order of ids.
  std::vector<std::string> slots = {};
  std::vector<NodeId> voters = {};  // Empty: every node that is not read-only.
  std::vector<NodeId> non_voters = {};  // Empty: every node that is.
};

// One shard as a small store's file has it. Each distinct address is one node,
// numbered from 1 in the order in which they appear by idx; a shard is a group
// whose voters are `address` and `replicas`.
struct StaticShard {
  std::string name = {};
  uint32_t idx = 0;          // 0 … count - 1, each once.
  std::string address = {};  // "host:port" of HTTP, as in such a store, unless
                             // a node below has it as any of its addresses.
  std::vector<std::string> replicas = {};
};

struct StaticSharding {
  Partitioner partitioner = Partitioner::kHashSlots;
  // With `shards` it may be empty: then nodes are made of the addresses, with
  // the ports below added to HTTP's.
  std::vector<Node> nodes = {};
  // Exactly one of the three.
  std::optional<uint32_t> group_count = {};
  std::vector<StaticGroup> groups = {};
  std::vector<StaticShard> shards = {};
  uint16_t resp_port_offset = 1000;
  uint16_t peer_port_offset = 2000;
};

// kInvalidArgument says what is wrong and, where it can, what was expected.
absl::StatusOr<ShardMap> BuildStaticMap(StaticSharding sharding);

// The planner's first pure function: contiguous ranges, sizes differing by at
// most one, larger ones first, in the order of `groups`. Groups beyond the
// count of slots get none. Requires: groups not empty.
std::vector<Assignment> AssignEvenly(uint32_t slot_count,
                                     absl::Span<const GroupId> groups);

}  // namespace quorate::shardctrl

#endif  // QUORATE_SHARDCTRL_STATIC_SHARDING_H_

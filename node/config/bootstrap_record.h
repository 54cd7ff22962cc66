// node/config/bootstrap_record.h: the decisions that a bootstrap makes for all
// nodes of a cluster, and the initial state of replicas that follows.
//
// Each node stores the record with the identity of its data directory
// (docs/reference/formats/bootstrap.md). From then on replicas take the voters
// of entry 1, the slots and the hash key from the stored record alone. It must
// not depend on the configuration file, which may be edited. Pure.
#ifndef QUORATE_NODE_CONFIG_BOOTSTRAP_RECORD_H_
#define QUORATE_NODE_CONFIG_BOOTSTRAP_RECORD_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "env/ids.h"
#include "kv/command/rules.h"
#include "kv/store/store.h"
#include "raft/core/types.h"
#include "shardctrl/map.h"
#include "shardctrl/partition.h"

namespace quorate::node {

struct BootstrapGroup {
  GroupId group = {};
  uint64_t hash_key = 0;
  std::vector<NodeId> voters = {};    // Sorted.
  std::vector<SlotRange> slots = {};  // Sorted; adjacent ranges are merged.
  friend bool operator==(const BootstrapGroup&,
                         const BootstrapGroup&) = default;
};

// The record is equal on all nodes. It has no addresses and no names.
struct BootstrapRecord {
  ClusterId cluster = {};
  Partitioner partitioner = Partitioner::kHashSlots;
  uint32_t slot_count = kHashSlotCount;
  kv::Rules rules = {};
  // Nodes with a non-voting replica of every group. Sorted.
  std::vector<NodeId> read_only = {};
  std::vector<BootstrapGroup> groups = {};  // Sorted by group.
  // The group's row, or null.
  const BootstrapGroup* FindGroup(GroupId group) const;
  friend bool operator==(const BootstrapRecord&,
                         const BootstrapRecord&) = default;
};

// The record that a node stores when it bootstraps `cluster` with this map and
// these rules.
BootstrapRecord MakeBootstrapRecord(ClusterId cluster,
                                    const shardctrl::ShardMap& map,
                                    const kv::Rules& rules);

std::string EncodeBootstrapRecord(const BootstrapRecord& record);
// Accepts exactly the output of the encoder. kDataLoss: other bytes;
// kFailedPrecondition: another version.
absl::StatusOr<BootstrapRecord> DecodeBootstrapRecord(std::string_view bytes);

// Entry 1 of a group. Requires: the record has the group.
raft::Configuration FirstConfiguration(const BootstrapRecord& record,
                                       GroupId group);

// The initial state of a replica of the group. Requires: the record has the
// group.
kv::StoreOptions StoreOptionsOf(const BootstrapRecord& record, GroupId group);

}  // namespace quorate::node

#endif  // QUORATE_NODE_CONFIG_BOOTSTRAP_RECORD_H_

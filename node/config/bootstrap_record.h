// node/config/bootstrap_record.h: what is decided for all nodes when a cluster is
// bootstrapped, and what replicas make of it.
//
// Each node stores the record with the identity of its data directory
// (docs/reference/formats/bootstrap.md). From then on replicas get the voters
// of entry 1, the slots and the hash key from the stored record alone. It must
// not know the configuration file: that one may be edited. Pure.
#ifndef QUORATE_NODE_CONFIG_BOOTSTRAP_RECORD_H_
#define QUORATE_NODE_CONFIG_BOOTSTRAP_RECORD_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "env/ids.h"
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

// Equal on all nodes. Addresses, names and limits are no part of it.
struct BootstrapRecord {
  ClusterId cluster = {};
  Partitioner partitioner = Partitioner::kHashSlots;
  uint32_t slot_count = kHashSlotCount;
  // They hold a replica without a vote of every group. Sorted.
  std::vector<NodeId> read_only = {};
  std::vector<BootstrapGroup> groups = {};  // Sorted by group.
  // Null if there is none.
  const BootstrapGroup* FindGroup(GroupId group) const;
  friend bool operator==(const BootstrapRecord&,
                         const BootstrapRecord&) = default;
};

// What a node that bootstraps `cluster` with this map decides.
BootstrapRecord MakeBootstrapRecord(ClusterId cluster,
                                    const shardctrl::ShardMap& map);

std::string EncodeBootstrapRecord(const BootstrapRecord& record);
// Accepts exactly what the encoder makes. kDataLoss: other bytes;
// kFailedPrecondition: a later version.
absl::StatusOr<BootstrapRecord> DecodeBootstrapRecord(std::string_view bytes);

// Entry 1 of a group. Requires: the record has the group.
raft::Configuration FirstConfiguration(const BootstrapRecord& record,
                                       GroupId group);

// How a replica of the group begins. Requires: the record has the group.
kv::StoreOptions StoreOptionsOf(const BootstrapRecord& record, GroupId group);

}  // namespace quorate::node

#endif  // QUORATE_NODE_CONFIG_BOOTSTRAP_RECORD_H_

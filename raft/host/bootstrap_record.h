// raft/host/bootstrap_record.h: what is decided once for all nodes when a
// cluster is founded, and entry 1 of each group that follows.
//
// The plan is what a configuration file says. The record adds what the founding
// decided: the stores and a secret. Each store keeps the record with its
// identity (docs/reference/formats/bootstrap.md). From then on no replica
// depends on the configuration file, which may be edited. Pure.
#ifndef QUORATE_RAFT_HOST_BOOTSTRAP_RECORD_H_
#define QUORATE_RAFT_HOST_BOOTSTRAP_RECORD_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "env/buffer.h"
#include "env/ids.h"
#include "raft/core/types.h"

namespace quorate::raft {

struct GroupPlan {
  GroupId group = {};
  std::vector<NodeId> voters = {};    // Sorted.
  std::vector<NodeId> learners = {};  // Sorted; none is a voter.
  // Configuration::machine_kind and Configuration::parameters.
  uint32_t machine_kind = 0;
  Buffer parameters = {};
  friend bool operator==(const GroupPlan&, const GroupPlan&) = default;
};

// Equal on all nodes. It has no addresses and no names.
struct BootstrapPlan {
  std::vector<GroupPlan> groups = {};  // Sorted by group.
  // The group's row, or null.
  const GroupPlan* Find(GroupId group) const;
  // The nodes with a replica, sorted. The first one founds the cluster.
  std::vector<NodeId> Nodes() const;
  // The groups with a replica on this node.
  std::vector<GroupId> GroupsOn(NodeId node) const;
  friend bool operator==(const BootstrapPlan&, const BootstrapPlan&) = default;
};

struct NodeStore {
  NodeId node = {};
  StoreIncarnation store = {};
  friend bool operator==(const NodeStore&, const NodeStore&) = default;
};

inline constexpr size_t kWelcomeBytesMax = 990 << 10;

struct BootstrapRecord {
  // Without groups: the store joined the cluster, and has no part in the plan
  // of the founding.
  BootstrapPlan plan = {};
  // PlanChecksum of the plan, which a store that joined lacks. Else zero.
  uint32_t joined_checksum = 0;
  // HostOptions::welcome of the node that admitted the store. Only of a store
  // that joined; at most kWelcomeBytesMax.
  std::string welcome = {};
  // The first level of every group.
  Level level{1};
  // Configuration::hash_key, lease_length and lease_drift_ppm of every group.
  uint64_t hash_key = 0;
  Duration lease_length = {};
  uint32_t lease_drift_ppm = kLeaseDriftPpm;
  // One for each of plan.Nodes(), in their order.
  std::vector<NodeStore> stores = {};
  // Zero for a node without a replica.
  StoreIncarnation StoreOn(NodeId node) const;
  bool joined() const { return plan.groups.empty(); }
  // PlanChecksum of the plan with which the cluster was founded.
  uint32_t plan_checksum() const;
  // env::TransportIdentity::founding_checksum. It follows from the hash key,
  // and does not tell it. Not zero.
  uint32_t founding_checksum() const;
  friend bool operator==(const BootstrapRecord&,
                         const BootstrapRecord&) = default;
};

// OK if the lists are sorted and each group has a valid configuration. The
// error names the group and the field.
absl::Status ValidatePlan(const BootstrapPlan& plan);

std::string EncodePlan(const BootstrapPlan& plan);
// Nodes of one cluster have the same (env::TransportIdentity).
uint32_t PlanChecksum(const BootstrapPlan& plan);
std::string EncodeBootstrapRecord(const BootstrapRecord& record);
// Accepts exactly the output of the encoder. kDataLoss: other bytes;
// kFailedPrecondition: another version.
absl::StatusOr<BootstrapRecord> DecodeBootstrapRecord(std::string_view bytes);

// Entry 1 of a group. The replica ids follow from the stores, which are drawn
// at random: another founding gives other ids. Requires: the record has the
// group.
Configuration FirstConfiguration(const BootstrapRecord& record, GroupId group);

// The replica of the configuration on this node; zero if there is none.
ReplicaId ReplicaOn(const Configuration& configuration, NodeId node);

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_HOST_BOOTSTRAP_RECORD_H_

// net/tools/cluster_view.h: parses the replies that show which node leads which
// group. Cluster addresses answer CLUSTER SLOTS, which lists cluster addresses;
// both kinds of address answer INFO.
#ifndef QUORATE_NET_TOOLS_CLUSTER_VIEW_H_
#define QUORATE_NET_TOOLS_CLUSTER_VIEW_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "kv/client/resp_reply.h"

namespace quorate::net {

// One row of CLUSTER SLOTS: an inclusive range and the address of its master.
struct ClusterSlotsRow {
  uint16_t first = 0;
  uint16_t last = 0;
  std::string master;
  friend bool operator==(const ClusterSlotsRow&,
                         const ClusterSlotsRow&) = default;
};

// kDataLoss if `reply` is not a reply to CLUSTER SLOTS.
absl::StatusOr<std::vector<ClusterSlotsRow>> ParseClusterSlots(
    const kv::RespValue& reply);

// Returns the master of `slot`; none if no row contains it.
std::optional<std::string> MasterOf(const std::vector<ClusterSlotsRow>& ranges,
                                    uint16_t slot);

// Returns the address in the error "MOVED slot address", in the form of
// env/host_port.h; none if `error` is another error.
std::optional<std::string> ParseMoved(std::string_view error);

// The state of a node's replica of one group, from the groups section of INFO.
struct GroupLine {
  uint32_t group = 0;
  std::string role;  // "leader", "follower", …
  uint32_t leader = 0;
  uint64_t term = 0;
  uint64_t commit = 0;
  uint64_t applied = 0;
  uint32_t slots = 0;  // Number of slots that the group owns.
  std::string status;  // "ok", or the replica's state.
  bool leads() const { return role == "leader"; }
  friend bool operator==(const GroupLine&, const GroupLine&) = default;
};

// Parses lines such as "group1:role=leader,leader=1,term=2,…" and ignores
// others. Keys may have any order.
std::vector<GroupLine> ParseInfoGroups(std::string_view info);

// The disk of a node's data directory, from the persistence section of INFO.
struct DiskLine {
  uint64_t free_bytes = 0;
  uint64_t size_bytes = 0;
  bool lacks_room = false;
  friend bool operator==(const DiskLine&, const DiskLine&) = default;
};

// None if the text lacks it.
std::optional<DiskLine> ParseInfoDisk(std::string_view info);

// The certificate of a node, from the server section of INFO.
struct CertificateLine {
  int64_t seconds_left = 0;  // Negative: it has expired.
  bool reload_failing = false;
  friend bool operator==(const CertificateLine&,
                         const CertificateLine&) = default;
};

// None if the text lacks it.
std::optional<CertificateLine> ParseInfoCertificate(std::string_view info);

// The number of slots of the cluster, from CLUSTER INFO; none if the text lacks
// it.
std::optional<int> ParseSlotCount(std::string_view info);

// Parses "node3_refusal:…" in the nodes section of INFO: the nodes that the
// asked node refuses, with the reason as a clause about "it".
std::map<uint32_t, std::string> ParseRefusedNodes(std::string_view info);

// From INFO nodes: whether the cluster has removed the node that answered.
bool SaysRemoved(std::string_view info);

}  // namespace quorate::net

#endif  // QUORATE_NET_TOOLS_CLUSTER_VIEW_H_

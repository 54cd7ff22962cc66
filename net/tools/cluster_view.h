// net/tools/cluster_view.h: who leads which group, as seen from outside by asking the
// nodes over RESP. CLUSTER SLOTS is answered on, and names, the addresses for
// cluster clients; INFO is answered on both kinds.
#ifndef QUORATE_NET_TOOLS_CLUSTER_VIEW_H_
#define QUORATE_NET_TOOLS_CLUSTER_VIEW_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "net/tools/resp_client.h"

namespace quorate::net {

// One row of CLUSTER SLOTS: an inclusive range and the address of its master.
struct SlotRange {
  uint16_t first = 0;
  uint16_t last = 0;
  std::string master;
  friend bool operator==(const SlotRange&, const SlotRange&) = default;
};

// kDataLoss for what is no answer to CLUSTER SLOTS.
absl::StatusOr<std::vector<SlotRange>> ParseClusterSlots(
    const RespValue& reply);

// The master of `slot`; none when no row covers it.
std::optional<std::string> MasterOf(const std::vector<SlotRange>& ranges,
                                    uint16_t slot);

// What a node says of its replica of one group in INFO's groups section.
struct GroupLine {
  uint32_t group = 0;
  std::string role;  // "leader", "follower", …
  uint32_t leader = 0;
  uint64_t term = 0;
  uint64_t commit = 0;
  uint64_t applied = 0;
  uint32_t slots = 0;  // How many the group owns.
  std::string status;  // "ok", "fenced", "stopped" or "refused".
  bool leads() const { return role == "leader"; }
  friend bool operator==(const GroupLine&, const GroupLine&) = default;
};

// Lines "group1:role=leader,leader=1,term=2,…" among others; keys in any order.
std::vector<GroupLine> ParseInfoGroups(std::string_view info);

// Of INFO's nodes section, "node3_refusal:…": the nodes that the one
// asked refuses, and why, in words about "it".
std::map<uint32_t, std::string> ParseRefusedNodes(std::string_view info);

}  // namespace quorate::net

#endif  // QUORATE_NET_TOOLS_CLUSTER_VIEW_H_

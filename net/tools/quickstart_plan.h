// net/tools/quickstart_plan.h: the layout of a quickstart cluster: nodes,
// ports, directories and configuration files. Values only; starts nothing.
#ifndef QUORATE_NET_TOOLS_QUICKSTART_PLAN_H_
#define QUORATE_NET_TOOLS_QUICKSTART_PLAN_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "env/ids.h"

namespace quorate::net {

struct QuickstartOptions {
  std::string data_dir;
  // Port of the first node for plain clients. Each further node uses the next
  // port.
  int port = 7001;
  // Port of the first node for cluster clients. Each further node uses the next
  // port. 0: `port` plus kClusterPortOffset.
  int cluster_port = 0;
  int http_port = 8001;
  // Number of voting nodes, and of Raft groups; each group has a replica on
  // each of them.
  int nodes = 3;
  int groups = 3;
  // Number of further nodes without a vote, which serve stale reads.
  int read_replicas = 0;
};

// The peer port of a node is its plain port plus this. If that exceeds 65535,
// it is the plain port minus this.
inline constexpr int kPeerPortOffset = 10'000;
inline constexpr int kClusterPortOffset = 100;
// From a node's HTTP port to its port for operators.
inline constexpr int kAdminPortOffset = 100;
inline constexpr int kQuickstartNodesMax = 15;
inline constexpr int kQuickstartGroupsMax = 1'024;

struct QuickstartNode {
  NodeId id;
  std::string resp;
  std::string resp_cluster;
  std::string http;
  std::string peer;
  std::string admin;
  bool read_only = false;
  std::string data_dir;
  std::string config_file;
  std::string log_file;
};

struct QuickstartPlan {
  std::vector<QuickstartNode> nodes;
};

// kInvalidArgument says why options contradict each other, such as overlapping
// ports or too many nodes.
absl::StatusOr<QuickstartPlan> PlanQuickstart(const QuickstartOptions& options);
// The node with this id, of the founding or added later. Requires: `options`
// can be planned, and the ports of the node exist.
QuickstartNode QuickstartNodeOf(const QuickstartOptions& options, NodeId id);

// Returns the text of `node`'s configuration file.
std::string QuickstartToml(const QuickstartOptions& options,
                           const QuickstartPlan& plan,
                           const QuickstartNode& node, ClusterId cluster);
// The same for a node that was added to the running cluster.
std::string AddedNodeToml(const QuickstartNode& node, ClusterId cluster);

// The options with which a data directory was created.
struct QuickstartState {
  ClusterId cluster;
  int nodes = 0;
  int groups = 0;
  int read_replicas = 0;
  // Every node has run once, so no store is bootstrapped any more.
  bool bootstrapped = false;

  friend bool operator==(const QuickstartState&,
                         const QuickstartState&) = default;
};

std::string FormatQuickstartState(const QuickstartState& state);
// kDataLoss if FormatQuickstartState does not write such a text.
absl::StatusOr<QuickstartState> ParseQuickstartState(std::string_view text);

// Returns OK, or kFailedPrecondition that names the options of the directory
// and the possible remedies.
absl::Status CheckFits(const QuickstartOptions& options,
                       const QuickstartState& state);

}  // namespace quorate::net

#endif  // QUORATE_NET_TOOLS_QUICKSTART_PLAN_H_

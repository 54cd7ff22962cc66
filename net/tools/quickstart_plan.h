// net/tools/quickstart_plan.h: what a quickstart cluster looks like: its nodes, their
// ports, directories and configuration files. Values only: nothing is started.
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
  // The first node listens here for plain clients, each further one on the
  // next port.
  int port = 7001;
  // Listens there for cluster clients in the same way; 0: `port` plus kClusterPortOffset.
  int cluster_port = 0;
  int http_port = 8001;
  // Nodes with a vote, and Raft groups with a replica on each of them.
  int nodes = 3;
  int groups = 3;
  // Further nodes without a vote, which serve stale reads.
  int read_replicas = 0;
};

// A node's port for peers is its port for plain clients plus this; where that
// would exceed 65535, less this.
inline constexpr int kPeerPortOffset = 10'000;
inline constexpr int kClusterPortOffset = 100;
inline constexpr int kQuickstartNodesMax = 15;
inline constexpr int kQuickstartGroupsMax = 1'024;

struct QuickstartNode {
  NodeId id;
  std::string resp;
  std::string resp_cluster;
  std::string http;
  std::string peer;
  bool read_only = false;
  std::string data_dir;
  std::string config_file;
  std::string log_file;
};

struct QuickstartPlan {
  std::vector<QuickstartNode> nodes;
};

// kInvalidArgument when the options contradict each other (ports that overlap
// or do not exist, too many nodes), in words.
absl::StatusOr<QuickstartPlan> PlanQuickstart(const QuickstartOptions& options);

// The text of `node`'s configuration file.
std::string QuickstartToml(const QuickstartOptions& options,
                           const QuickstartPlan& plan,
                           const QuickstartNode& node, ClusterId cluster);

// What a data directory remembers of the options it was made with.
struct QuickstartState {
  ClusterId cluster;
  int nodes = 0;
  int groups = 0;
  int read_replicas = 0;
  // Every node has been up once: no store is founded any more.
  bool founded = false;

  friend bool operator==(const QuickstartState&,
                         const QuickstartState&) = default;
};

std::string FormatQuickstartState(const QuickstartState& state);
// kDataLoss for anything that FormatQuickstartState does not write.
absl::StatusOr<QuickstartState> ParseQuickstartState(std::string_view text);

// OK, or kFailedPrecondition that says with which options the directory was
// made and what can be done.
absl::Status CheckFits(const QuickstartOptions& options,
                       const QuickstartState& state);

}  // namespace quorate::net

#endif  // QUORATE_NET_TOOLS_QUICKSTART_PLAN_H_

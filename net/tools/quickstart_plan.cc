#include "net/tools/quickstart_plan.h"

#include <charconv>
#include <map>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace quorate::net {
namespace {

constexpr int kPortMax = 65'535;

std::string Loopback(int port) { return absl::StrCat("127.0.0.1:", port); }

int PeerPort(int port) {
  return port + kPeerPortOffset <= kPortMax ? port + kPeerPortOffset
                                            : port - kPeerPortOffset;
}

// Returns a TOML basic string.
std::string Quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

absl::Status InRange(const char* option, int value, int low, int high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      option, " ", value, ": expected a number from ", low, " to ", high));
}

int ClusterPort(const QuickstartOptions& options) {
  return options.cluster_port == 0 ? options.port + kClusterPortOffset
                                   : options.cluster_port;
}

std::string Head(const QuickstartNode& node, ClusterId cluster) {
  return absl::StrCat(
      "# Written by quickstart; see docs/reference/configuration.md.\n\n",
      "[cluster]\nid = ", cluster.value(), "\n\n[node]\nid = ", node.id.value(),
      "\ndata_dir = ", Quoted(node.data_dir),
      "\n\n[listen]\nadmin = ", Quoted(node.admin), "\n\n[clients]\n",
      "# Lets GET /set?key=K&value=V write, for experiments.\n",
      "http_get_writes = true\n");
}

std::string Row(const QuickstartNode& node) {
  return absl::StrCat(
      "\n[[nodes]]\nid = ", node.id.value(), "\nresp = ", Quoted(node.resp),
      "\nresp_cluster = ", Quoted(node.resp_cluster),
      "\nhttp = ", Quoted(node.http), "\npeer = ", Quoted(node.peer), "\n",
      node.read_only ? "read_only = true\n" : "");
}

std::string MadeWith(const QuickstartState& state) {
  return absl::StrCat("--nodes ", state.nodes, " --groups ", state.groups,
                      " --read-replicas ", state.read_replicas);
}

}  // namespace

absl::StatusOr<QuickstartPlan> PlanQuickstart(
    const QuickstartOptions& options) {
  const int count = options.nodes + options.read_replicas;
  const int cluster_port = ClusterPort(options);
  for (const absl::Status& status :
       {InRange("--nodes", options.nodes, 1, kQuickstartNodesMax),
        InRange("--groups", options.groups, 1, kQuickstartGroupsMax),
        InRange("--read-replicas", options.read_replicas, 0,
                kQuickstartNodesMax - options.nodes),
        InRange("--port", options.port, 1, kPortMax + 1 - count),
        InRange("--cluster-port", cluster_port, 1, kPortMax + 1 - count),
        InRange("--http-port", options.http_port, 1,
                kPortMax + 1 - count - kAdminPortOffset)}) {
    if (!status.ok()) return status;
  }
  QuickstartPlan plan;
  std::map<int, std::string> uses;
  for (int i = 0; i < count; ++i) {
    const int resp = options.port + i;
    const int resp_cluster = cluster_port + i;
    const int http = options.http_port + i;
    const int peer = PeerPort(resp);
    for (const auto& [port, purpose] :
         {std::pair(resp, "--port"), std::pair(resp_cluster, "--cluster-port"),
          std::pair(http, "--http-port"), std::pair(peer, "the peer port"),
          std::pair(http + kAdminPortOffset, "the admin port")}) {
      const std::string use = absl::StrCat(purpose, " of node ", i + 1);
      const auto [taken, free] = uses.emplace(port, use);
      if (!free) {
        return absl::InvalidArgumentError(absl::StrCat(
            "port ", port, " has two uses: ", taken->second, " and ", use,
            ". Each of the ", count, " nodes takes the next port after --port ",
            options.port, ", --cluster-port ", cluster_port,
            " and --http-port ", options.http_port,
            "; its peer port is that of --port ",
            peer > resp ? "plus " : "minus ", kPeerPortOffset,
            ", and its admin port that of --http-port plus ", kAdminPortOffset,
            ": give ports that are further apart"));
      }
    }
    plan.nodes.push_back(
        QuickstartNodeOf(options, NodeId(static_cast<uint32_t>(i + 1))));
    plan.nodes.back().read_only = i >= options.nodes;
  }
  return plan;
}

QuickstartNode QuickstartNodeOf(const QuickstartOptions& options, NodeId id) {
  const int i = static_cast<int>(id.value()) - 1;
  const std::string base = absl::StrCat(options.data_dir, "/node-", id.value());
  return {.id = id,
          .resp = Loopback(options.port + i),
          .resp_cluster = Loopback(ClusterPort(options) + i),
          .http = Loopback(options.http_port + i),
          .peer = Loopback(PeerPort(options.port + i)),
          .admin = Loopback(options.http_port + i + kAdminPortOffset),
          .data_dir = base,
          .config_file = base + ".toml",
          .log_file = base + ".log"};
}

std::string QuickstartToml(const QuickstartOptions& options,
                           const QuickstartPlan& plan,
                           const QuickstartNode& node, ClusterId cluster) {
  std::string text = absl::StrCat(
      Head(node, cluster), "\n[sharding]\ngroups = ", options.groups, "\n");
  for (const QuickstartNode& row : plan.nodes) text += Row(row);
  return text;
}

std::string AddedNodeToml(const QuickstartNode& node, ClusterId cluster) {
  return Head(node, cluster) + Row(node);
}

// A stored format.
std::string FormatQuickstartState(const QuickstartState& state) {
  return absl::StrCat("quickstart 1\ncluster ", state.cluster.value(),
                      "\nnodes ", state.nodes, "\ngroups ", state.groups,
                      "\nread_replicas ", state.read_replicas, "\nfounded ",
                      state.bootstrapped ? 1 : 0, "\n");
}

absl::StatusOr<QuickstartState> ParseQuickstartState(std::string_view text) {
  std::map<std::string, uint64_t> values;
  size_t lines = 0;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    const size_t space = line.find(' ');
    uint64_t value = 0;
    if (end == std::string_view::npos || space == std::string_view::npos) break;
    const std::string_view number = line.substr(space + 1);
    const auto [stop, error] =
        std::from_chars(number.data(), number.data() + number.size(), value);
    if (error != std::errc() || stop != number.data() + number.size()) break;
    values[std::string(line.substr(0, space))] = value;
    ++lines;
    text.remove_prefix(end + 1);
  }
  const char* const kKeys[] = {"quickstart", "cluster",       "nodes",
                               "groups",     "read_replicas", "founded"};
  bool whole = text.empty() && lines == std::size(kKeys);
  for (const char* key : kKeys) whole = whole && values.contains(key);
  if (!whole || values["quickstart"] != 1) {
    return absl::DataLossError(
        "expected the six numbers that describe a quickstart cluster");
  }
  return QuickstartState{
      .cluster = ClusterId(values["cluster"]),
      .nodes = static_cast<int>(values["nodes"]),
      .groups = static_cast<int>(values["groups"]),
      .read_replicas = static_cast<int>(values["read_replicas"]),
      .bootstrapped = values["founded"] != 0};
}

absl::Status CheckFits(const QuickstartOptions& options,
                       const QuickstartState& state) {
  if (options.nodes == state.nodes && options.groups == state.groups &&
      options.read_replicas == state.read_replicas) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat("the data directory '", options.data_dir, "' was made with ",
                   MadeWith(state),
                   ". Give these options, or another --data-dir, or remove "
                   "the directory to start with a new store."));
}

}  // namespace quorate::net

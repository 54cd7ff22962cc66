#include "bench/memory/group_memory.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "bench/memory/counted_memory.h"
#include "bench/processes.h"
#include "bench/workload.h"
#include "env/env.h"
#include "env/ids.h"
#include "env/time.h"
#include "net/real_env.h"
#include "node/config/config.h"
#include "node/server.h"
#include "raft/core/core.h"
#include "raft/host/host.h"

namespace quorate::bench {
namespace {

constexpr int kNodes = 3;
constexpr uint32_t kManyGroups = 1024;
// The time in which all groups become quiet, and the time afterwards in which
// nodes give the memory of their start back.
constexpr int64_t kQuietMaxNs = 60'000'000'000;
constexpr int64_t kRestNs = 10'000'000'000;

std::string Loopback(uint16_t port) { return absl::StrCat("127.0.0.1:", port); }

// Three nodes in this process, whose loops run in turn.
class Cluster {
 public:
  Cluster(const ScratchFolder& folder, uint32_t groups)
      : folder_(folder), groups_(groups), ports_(FreePorts(4 * kNodes)) {}

  absl::Status Start() {
    for (uint32_t i = 0; i < kNodes; ++i) {
      if (absl::Status s = StartNode(i); !s.ok()) return s;
    }
    const int64_t deadline_ns = MonotonicNanos() + kQuietMaxNs;
    while (!AllQuiet()) {
      if (!failure_.ok()) return failure_;
      if (MonotonicNanos() > deadline_ns) {
        return absl::DeadlineExceededError("the groups do not become quiet");
      }
      RunTurns();
    }
    const int64_t end_ns = MonotonicNanos() + kRestNs;
    while (MonotonicNanos() < end_ns) RunTurns();
    return failure_;
  }

 private:
  struct Node {
    std::unique_ptr<net::RealEnv> real;
    std::unique_ptr<node::Server> server;  // Destroyed first.
  };

  absl::Status StartNode(uint32_t index) {
    node::Config config;
    config.cluster = ClusterId(1);
    config.node = NodeId(index + 1);
    config.bootstrap = true;
    config.data_dir = folder_.Sub(absl::StrCat("node", groups_, "-", index));
    for (uint32_t i = 0; i < kNodes; ++i) {
      node::NodeConfig row;
      row.id = NodeId(i + 1);
      row.resp = Loopback(ports_[i]);
      row.resp_cluster = Loopback(ports_[kNodes + i]);
      row.http = Loopback(ports_[2 * kNodes + i]);
      row.peer = Loopback(ports_[3 * kNodes + i]);
      config.nodes.push_back(row);
    }
    config.listen.admin = Loopback(0);
    absl::Status complete =
        node::CompleteConfig(&config, {.groups = groups_, .replicas = kNodes});
    if (!complete.ok()) return complete;
    auto real = net::RealEnv::Create({.data_directory = config.data_dir,
                                      .log_level = env::Severity::kError});
    if (!real.ok()) return real.status();
    Node& node = nodes_.emplace_back();
    node.real = *std::move(real);
    node.server = node::MakeServer(node.real->env(), std::move(config));
    node.server->Start([this](const absl::Status& s) { failure_.Update(s); });
    return absl::OkStatus();
  }

  bool AllQuiet() const {
    for (const Node& node : nodes_) {
      for (uint32_t i = 1; i <= groups_; ++i) {
        const raft::Core* const core = node.server->host().core(GroupId(i));
        if (core == nullptr || !core->quiet()) return false;
      }
    }
    return true;
  }

  void RunTurns() {
    for (const Node& node : nodes_) node.real->loop().RunTurn(Milliseconds(1));
  }

  const ScratchFolder& folder_;
  const uint32_t groups_;
  const std::vector<uint16_t> ports_;
  std::vector<Node> nodes_;
  absl::Status failure_;
};

absl::StatusOr<double> BytesWith(const ScratchFolder& folder, uint32_t groups) {
  const int64_t before = AllocatedBytes();
  Cluster cluster(folder, groups);
  if (absl::Status s = cluster.Start(); !s.ok()) return s;
  return static_cast<double>(AllocatedBytes() - before);
}

}  // namespace

absl::StatusOr<std::vector<Figure>> GroupMemoryFigures() {
  const absl::StatusOr<ScratchFolder> folder =
      ScratchFolder::Create(DefaultDataFolder());
  if (!folder.ok()) return folder.status();
  const absl::StatusOr<double> one = BytesWith(*folder, 1);
  if (!one.ok()) return one.status();
  const absl::StatusOr<double> many = BytesWith(*folder, kManyGroups);
  if (!many.ok()) return many.status();
  return std::vector<Figure>{
      {"group_node_bytes", (*many - *one) / ((kManyGroups - 1) * kNodes), "B"}};
}

}  // namespace quorate::bench

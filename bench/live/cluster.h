// bench/live/cluster.h: a cluster of quorated processes with a controller, for
// measurements of changes.
#ifndef QUORATE_BENCH_LIVE_CLUSTER_H_
#define QUORATE_BENCH_LIVE_CLUSTER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "bench/processes.h"
#include "net/tools/member_verbs.h"

namespace quorate::bench {

// The seconds since MonotonicNanos() was `begin_ns`.
double SecondsSince(int64_t begin_ns);
// The answer of a verb of quoratectl.
absl::StatusOr<nlohmann::json> JsonOf(const net::ControlAnswer& answer);
// Seconds of a copy of a file of this size, with a sync at its end.
absl::StatusOr<double> CopySeconds(const ScratchFolder& folder, uint64_t bytes);

// Nodes count from 1; the first three found the cluster.
class LiveCluster {
 public:
  static constexpr int kFounders = 3;
  static absl::StatusOr<std::unique_ptr<LiveCluster>> Start(int groups);

  // A verb of quoratectl, asked through node 2 or that of AskThrough.
  net::VerbOptions Verb() {
    return {.control = {.addresses = {Address(asked_, kCluster)},
                        .timeout = Seconds(30),
                        .json = true},
            .say = ignore_,
            .progress = ignore_,
            .interrupted = never_};
  }
  void AskThrough(int node) { asked_ = node; }
  uint16_t plain_port(int node) const { return ports_.at(node)[kPlain]; }
  uint16_t cluster_port(int node) const { return ports_.at(node)[kCluster]; }
  std::string DataFolder(int node) const {
    return absl::StrCat(folder_.path(), "/", node, "/data");
  }
  const ScratchFolder& folder() const { return folder_; }
  ServerProcess& server(int node) { return servers_.at(node); }
  // As ServerProcess::ProcessorNanos, of all that ran in this cluster.
  int64_t ProcessorNanos() const {
    int64_t sum = ended_processor_ns_;
    for (const auto& [node, server] : servers_) sum += server.ProcessorNanos();
    return sum;
  }
  void Kill(int node) {
    ended_processor_ns_ += servers_.at(node).ProcessorNanos();
    servers_.at(node).Kill();
    servers_.erase(node);
  }
  absl::Status Restart(int node) { return StartServer(node, {}); }
  // Starts the node of an answer of `node add` or `node replace` on an empty
  // directory.
  absl::Status Join(const nlohmann::json& answer);
  // Waits until a GET through the node has an answer.
  absl::Status AwaitAnswer(int node);
  // Waits until the members of all groups are the wanted ones.
  absl::Status AwaitSettled();
  // Waits until no node has begun or written a snapshot for two seconds.
  absl::Status AwaitSnapshots();
  // The snapshots that nodes of this moment have taken since their starts.
  absl::StatusOr<double> SnapshotsTaken() {
    return MetricSum("quorate_snapshots_taken_total");
  }

 private:
  enum Port { kPlain, kCluster, kHttp, kPeer, kAdmin, kPorts };

  explicit LiveCluster(ScratchFolder folder) : folder_(std::move(folder)) {}
  std::string Address(int node, Port port) const {
    return absl::StrCat("127.0.0.1:", ports_.at(node)[port]);
  }
  // The sum of a metric over all nodes, groups and kinds.
  absl::StatusOr<double> MetricSum(const std::string& name);
  void WriteConfig(int node, int groups);
  absl::Status StartServer(int node, const std::vector<std::string>& flags);

  void (*const ignore_)(const std::string&) = [](const std::string&) {};
  bool (*const never_)() = [] { return false; };
  const ScratchFolder folder_;
  std::map<int, std::vector<uint16_t>> ports_;
  std::map<int, ServerProcess> servers_;
  int asked_ = 2;
  int64_t ended_processor_ns_ = 0;
};

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_LIVE_CLUSTER_H_

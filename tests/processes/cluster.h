// tests/processes/cluster.h: a cluster of real quorated processes on loopback.
// The kernel ends each process with the test that started it.
#ifndef QUORATE_TESTS_PROCESSES_CLUSTER_H_
#define QUORATE_TESTS_PROCESSES_CLUSTER_H_

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "env/time.h"
#include "net/tools/child_process.h"
#include "net/tools/quickstart_plan.h"

namespace quorate::tests {

struct ProcessClusterOptions {
  int nodes = 3;
  int groups = 3;
  int read_replicas = 0;
  // Appended to every configuration file.
  std::string more_toml;
  // The environment of each process; "%n" in a value becomes the node's number.
  std::map<std::string, std::string> environment;
};

class ProcessCluster {
 public:
  explicit ProcessCluster(const ProcessClusterOptions& options);
  ~ProcessCluster();
  ProcessCluster(const ProcessCluster&) = delete;
  ProcessCluster& operator=(const ProcessCluster&) = delete;

  // Starts every node that does not run and waits until all serve requests. The
  // first call bootstraps the cluster.
  absl::Status StartAll();
  void Kill(int node, int signal);
  // Does not wait for an effect. Requires: the node runs.
  void Signal(int node, int signal) { processes_[node]->Signal(signal); }
  // Starts the node of an answer of `node add` or `node replace`, in JSON, on
  // an empty directory, and waits until it serves. A new one is the last.
  absl::Status Join(const std::string& answer);
  // Moves the directory of a node that does not run away, or back: as if the
  // machine had been lost, and was found later.
  void LoseDisk(int node);
  void FindDisk(int node);
  // Gives a node that does not run other addresses. Its file keeps the first
  // addresses of the others; the files of the others do not change. `seeds` are
  // peer addresses for its file.
  void Move(int node, const std::vector<std::string>& seeds = {});
  // Sends SIGTERM to all processes and returns the wait status of each.
  std::vector<int> StopAll();
  // Waits until every group has a node that reports itself as its leader.
  absl::Status AwaitLeaders(Duration limit);
  // The node (counted from 0) that reports itself as leader of `slot`.
  std::optional<int> LeaderOf(uint16_t slot);

  int size() const { return static_cast<int>(plan_.nodes.size()); }
  bool runs(int node) { return processes_[node].has_value(); }
  const net::QuickstartNode& node(int node) const { return plan_.nodes[node]; }
  const std::string& directory() const { return options_.data_dir; }
  // The last lines of a node's log, for failure messages.
  std::string LogTail(int node) const;

 private:
  void TakePorts(net::QuickstartNode* node);
  absl::Status Launch(int node, const std::vector<std::string>& flags);
  absl::Status AwaitReady(int node);

  const ProcessClusterOptions cluster_options_;
  net::QuickstartOptions options_;
  net::QuickstartPlan plan_;
  net::QuickstartPlan first_plan_;  // With the first addresses.
  std::set<int> ports_;
  bool bootstrapped_ = false;
  std::set<int> moved_together_;  // With others, which are their seeds.
  std::vector<std::optional<net::ChildProcess>> processes_;
};

// Ports of loopback without a listener, outside the range from which the kernel
// takes ports of outgoing connections. No other call returns them, in this
// process or in another test, until this process ends.
std::vector<int> FreePorts(int count);

}  // namespace quorate::tests

#endif  // QUORATE_TESTS_PROCESSES_CLUSTER_H_

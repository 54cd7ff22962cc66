#include "bench/live/cluster.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "absl/strings/str_join.h"
#include "bench/resp_load.h"
#include "bench/snapshot_files.h"
#include "bench/workload.h"

namespace quorate::bench {

using Json = nlohmann::json;

double SecondsSince(int64_t begin_ns) {
  return static_cast<double>(MonotonicNanos() - begin_ns) / 1e9;
}

absl::StatusOr<Json> JsonOf(const net::ControlAnswer& answer) {
  if (answer.exit_status != 0) return absl::InternalError(answer.error);
  return Json::parse(answer.out);
}

absl::StatusOr<double> CopySeconds(const ScratchFolder& folder,
                                   uint64_t bytes) {
  const std::string from = folder.path() + "/copied";
  {
    std::ofstream file(from, std::ios::binary);
    const std::string piece(1 << 20, 'x');
    for (uint64_t done = 0; done < bytes; done += piece.size()) file << piece;
  }
  const int64_t begin_ns = MonotonicNanos();
  const std::string command = absl::StrCat("dd if='", from, "' of='", from,
                                           "2' bs=1M conv=fsync 2>/dev/null");
  if (std::system(command.c_str()) != 0) {
    return absl::InternalError("the copy failed");
  }
  const double seconds = SecondsSince(begin_ns);
  std::filesystem::remove(from);
  std::filesystem::remove(from + "2");
  return seconds;
}

void LiveCluster::WriteConfig(int node, int groups) {
  std::ofstream config(absl::StrCat(folder_.path(), "/", node, "/config.toml"));
  config << "[cluster]\nid = 7\n[node]\nid = " << node << "\ndata_dir = \""
         << DataFolder(node) << "\"\n[listen]\nadmin = \""
         << Address(node, kAdmin) << "\"\n[sharding]\ngroups = " << groups
         << "\n";
  const int rows = node <= kFounders ? kFounders : node;
  for (int row = node <= kFounders ? 1 : node; row <= rows; ++row) {
    config << "[[nodes]]\nid = " << row << "\nresp = \"" << Address(row, kPlain)
           << "\"\nresp_cluster = \"" << Address(row, kCluster)
           << "\"\nhttp = \"" << Address(row, kHttp) << "\"\npeer = \""
           << Address(row, kPeer) << "\"\n";
  }
}

absl::Status LiveCluster::StartServer(int node,
                                      const std::vector<std::string>& flags) {
  const std::string home = absl::StrCat(folder_.path(), "/", node);
  std::vector<std::string> command = {FindProgram("net/cmd/quorated"),
                                      "--config", home + "/config.toml",
                                      "--exit-with-parent"};
  command.insert(command.end(), flags.begin(), flags.end());
  absl::StatusOr<ServerProcess> server =
      ServerProcess::Start(command, home + "/log");
  if (!server.ok()) return server.status();
  servers_.emplace(node, *std::move(server));
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<LiveCluster>> LiveCluster::Start(int groups) {
  absl::StatusOr<ScratchFolder> folder =
      ScratchFolder::Create(DefaultDataFolder());
  if (!folder.ok()) return folder.status();
  std::unique_ptr<LiveCluster> cluster(new LiveCluster(*std::move(folder)));
  for (int node = 1; node <= kFounders; ++node) {
    cluster->ports_[node] = FreePorts(kPorts);
    cluster->folder_.Sub(absl::StrCat(node));
  }
  for (int node = 1; node <= kFounders; ++node) {
    cluster->WriteConfig(node, groups);
    absl::Status started = cluster->StartServer(node, {"--bootstrap"});
    if (!started.ok()) return started;
  }
  absl::Status ready = cluster->AwaitAnswer(2);
  if (ready.ok()) ready = cluster->AwaitSettled();
  if (!ready.ok()) return ready;
  return cluster;
}

absl::Status LiveCluster::Join(const Json& answer) {
  const int node = answer["id"];
  if (!ports_.contains(node)) {
    ports_[node] = FreePorts(kPorts);
    folder_.Sub(absl::StrCat(node));
    WriteConfig(node, 1);
  }
  const std::vector<std::string> seeds = answer["seeds"];
  return StartServer(node, {"--join", absl::StrJoin(seeds, ","), "--token",
                            answer["token"].get<std::string>()});
}

absl::Status LiveCluster::AwaitAnswer(int node) {
  const int64_t begin_ns = MonotonicNanos();
  while (SecondsSince(begin_ns) < 60 && !Interrupted()) {
    const auto reply = AskResp(plain_port(node), "GET bench:none");
    if (reply.ok() && !reply->starts_with('-')) return absl::OkStatus();
    if (!servers_.at(node).Running()) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return absl::UnavailableError(absl::StrCat(
      "node ", node, " does not serve:\n", servers_.at(node).LogTail()));
}

absl::Status LiveCluster::AwaitSettled() {
  std::string last;
  const int64_t begin_ns = MonotonicNanos();
  while (SecondsSince(begin_ns) < 600 && !Interrupted()) {
    const absl::StatusOr<Json> groups = JsonOf(net::ListGroups(Verb()));
    if (groups.ok() && !(*groups)["groups"].empty() &&
        std::all_of(
            (*groups)["groups"].begin(), (*groups)["groups"].end(),
            [](const Json& group) { return group["settled"] == true; })) {
      return absl::OkStatus();
    }
    last = groups.ok() ? groups->dump() : groups.status().ToString();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return absl::DeadlineExceededError("groups are not settled: " + last);
}

absl::StatusOr<double> LiveCluster::MetricSum(const std::string& name) {
  double sum = 0;
  for (const auto& [node, server] : servers_) {
    const auto page = HttpGet(ports_.at(node)[kHttp], "/metrics");
    if (!page.ok()) return page.status();
    const auto value = PrometheusSum(*page, name);
    if (!value.ok()) return value.status();
    sum += *value;
  }
  return sum;
}

absl::Status LiveCluster::AwaitSnapshots() {
  double taken = -1;
  int64_t changed_ns = MonotonicNanos();
  const int64_t begin_ns = changed_ns;
  while (SecondsSince(begin_ns) < 120 && !Interrupted()) {
    const auto now = SnapshotsTaken();
    if (!now.ok()) return now.status();
    const auto unwritten = MetricSum("quorate_snapshot_unwritten_bytes");
    if (!unwritten.ok()) return unwritten.status();
    bool writing = false;
    for (const auto& [node, server] : servers_) {
      writing = writing || ReadSnapshotFiles(DataFolder(node)).writing;
    }
    if (*now != taken || *unwritten != 0 || writing) {
      changed_ns = MonotonicNanos();
    }
    taken = *now;
    if (SecondsSince(changed_ns) > 2) return absl::OkStatus();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return absl::DeadlineExceededError("snapshots do not end");
}

}  // namespace quorate::bench

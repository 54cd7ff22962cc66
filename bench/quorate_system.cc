// bench/quorate_system.cc: three quorated processes, with a replica of each
// group on each.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/resp_load.h"
#include "bench/system.h"

namespace quorate::bench {
namespace {

constexpr int kServers = 3;

class Quorate final : public QuorateSystem {
 public:
  Quorate(std::string program, QuorateOptions options)
      : program_(std::move(program)), options_(std::move(options)) {}

  std::string name() const override { return "quorate"; }
  std::string guarantees() const override {
    return "three copies, a write is acknowledged when two disks have synced "
           "it; linearizable reads and writes; any one node may be lost";
  }
  bool has_pipelining() const override { return true; }

  absl::Status Start(const ScratchFolder& folder) override;
  absl::StatusOr<Measurement> Run(const Workload& workload) override;
  Usage ReadUsage() override;
  int64_t ResidentBytes() override;
  absl::Status RemoveAllKeys() override;
  absl::Status AskAt(int i, const std::string& request) override;
  void Stop(int i) override { servers_[i].reset(); }
  void Kill(int i) override {
    servers_[i]->Kill();
    servers_[i].reset();
  }
  absl::Status StartAgain(int i) override {
    return StartServer(i, {"--exit-with-parent"});
  }
  absl::Status AwaitRead(int i, const std::string& key,
                         const std::string& value) override;
  absl::StatusOr<double> Metric(int i, const std::string& name,
                                const std::string& label) override;
  absl::StatusOr<int> Leader() override;
  std::string DataFolder(int i) override {
    return absl::StrCat(homes_[i], "/data");
  }
  ServerProcess& server(int i) override { return *servers_[i]; }

 private:
  void WriteConfig(int index);
  absl::Status StartServer(int index, const std::vector<std::string>& flags);
  uint16_t plain_port(int i) const { return ports_[3 * kServers + i]; }
  uint16_t cluster_port(int i) const { return ports_[i]; }
  uint16_t http_port(int i) const { return ports_[kServers + i]; }
  uint16_t peer_port(int i) const { return ports_[2 * kServers + i]; }

  const std::string program_;
  const QuorateOptions options_;
  std::vector<uint16_t> ports_;
  std::vector<std::string> homes_;  // Folders of the servers.
  std::vector<std::optional<ServerProcess>> servers_;
};

void Quorate::WriteConfig(int index) {
  const std::string& home = homes_[index];
  std::ofstream config(absl::StrCat(home, "/config.toml"));
  config << "[cluster]\nid = 1\n\n[node]\nid = " << index + 1
         << "\ndata_dir = \"" << home
         << "/data\"\n\n[listen]\nadmin = \"127.0.0.1:0\"\n\n";
  config << "[sharding]\ngroups = " << options_.groups << "\n\n"
         << options_.settings;
  for (int i = 0; i < kServers; ++i) {
    config << "\n[[nodes]]\nid = " << i + 1
           << "\nresp = \"127.0.0.1:" << plain_port(i)
           << "\"\nresp_cluster = \"127.0.0.1:" << cluster_port(i)
           << "\"\nhttp = \"127.0.0.1:" << http_port(i)
           << "\"\npeer = \"127.0.0.1:" << peer_port(i) << "\"\n";
  }
}

absl::Status Quorate::StartServer(int index,
                                  const std::vector<std::string>& flags) {
  const std::string& home = homes_[index];
  std::vector<std::string> command = {program_, "--config",
                                      absl::StrCat(home, "/config.toml")};
  command.insert(command.end(), flags.begin(), flags.end());
  absl::StatusOr<ServerProcess> server =
      ServerProcess::Start(command, absl::StrCat(home, "/log"));
  if (!server.ok()) return server.status();
  servers_[index].emplace(*std::move(server));
  return absl::OkStatus();
}

absl::Status Quorate::Start(const ScratchFolder& folder) {
  ports_ = FreePorts(4 * kServers);
  servers_.resize(kServers);
  for (int i = 0; i < kServers; ++i) {
    homes_.push_back(folder.Sub(absl::StrCat("quorate", i + 1)));
    WriteConfig(i);
    absl::Status started =
        StartServer(i, {"--bootstrap", "--exit-with-parent"});
    if (!started.ok()) return started;
  }
  const int64_t deadline_ns = MonotonicNanos() + 20'000'000'000;
  while (MonotonicNanos() < deadline_ns && !Interrupted()) {
    if (Leader().ok()) return absl::OkStatus();
    for (std::optional<ServerProcess>& server : servers_) {
      if (!server->Running()) {
        return absl::UnavailableError(
            absl::StrCat("quorated ended:\n", server->LogTail()));
      }
    }
  }
  return absl::UnavailableError(
      absl::StrCat("quorated has no leader:\n", servers_[0]->LogTail()));
}

absl::StatusOr<int> Quorate::Leader() {
  for (int i = 0; i < kServers; ++i) {
    absl::StatusOr<std::string> reply =
        AskResp(cluster_port(i), "SET bench:leader ?");
    // Other nodes answer MOVED, or CLUSTERDOWN while there is no leader.
    if (reply.ok() && *reply == "OK") return i;
  }
  return absl::UnavailableError("quorated has no leader");
}

absl::StatusOr<Measurement> Quorate::Run(const Workload& workload) {
  absl::StatusOr<int> leader = Leader();
  if (!leader.ok()) return leader.status();
  return RunRespLoad(cluster_port(*leader), workload);
}

int64_t Quorate::ResidentBytes() {
  int64_t largest = 0;
  for (const std::optional<ServerProcess>& server : servers_) {
    largest = std::max(largest, server->ResidentBytes());
  }
  return largest;
}

absl::Status Quorate::AwaitRead(int i, const std::string& key,
                                const std::string& value) {
  const int64_t deadline_ns = MonotonicNanos() + 120'000'000'000;
  absl::StatusOr<std::string> reply = absl::UnavailableError("interrupted");
  while (MonotonicNanos() < deadline_ns && !Interrupted()) {
    reply = AskResp(plain_port(i), absl::StrCat("GET ", key));
    if (reply.ok() && !reply->starts_with('-')) {
      return *reply == value ? absl::OkStatus()
                             : absl::DataLossError(absl::StrCat(
                                   "GET ", key, " answered ", *reply));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return absl::UnavailableError(absl::StrCat(
      "no answer to GET: ", reply.ok() ? *reply : reply.status().ToString()));
}

absl::StatusOr<double> Quorate::Metric(int i, const std::string& name,
                                       const std::string& label) {
  absl::StatusOr<std::string> page = HttpGet(http_port(i), "/metrics");
  if (!page.ok()) return page.status();
  return PrometheusSum(*page, name, label);
}

absl::Status Quorate::RemoveAllKeys() { return Ask("FLUSHALL"); }

absl::Status Quorate::AskAt(int i, const std::string& request) {
  absl::StatusOr<std::string> reply = AskResp(plain_port(i), request);
  if (!reply.ok()) return reply.status();
  return reply->starts_with('-') ? absl::InternalError(*reply)
                                 : absl::OkStatus();
}

Usage Quorate::ReadUsage() {
  Usage usage = {.processor_ns = 0, .syncs = 0};
  for (int i = 0; i < kServers; ++i) {
    const absl::StatusOr<double> syncs =
        Metric(i, "quorate_log_durable_writes_total", /*label=*/"");
    usage.syncs = !syncs.ok() || usage.syncs < 0 ? -1 : usage.syncs + *syncs;
    usage.processor_ns += servers_[i]->ProcessorNanos();
  }
  return usage;
}

}  // namespace

int64_t LargestResidentBytes(absl::Span<const ServerProcess> servers) {
  int64_t largest = 0;
  for (const ServerProcess& server : servers) {
    largest = std::max(largest, server.ResidentBytes());
  }
  return largest;
}

std::unique_ptr<QuorateSystem> MakeQuorate(std::string program,
                                           QuorateOptions options) {
  return std::make_unique<Quorate>(std::move(program), std::move(options));
}

}  // namespace quorate::bench

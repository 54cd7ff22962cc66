// bench/quorate_system.cc: three quorated processes, one group with a replica
// on each.
#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
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
  explicit Quorate(std::string program) : program_(std::move(program)) {}

  std::string name() const override { return "quorate"; }
  std::string guarantees() const override {
    return "three copies, a write is acknowledged when two disks have synced "
           "it; linearizable reads and writes; any one node may be lost";
  }
  bool has_pipelining() const override { return true; }

  absl::Status Start(const ScratchFolder& folder) override;
  absl::StatusOr<Measurement> Run(const Workload& workload) override;
  Usage ReadUsage() override;
  int64_t ResidentBytes() override { return LargestResidentBytes(servers_); }
  absl::Status RemoveAllKeys() override;

 private:
  absl::Status StartServer(const ScratchFolder& folder, int index);
  // The load is sent to the leader, as a cluster client would do.
  absl::StatusOr<uint16_t> FindLeader();
  uint16_t plain_port(int i) const { return ports_[3 * kServers + i]; }
  uint16_t cluster_port(int i) const { return ports_[i]; }
  uint16_t http_port(int i) const { return ports_[kServers + i]; }
  uint16_t peer_port(int i) const { return ports_[2 * kServers + i]; }

  const std::string program_;
  std::vector<uint16_t> ports_;
  std::vector<ServerProcess> servers_;
};

absl::Status Quorate::StartServer(const ScratchFolder& folder, int index) {
  const std::string home = folder.Sub(absl::StrCat("quorate", index + 1));
  const std::string file = absl::StrCat(home, "/config.toml");
  std::ofstream config(file);
  config << "[cluster]\nid = 1\n\n[node]\nid = " << index + 1
         << "\ndata_dir = \"" << home << "/data\"\n\n[sharding]\ngroups = 1\n";
  for (int i = 0; i < kServers; ++i) {
    config << "\n[[nodes]]\nid = " << i + 1
           << "\nresp = \"127.0.0.1:" << plain_port(i)
           << "\"\nresp_cluster = \"127.0.0.1:" << cluster_port(i)
           << "\"\nhttp = \"127.0.0.1:" << http_port(i)
           << "\"\npeer = \"127.0.0.1:" << peer_port(i) << "\"\n";
  }
  config.close();
  absl::StatusOr<ServerProcess> server = ServerProcess::Start(
      {program_, "--config", file, "--bootstrap", "--exit-with-parent"},
      absl::StrCat(home, "/log"));
  if (!server.ok()) return server.status();
  servers_.push_back(*std::move(server));
  return absl::OkStatus();
}

absl::Status Quorate::Start(const ScratchFolder& folder) {
  ports_ = FreePorts(4 * kServers);
  for (int i = 0; i < kServers; ++i) {
    if (absl::Status s = StartServer(folder, i); !s.ok()) return s;
  }
  const int64_t deadline_ns = MonotonicNanos() + 20'000'000'000;
  while (MonotonicNanos() < deadline_ns && !Interrupted()) {
    if (FindLeader().ok()) return absl::OkStatus();
    for (ServerProcess& server : servers_) {
      if (!server.Running()) {
        return absl::UnavailableError(
            absl::StrCat("quorated ended:\n", server.LogTail()));
      }
    }
  }
  return absl::UnavailableError(
      absl::StrCat("quorated has no leader:\n", servers_[0].LogTail()));
}

absl::StatusOr<uint16_t> Quorate::FindLeader() {
  for (int i = 0; i < kServers; ++i) {
    absl::StatusOr<std::string> reply =
        AskResp(cluster_port(i), "SET bench:leader ?");
    // Other nodes answer MOVED, or CLUSTERDOWN while there is no leader.
    if (reply.ok() && *reply == "OK") return cluster_port(i);
  }
  return absl::UnavailableError("quorated has no leader");
}

absl::StatusOr<Measurement> Quorate::Run(const Workload& workload) {
  absl::StatusOr<uint16_t> leader = FindLeader();
  if (!leader.ok()) return leader.status();
  return RunRespLoad(*leader, workload);
}

absl::Status Quorate::RemoveAllKeys() {
  absl::StatusOr<std::string> reply = AskResp(plain_port(0), "FLUSHALL");
  if (!reply.ok()) return reply.status();
  return *reply == "OK" ? absl::OkStatus() : absl::InternalError(*reply);
}

Usage Quorate::ReadUsage() {
  Usage usage = {.processor_ns = 0, .syncs = 0};
  for (int i = 0; i < kServers; ++i) {
    absl::StatusOr<std::string> page = HttpGet(http_port(i), "/metrics");
    const double syncs =
        page.ok() ? PrometheusSum(*page, "quorate_log_durable_writes_total")
                  : -1;
    usage.syncs = syncs < 0 || usage.syncs < 0 ? -1 : usage.syncs + syncs;
    usage.processor_ns += servers_[i].ProcessorNanos();
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

std::unique_ptr<QuorateSystem> MakeQuorate(std::string program) {
  return std::make_unique<Quorate>(std::move(program));
}

}  // namespace quorate::bench

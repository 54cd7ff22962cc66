// bench/etcd_system.cc: three etcd servers, the best known replicated store.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/etcd_load.h"
#include "bench/system.h"

namespace quorate::bench {
namespace {

constexpr int kServers = 3;
// 1 to 32 channels were measured: more than 8 make etcd no faster, fewer slow
// its reads down.
constexpr int kChannelsMax = 8;

class Etcd final : public System {
 public:
  std::string name() const override { return "etcd"; }
  std::string guarantees() const override {
    return "three copies, a write is acknowledged when two disks have synced "
           "it; linearizable reads and writes; any one node may be lost";
  }
  bool has_pipelining() const override { return false; }

  absl::Status Start(const ScratchFolder& folder) override;
  absl::StatusOr<Measurement> Run(const Workload& workload) override;
  Usage ReadUsage() override;
  int64_t ResidentBytes() override { return LargestResidentBytes(servers_); }

 private:
  // The load is sent to the leader, which spares etcd the forwarding.
  absl::StatusOr<uint16_t> FindLeader();

  std::vector<uint16_t> ports_;
  std::vector<ServerProcess> servers_;
  uint16_t leader_ = 0;
  int channel_count_ = 0;
  EtcdChannels channels_;
};

absl::Status Etcd::Start(const ScratchFolder& folder) {
  ports_ = FreePorts(2 * kServers);
  std::string cluster;
  for (int i = 0; i < kServers; ++i) {
    absl::StrAppend(&cluster, i == 0 ? "" : ",", "n", i,
                    "=http://127.0.0.1:", ports_[kServers + i]);
  }
  for (int i = 0; i < kServers; ++i) {
    const std::string home = folder.Sub(absl::StrCat("etcd", i));
    const std::string client = absl::StrCat("http://127.0.0.1:", ports_[i]);
    const std::string peer =
        absl::StrCat("http://127.0.0.1:", ports_[kServers + i]);
    absl::StatusOr<ServerProcess> server = ServerProcess::Start(
        {"etcd", "--name", absl::StrCat("n", i), "--data-dir",
         absl::StrCat(home, "/data"), "--listen-client-urls", client,
         "--advertise-client-urls", client, "--listen-peer-urls", peer,
         "--initial-advertise-peer-urls", peer, "--initial-cluster", cluster,
         "--initial-cluster-state", "new",
         // etcd keeps old versions of keys. A long run would exceed its default
         // quota of 2 GB.
         "--quota-backend-bytes", "8589934592", "--log-level", "error"},
        absl::StrCat(home, "/log"));
    if (!server.ok()) return server.status();
    servers_.push_back(*std::move(server));
  }
  const int64_t deadline_ns = MonotonicNanos() + 20'000'000'000;
  while (MonotonicNanos() < deadline_ns && !Interrupted()) {
    if (FindLeader().ok()) return absl::OkStatus();
  }
  return absl::UnavailableError(
      absl::StrCat("etcd has no leader:\n", servers_[0].LogTail()));
}

absl::StatusOr<uint16_t> Etcd::FindLeader() {
  for (int i = 0; i < kServers; ++i) {
    absl::StatusOr<std::string> page = HttpGet(ports_[i], "/metrics");
    if (!page.ok()) continue;
    if (PrometheusSum(*page, "etcd_server_is_leader").value_or(0) == 1) {
      return ports_[i];
    }
  }
  return absl::UnavailableError("etcd has no leader");
}

absl::StatusOr<Measurement> Etcd::Run(const Workload& workload) {
  absl::StatusOr<uint16_t> leader = FindLeader();
  if (!leader.ok()) return leader.status();
  const int count = std::min(workload.connections, kChannelsMax);
  if (*leader != leader_ || count != channel_count_) {
    leader_ = *leader;
    channel_count_ = count;
    channels_ = OpenEtcdChannels(leader_, count);
  }
  return RunEtcdLoad(channels_, workload);
}

Usage Etcd::ReadUsage() {
  Usage usage = {.processor_ns = 0, .syncs = 0};
  for (int i = 0; i < kServers; ++i) {
    absl::StatusOr<std::string> page = HttpGet(ports_[i], "/metrics");
    const double syncs =
        page.ok()
            ? PrometheusSum(*page, "etcd_disk_wal_fsync_duration_seconds_count")
                  .value_or(-1)
            : -1;
    usage.syncs = syncs < 0 || usage.syncs < 0 ? -1 : usage.syncs + syncs;
    usage.processor_ns += servers_[i].ProcessorNanos();
  }
  return usage;
}

}  // namespace

std::unique_ptr<System> MakeEtcd() { return std::make_unique<Etcd>(); }

}  // namespace quorate::bench

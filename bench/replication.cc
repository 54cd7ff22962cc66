// bench/replication.cc: the cost of an entry in consensus alone. Three nodes
// with raft::Host, real disks and sockets, a state machine that does nothing,
// and a fixed number of outstanding proposals of a fixed size. Protocol,
// routing and store of a server are not measured.
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bench/histogram.h"
#include "bench/processes.h"
#include "bench/workload.h"
#include "env/check.h"
#include "net/real_env.h"
#include "raft/host/host.h"

namespace quorate::bench {
namespace {

constexpr int kNodes = 3;
constexpr GroupId kGroup(1);

struct Options {
  size_t entry_bytes = 8192;
  int outstanding = 4;
  int seconds = 5;
  std::string data_dir;
};

class Sink final : public raft::StateMachine {
 public:
  Buffer Apply(const raft::Entry&, bool) override { return Buffer(); }
  std::unique_ptr<raft::SnapshotReader> TakeSnapshot() override {
    class Empty final : public raft::SnapshotReader {
      Buffer Next(size_t) override { return Buffer(); }
    };
    return std::make_unique<Empty>();
  }
  std::unique_ptr<raft::SnapshotWriter> BeginRestore(
      const raft::SnapshotDescriptor&) override {
    class Nothing final : public raft::SnapshotWriter {
      absl::Status Add(std::string_view) override { return absl::OkStatus(); }
      absl::Status Commit() override { return absl::OkStatus(); }
    };
    return std::make_unique<Nothing>();
  }
  uint64_t Digest() const override { return 0; }
};

// One node. It proposes while it leads, and prints its throughput once a
// second.
class Node {
 public:
  Node(net::RealEnv& real, const Options& options, raft::HostOptions host)
      : env_(real.env()),
        options_(options),
        id_(host.node),
        payload_(Buffer::Copy(std::string(options.entry_bytes, 'x'))),
        host_(
            env_, std::move(host),
            [](GroupId, const raft::Configuration&) {
              return std::make_unique<Sink>();
            },
            nullptr) {
    host_.Start([this](absl::Status started) {
      CHECK(started.ok()) << started.ToString();
      Tick();
    });
  }

 private:
  void Tick() {
    if (committed_.count() > 0) PrintSecond();
    while (outstanding_ < options_.outstanding && Propose()) {
    }
    timer_ = env_.loop.At(env_.loop.ReadClock().mono + Seconds(1),
                          [this] { Tick(); });
  }

  bool Propose() {
    const raft::Core* core = host_.core(kGroup);
    if (core == nullptr || core->role() != raft::RoleKind::kLeader) {
      return false;
    }
    ++outstanding_;
    const int64_t begin_ns = MonotonicNanos();
    host_.Propose(
        kGroup, payload_, [this, begin_ns](const raft::ProposeResult& result) {
          --outstanding_;
          if (result.outcome != Outcome::kDone) return;
          committed_.Add(static_cast<uint64_t>(MonotonicNanos() - begin_ns));
          next_ = env_.loop.Defer([this] {
            while (outstanding_ < options_.outstanding && Propose()) {
            }
          });
        });
    return true;
  }

  void PrintSecond() {
    const uint64_t writes = host_.stats().log.durable_writes;
    std::printf(
        "node %u: %llu entries/s, p50 %.0f us, p99 %.0f us, %.2f durable "
        "writes per entry on this node\n",
        id_.value(), static_cast<unsigned long long>(committed_.count()),
        static_cast<double>(committed_.Percentile(5'000)) / 1e3,
        static_cast<double>(committed_.Percentile(9'900)) / 1e3,
        static_cast<double>(writes - writes_) /
            static_cast<double>(committed_.count()));
    std::fflush(stdout);
    writes_ = writes;
    committed_ = Histogram();
  }

  env::Env& env_;
  const Options options_;
  const NodeId id_;
  const Buffer payload_;
  raft::Host host_;
  int outstanding_ = 0;
  uint64_t writes_ = 0;
  Histogram committed_;
  env::Pending timer_;
  env::Pending next_;
};

void RunNode(const Options& options, int index,
             const std::vector<uint16_t>& ports, const std::string& folder) {
  net::RealEnvOptions real_options;
  real_options.data_directory = folder;
  real_options.log_level = env::Severity::kWarning;
  auto real = net::RealEnv::Create(real_options);
  CHECK(real.ok()) << real.status().ToString();
  const auto address = [&](int i) {
    return "127.0.0.1:" + std::to_string(ports[static_cast<size_t>(i)]);
  };
  raft::HostOptions host;
  host.cluster = ClusterId(1);
  host.node = NodeId(static_cast<uint32_t>(index) + 1);
  host.listen_address = address(index);
  host.bootstrap = true;
  raft::GroupPlan group{.group = kGroup};
  for (int i = 0; i < kNodes; ++i) {
    const NodeId node(static_cast<uint32_t>(i) + 1);
    group.voters.push_back(node);
    if (i != index) host.peers.push_back({node, address(i)});
  }
  host.plan.groups.push_back(group);
  Node node(**real, options, std::move(host));
  (*real)->loop().Run();
}

int Run(const Options& options) {
  absl::StatusOr<ScratchFolder> folder =
      ScratchFolder::Create(options.data_dir);
  if (!folder.ok()) {
    std::fprintf(stderr, "%s\n", folder.status().ToString().c_str());
    return 1;
  }
  const std::vector<uint16_t> ports = FreePorts(kNodes);
  std::vector<pid_t> children;
  for (int i = 0; i < kNodes; ++i) {
    const pid_t pid = fork();
    if (pid == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      RunNode(options, i, ports, folder->Sub(std::to_string(i)));
      _exit(0);
    }
    children.push_back(pid);
  }
  sleep(static_cast<unsigned>(options.seconds));
  for (const pid_t pid : children) {
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
  }
  return 0;
}

}  // namespace
}  // namespace quorate::bench

int main(int argc, char** argv) {
  quorate::bench::Options options;
  const char* home = std::getenv("HOME");
  options.data_dir =
      std::string(home == nullptr ? "/tmp" : home) + "/.cache/quorate-bench";
  CLI::App app{
      "Measures the cost of an entry in consensus alone, on three nodes."};
  app.add_option("--entry-bytes", options.entry_bytes)->capture_default_str();
  app.add_option("--outstanding", options.outstanding)->capture_default_str();
  app.add_option("--seconds", options.seconds)->capture_default_str();
  app.add_option("--data-dir", options.data_dir)->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  return quorate::bench::Run(options);
}

// bench/members.cc: what clients notice while members of a cluster change, and
// how long the changes take. Real processes on loopback.
//
//   ./bazelw run -c opt //bench:members -- --json FILE
//   ./bazelw run -c opt //bench:members -- --only idle
#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <future>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "bench/figures.h"
#include "bench/live/cluster.h"
#include "bench/processes.h"
#include "bench/resp_load.h"
#include "bench/workload.h"
#include "net/tools/member_verbs.h"

namespace quorate::bench {
namespace {

using Json = nlohmann::json;
using Figures = std::vector<Figure>;

constexpr int kClients = 50;
constexpr int kGroups = 4;
constexpr size_t kValueBytes = 1024;
constexpr int64_t kSecond = 1'000'000'000;

struct Options {
  uint64_t mebibytes = 1024;
  int idle_groups = 1000;
  int created_groups = 200;
  // That of the load; zero: half of what the cluster takes.
  double requests_per_second = 0;
  std::vector<std::string> only = {};
  std::string json = {};
};

Workload SetsOf(const Options& options) {
  return {.value_bytes = kValueBytes,
          .connections = kClients,
          .measure_ns = 3600 * kSecond,
          .keys = options.mebibytes << 10};
}

// A load at half the cluster's throughput while something changes.
struct Watched {
  Measurement load;
  double seconds = 0;
  // Processors that the servers and the load had, in the mean.
  double server_cores = 0;
  double load_cores = 0;
};

// The processor time of the servers and of this program.
struct ProcessorTime {
  int64_t servers_ns = 0;
  int64_t load_ns = 0;
};
ProcessorTime ProcessorTimeOf(const LiveCluster& cluster) {
  return {cluster.ProcessorNanos(), OwnProcessorNanos()};
}

template <typename Change>
absl::StatusOr<Watched> Watch(LiveCluster& cluster, Workload load,
                              Change change) {
  std::atomic<bool> stop = false;
  load.stop = &stop;
  auto loaded = std::async(std::launch::async, [&] {
    return RunRespLoad(cluster.plain_port(2), load);
  });
  const int64_t begin_ns = MonotonicNanos();
  const ProcessorTime before = ProcessorTimeOf(cluster);
  const absl::Status changed = change();
  const double seconds = SecondsSince(begin_ns);
  const ProcessorTime after = ProcessorTimeOf(cluster);
  stop = true;
  absl::StatusOr<Measurement> measured = loaded.get();
  if (!changed.ok()) return changed;
  if (!measured.ok()) return measured.status();
  if (measured->errors > 0) {
    std::printf("first error: %s\n", measured->first_error.c_str());
  }
  const auto cores = [seconds](int64_t from_ns, int64_t to_ns) {
    return static_cast<double>(to_ns - from_ns) / 1e9 / seconds;
  };
  return Watched{*std::move(measured), seconds,
                 cores(before.servers_ns, after.servers_ns),
                 cores(before.load_ns, after.load_ns)};
}

// The waits of clients. A stall has one slow second, a long misery many.
Figures NoticedBy(const std::string& change, const Watched& watched) {
  const std::vector<double> seconds = watched.load.p99_of_seconds_ms();
  std::printf("%s, p99 by second in ms:", change.c_str());
  for (const double ms : seconds) std::printf(" %.0f", ms);
  std::printf("\n");
  Figures figures = {{change + "_p99_ms", watched.load.p99_ms(), "ms"},
                     {change + "_failed_requests",
                      static_cast<double>(watched.load.errors), "1"},
                     {change + "_seconds", watched.seconds, "s"},
                     {change + "_server_cores", watched.server_cores, "1"},
                     {change + "_load_cores", watched.load_cores, "1"}};
  if (!seconds.empty()) {
    figures.push_back({change + "_p99_of_worst_second_ms",
                       *std::ranges::max_element(seconds), "ms"});
  }
  return figures;
}

// Seconds from the start of a router's process to its first answer.
absl::StatusOr<double> JoinSeconds(LiveCluster& cluster) {
  const auto added = JsonOf(net::AddNode(cluster.Verb(), {.role = "router"}));
  if (!added.ok()) return added.status();
  const int64_t begin_ns = MonotonicNanos();
  absl::Status status = cluster.Join(*added);
  if (status.ok()) status = cluster.AwaitAnswer((*added)["id"]);
  if (!status.ok()) return status;
  return SecondsSince(begin_ns);
}

// The disk of a node that has ended is lost.
absl::StatusOr<Watched> Replace(LiveCluster& cluster, const Workload& load,
                                int node) {
  std::filesystem::remove_all(cluster.DataFolder(node));
  return Watch(cluster, load, [&] {
    const auto token = JsonOf(net::ReplaceNode(
        cluster.Verb(), static_cast<uint32_t>(node), /*even_if_up=*/true));
    if (!token.ok()) return token.status();
    absl::Status joined = cluster.Join(*token);
    if (joined.ok()) joined = cluster.AwaitAnswer(node);
    return joined.ok() ? cluster.AwaitSettled() : joined;
  });
}

// Another data node takes the replicas of node 1.
absl::StatusOr<Watched> Drain(LiveCluster& cluster, const Workload& load) {
  const auto added = JsonOf(net::AddNode(cluster.Verb(), {}));
  if (!added.ok()) return added.status();
  absl::Status status = cluster.Join(*added);
  if (status.ok()) status = cluster.AwaitAnswer((*added)["id"]);
  if (status.ok()) status = cluster.AwaitSettled();
  if (!status.ok()) return status;
  return Watch(cluster, load, [&] {
    return JsonOf(net::ChangeNode(cluster.Verb(), "drain", 1)).status();
  });
}

// The load itself makes the nodes write snapshots.
absl::StatusOr<Watched> Snapshots(LiveCluster& cluster, const Workload& load) {
  constexpr double kTaken = 6;
  const auto before = cluster.SnapshotsTaken();
  if (!before.ok()) return before.status();
  return Watch(cluster, load, [&] {
    const int64_t begin_ns = MonotonicNanos();
    while (SecondsSince(begin_ns) < 120 && !Interrupted()) {
      const auto taken = cluster.SnapshotsTaken();
      if (!taken.ok()) return taken.status();
      if (*taken - *before >= kTaken) return absl::OkStatus();
      std::this_thread::sleep_for(std::chrono::milliseconds(500));
    }
    return absl::DeadlineExceededError("the nodes take no snapshots");
  });
}

// A third of the slots goes to the last group.
absl::StatusOr<Watched> Move(LiveCluster& cluster, const Workload& load) {
  return Watch(cluster, load, [&] {
    return JsonOf(net::MoveSlots(cluster.Verb(),
                                 {.to = kGroups, .slots = "0-5460"}))
        .status();
  });
}

absl::StatusOr<Figures> ChangesUnderLoad(const Options& options) {
  auto started = LiveCluster::Start(kGroups);
  if (!started.ok()) return started.status();
  LiveCluster& cluster = **started;
  Workload load = SetsOf(options);
  load.pipeline = 16;
  load.fill = true;
  const auto filled = RunRespLoad(cluster.plain_port(2), load);
  if (!filled.ok()) return filled.status();
  const absl::Status quiet = cluster.AwaitSnapshots();
  if (!quiet.ok()) return quiet;
  load = SetsOf(options);
  load.measure_ns = 10 * kSecond;
  const auto full = RunRespLoad(cluster.plain_port(2), load);
  if (!full.ok()) return full.status();
  load.requests_per_second = options.requests_per_second > 0
                                 ? options.requests_per_second
                                 : full->ops_per_second() / 2;
  load.measure_ns = 3600 * kSecond;
  // The snapshots of what was written until now.
  const absl::Status calm = cluster.AwaitSnapshots();
  if (!calm.ok()) return calm;
  const auto sleep = [](int seconds) {
    std::this_thread::sleep_for(std::chrono::seconds(seconds));
    return absl::OkStatus();
  };
  const auto quiet_load = Watch(cluster, load, [&] { return sleep(10); });
  if (!quiet_load.ok()) return quiet_load.status();

  const auto snapshots = Snapshots(cluster, load);
  if (!snapshots.ok()) return snapshots.status();
  const auto moved = Move(cluster, load);
  if (!moved.ok()) return moved.status();
  const auto join_seconds = JoinSeconds(cluster);
  if (!join_seconds.ok()) return join_seconds.status();
  // The end of the node is not part of its rebuilding.
  const auto killed = Watch(cluster, load, [&] {
    cluster.Kill(3);
    return sleep(3);
  });
  if (!killed.ok()) return killed.status();
  const auto replaced = Replace(cluster, load, 3);
  if (!replaced.ok()) return replaced.status();
  const auto copied = CopySeconds(cluster.folder(), options.mebibytes << 20);
  if (!copied.ok()) return copied.status();
  const auto drained = Drain(cluster, load);
  if (!drained.ok()) return drained.status();

  Figures figures = {{"set_per_second", full->ops_per_second(), "1/s"},
                     {"join_seconds", *join_seconds, "s"}};
  const auto add = [&figures](const Figures& further) {
    figures.insert(figures.end(), further.begin(), further.end());
  };
  add(NoticedBy("quiet", *quiet_load));
  add(NoticedBy("snapshots", *snapshots));
  add(NoticedBy("move", *moved));
  add(NoticedBy("kill", *killed));
  add(NoticedBy("replace", *replaced));
  add(NoticedBy("drain", *drained));
  const auto mebibytes = static_cast<double>(options.mebibytes);
  const double rate = mebibytes / replaced->seconds;
  const double copy_rate = mebibytes / *copied;
  const double quiet_ms = quiet_load->load.p99_ms();
  add({{"replace_p99_ratio", replaced->load.p99_ms() / quiet_ms, "1"},
       {"drain_p99_ratio", drained->load.p99_ms() / quiet_ms, "1"},
       {"replace_mib_per_second", rate, "MiB/s"},
       {"copy_mib_per_second", copy_rate, "MiB/s"},
       {"replace_share_of_copy", rate / copy_rate, "1"}});
  return figures;
}

absl::StatusOr<Figures> Idle(const Options& options) {
  auto started = LiveCluster::Start(options.idle_groups);
  if (!started.ok()) return started.status();
  LiveCluster& cluster = **started;
  std::this_thread::sleep_for(std::chrono::seconds(30));
  std::vector<int64_t> before;
  for (int node = 1; node <= LiveCluster::kFounders; ++node) {
    before.push_back(cluster.server(node).ProcessorNanos());
  }
  const int64_t begin_ns = MonotonicNanos();
  std::this_thread::sleep_for(std::chrono::seconds(30));
  double most = 0;
  for (int node = 1; node <= LiveCluster::kFounders; ++node) {
    const auto used = static_cast<double>(
        cluster.server(node).ProcessorNanos() - before[node - 1]);
    most = std::max(most, used / 1e9 / SecondsSince(begin_ns) * 100);
  }
  return Figures{{"idle_node_cpu_percent", most, "%"}};
}

absl::StatusOr<Figures> CreateGroups(const Options& options) {
  auto started = LiveCluster::Start(1);
  if (!started.ok()) return started.status();
  const int64_t begin_ns = MonotonicNanos();
  const auto created = JsonOf(net::CreateGroups(
      (*started)->Verb(), static_cast<uint32_t>(options.created_groups)));
  if (!created.ok()) return created.status();
  return Figures{{"group_create_per_second",
                  options.created_groups / SecondsSince(begin_ns), "1/s"}};
}

struct Part {
  std::string name;
  absl::StatusOr<Figures> (*measure)(const Options&);
};

std::vector<Part> Parts() {
  return {
      {"changes", ChangesUnderLoad}, {"idle", Idle}, {"create", CreateGroups}};
}

int Main(const Options& options) {
  CatchInterrupts();
  Figures figures;
  for (const Part& part : Parts()) {
    if (!options.only.empty() &&
        std::find(options.only.begin(), options.only.end(), part.name) ==
            options.only.end()) {
      continue;
    }
    std::printf("%s …\n", part.name.c_str());
    std::fflush(stdout);
    const absl::StatusOr<Figures> measured = part.measure(options);
    if (!measured.ok()) {
      std::fprintf(stderr, "%s: %s\n", part.name.c_str(),
                   measured.status().ToString().c_str());
      return 1;
    }
    std::fputs(FiguresText(*measured).c_str(), stdout);
    std::fflush(stdout);
    figures.insert(figures.end(), measured->begin(), measured->end());
  }
  return WriteFiguresJson(options.json, figures) ? 0 : 1;
}

}  // namespace
}  // namespace quorate::bench

int main(int argc, char** argv) {
  CLI::App app("Measures changes of members under load");
  quorate::bench::Options options;
  std::vector<std::string> names;
  for (const auto& part : quorate::bench::Parts()) names.push_back(part.name);
  app.add_option("--mebibytes", options.mebibytes, "Size of the values")
      ->check(CLI::Range(1, 1 << 14))
      ->capture_default_str();
  app.add_option("--idle-groups", options.idle_groups, "Groups at rest")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--created-groups", options.created_groups,
                 "Groups created at once")
      ->check(CLI::Range(1, 5000))
      ->capture_default_str();
  app.add_option("--rate", options.requests_per_second,
                 "Requests a second (default: half of what the cluster takes)")
      ->check(CLI::Range(1, 1'000'000));
  app.add_option("--only", options.only, "Measure only these parts")
      ->check(CLI::IsMember(names));
  app.add_option("--json", options.json, "Write the results to this file");
  CLI11_PARSE(app, argc, argv);
  return quorate::bench::Main(options);
}

#include "bench/process_figures.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <future>
#include <limits>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "bench/processes.h"
#include "bench/snapshot_files.h"
#include "bench/system.h"
#include "bench/workload.h"
#include "kv/slots/slot.h"

namespace quorate::bench {
namespace {

constexpr std::chrono::seconds kRest{60};
constexpr int kGroups = 10;
constexpr int kServers = 3;
constexpr int kRestarted = 2;  // One of them.
constexpr int kRounds = 5;
constexpr int kGapRounds = 10;  // Of each kind.
constexpr uint64_t kSnapshotBytes = uint64_t{1} << 30;
constexpr size_t kSnapshotValueBytes = 1024;
constexpr double kInflightBytes = 8 << 20;  // CoreOptions::inflight_bytes_max
constexpr int64_t kSnapshotLoadNs = 40'000'000'000;
constexpr double kCaughtUpEntries = 100;
constexpr double kBudgetShare = 1.3;
constexpr double kBudgetBytes = 512 << 20;
constexpr const char* kNoSnapshots =
    "[snapshot]\nthreshold_bytes = 0\nlog_bytes = 0\n";

// Runs the load. An error reply is an error.
absl::StatusOr<Measurement> Load(System* system, const Workload& workload) {
  absl::StatusOr<Measurement> done = system->Run(workload);
  if (!done.ok() || done->errors == 0) return done;
  return absl::InternalError(absl::StrCat(system->name(), ": ", done->errors,
                                          " errors: ", done->first_error));
}

absl::Status Fill(System* system, uint64_t keys, size_t value_bytes) {
  return Load(system, {.value_bytes = value_bytes,
                       .connections = 50,
                       .pipeline = 16,
                       .keys = keys,
                       .fill = true})
      .status();
}

// A running cluster and its files.
struct Cluster {
  ScratchFolder folder;
  std::unique_ptr<QuorateSystem> quorate;  // Destroyed before `folder`.
};

absl::StatusOr<Cluster> StartCluster(QuorateOptions options = {}) {
  absl::StatusOr<ScratchFolder> folder =
      ScratchFolder::Create(DefaultDataFolder());
  if (!folder.ok()) return folder.status();
  Cluster cluster = {
      *std::move(folder),
      MakeQuorate(FindProgram("net/cmd/quorated"), std::move(options))};
  const absl::Status started = cluster.quorate->Start(cluster.folder);
  if (!started.ok()) return started;
  return cluster;
}

absl::StatusOr<Cluster> StartFilled(QuorateOptions options, uint64_t keys,
                                    size_t value_bytes) {
  absl::StatusOr<Cluster> cluster = StartCluster(std::move(options));
  if (!cluster.ok()) return cluster;
  const absl::Status filled = Fill(cluster->quorate.get(), keys, value_bytes);
  if (!filled.ok()) return filled;
  return cluster;
}

// The bytes that each node counts for its keys and values.
absl::StatusOr<std::vector<double>> CountedBytes(QuorateSystem* quorate) {
  std::vector<double> counted;
  for (int i = 0; i < kServers; ++i) {
    const absl::StatusOr<double> bytes =
        quorate->Metric(i, "quorate_memory_bytes");
    if (!bytes.ok()) return bytes.status();
    counted.push_back(*bytes);
  }
  return counted;
}

// The figures that every part has: the most of all clusters that are added.
class Bounds {
 public:
  // `counted`: the most that each node counted.
  absl::Status AddAll(QuorateSystem* quorate,
                      const std::vector<double>& counted) {
    for (int i = 0; i < kServers; ++i) {
      const auto peak =
          static_cast<double>(quorate->server(i).PeakResidentBytes());
      over_budget_ = std::max(
          over_budget_, peak / (kBudgetShare * counted[i] + kBudgetBytes));
      const absl::StatusOr<double> turn =
          quorate->Metric(i, "quorate_longest_turn_seconds");
      if (!turn.ok()) return turn.status();
      longest_turn_ = std::max(longest_turn_, *turn);
    }
    return absl::OkStatus();
  }
  // With what the nodes count now.
  absl::Status AddAll(QuorateSystem* quorate) {
    const absl::StatusOr<std::vector<double>> counted = CountedBytes(quorate);
    return counted.ok() ? AddAll(quorate, *counted) : counted.status();
  }

  // The figures of a part, then these.
  std::vector<Figure> Behind(std::vector<Figure> figures) const {
    figures.push_back({std::string(kOverBudget), over_budget_, "1"});
    figures.push_back({std::string(kLongestTurn), longest_turn_ * 1e3, "ms"});
    return figures;
  }

 private:
  double over_budget_ = 0;
  double longest_turn_ = 0;  // In seconds.
};

// The figures of a part, then those that every part has.
absl::StatusOr<std::vector<Figure>> WithBounds(std::vector<Figure> figures,
                                               QuorateSystem* quorate,
                                               Bounds bounds = {}) {
  if (absl::Status s = bounds.AddAll(quorate); !s.ok()) return s;
  return bounds.Behind(std::move(figures));
}

absl::Status AwaitNoSnapshots(QuorateSystem* quorate) {
  const int64_t deadline_ns = MonotonicNanos() + 300'000'000'000;
  while (MonotonicNanos() < deadline_ns && !Interrupted()) {
    bool none = true;
    for (int i = 0; i < kServers; ++i) {
      none &= !ReadSnapshotFiles(quorate->DataFolder(i)).writing;
    }
    if (none) return absl::OkStatus();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return absl::DeadlineExceededError("a snapshot takes more than 300 s");
}

struct SnapshotsWritten {
  double seconds = 0;  // The longest time.
  double bytes = 0;    // The size of the smallest.
};

// Returns once each node has completed a snapshot that it began meanwhile.
absl::StatusOr<SnapshotsWritten> TimeSnapshots(QuorateSystem* quorate) {
  std::vector<SnapshotTimer> timers;
  for (int i = 0; i < kServers; ++i) {
    timers.emplace_back(quorate->DataFolder(i));
  }
  const int64_t deadline_ns = MonotonicNanos() + 300'000'000'000;
  for (bool all = false; !all;) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const int64_t now_ns = MonotonicNanos();
    if (now_ns > deadline_ns || Interrupted()) {
      return absl::DeadlineExceededError("a snapshot takes more than 300 s");
    }
    all = true;
    for (SnapshotTimer& timer : timers) all = timer.Look(now_ns) && all;
  }
  SnapshotsWritten written = {.bytes = static_cast<double>(timers[0].bytes())};
  for (const SnapshotTimer& timer : timers) {
    written.seconds =
        std::max(written.seconds, static_cast<double>(timer.took_ns()) / 1e9);
    written.bytes = std::min(written.bytes, static_cast<double>(timer.bytes()));
  }
  return written;
}

// Requests that take much work, and pipelines that are deep.
absl::Status AskLongQuestions(QuorateSystem* quorate, uint64_t keys) {
  std::vector<std::string> questions = {"KEYS *nothing*", "DBSIZE",
                                        "SCAN 0 COUNT 10000 MATCH *nothing*"};
  // Keys of one slot.
  std::string all = "MGET";
  for (int part = 0; part < 4; ++part) {
    questions.push_back("MSET");
    for (int i = 0; i < 1'000; ++i) {
      const std::string key = absl::StrCat("{many}", part, ":", i);
      absl::StrAppend(&questions.back(), " ", key, " ", std::string(100, 'v'));
      absl::StrAppend(&all, " ", key);
    }
  }
  questions.push_back(all);
  questions.push_back("EXISTS");
  for (int i = 0; i < 36'000; ++i) {
    absl::StrAppend(&questions.back(), " {m}", i);
  }
  for (const std::string& question : questions) {
    if (absl::Status s = quorate->Ask(question); !s.ok()) return s;
  }
  for (const Workload::Op op : {Workload::Op::kGet, Workload::Op::kSet}) {
    const absl::Status done = Load(quorate, {.op = op,
                                             .value_bytes = 100,
                                             .connections = 50,
                                             .pipeline = 2'000,
                                             .measure_ns = 5'000'000'000,
                                             .keys = keys})
                                  .status();
    if (!done.ok()) return done;
  }
  return absl::OkStatus();
}

// A cluster with kSnapshotBytes of keys and values that writes no snapshot at
// the moment.
absl::StatusOr<Cluster> StartForSnapshots(const char* settings) {
  absl::StatusOr<Cluster> cluster = StartFilled(
      {.settings = settings},
      kSnapshotBytes / (kSnapshotValueBytes + kKeyBytes), kSnapshotValueBytes);
  if (!cluster.ok()) return cluster;
  const absl::Status done = AwaitNoSnapshots(cluster->quorate.get());
  if (!done.ok()) return done;
  return cluster;
}

double P999Micros(const Measurement& measurement) {
  return static_cast<double>(measurement.latency_ns.Percentile(9'990)) / 1e3;
}

std::string ValueOf(const std::string& key) { return "value-of-" + key; }

// A key of each group. Groups have equal ranges of slots.
std::vector<std::string> KeyOfEachGroup() {
  std::set<uint32_t> groups;
  std::vector<std::string> keys;
  for (int i = 0; keys.size() < kGroups; ++i) {
    std::string key = absl::StrCat("restart:", i);
    const uint32_t slot = kv::HashSlot(key).value();
    if (groups.insert(slot * kGroups / kHashSlotCount).second) {
      keys.push_back(std::move(key));
    }
  }
  return keys;
}

struct Gap {
  double ms = 0;   // The longest time of a write, with all its attempts.
  int errors = 0;  // The attempts that failed.
};

// Writes through the server until `end` is true.
Gap WriteUntil(const std::atomic<bool>& end, QuorateSystem* quorate,
               int server) {
  Gap gap;
  for (int key = 0; !end && !Interrupted(); ++key) {
    const std::string request = absl::StrCat("SET gap:", key % 100, " ", key);
    const int64_t begin_ns = MonotonicNanos();
    while (!quorate->AskAt(server, request).ok() && !Interrupted()) {
      ++gap.errors;
    }
    const auto took = static_cast<double>(MonotonicNanos() - begin_ns);
    gap.ms = std::max(gap.ms, took / 1e6);
  }
  return gap;
}

// Ends the leader while a follower takes writes, and starts it again. Returns
// once it has the newest write.
absl::StatusOr<Gap> GapOf(QuorateSystem* quorate, int leader, bool stop) {
  const int follower = (leader + 1) % kServers;
  std::atomic<bool> end = false;
  auto written = std::async(std::launch::async,
                            [&] { return WriteUntil(end, quorate, follower); });
  std::this_thread::sleep_for(std::chrono::seconds(1));
  stop ? quorate->Stop(leader) : quorate->Kill(leader);
  std::this_thread::sleep_for(std::chrono::seconds(2));
  absl::Status status = quorate->StartAgain(leader);
  std::this_thread::sleep_for(std::chrono::seconds(1));
  end = true;
  Gap gap = written.get();
  status.Update(quorate->AskAt(follower, "SET gap:end 1"));
  if (!status.ok()) return status;
  status.Update(quorate->AwaitRead(leader, "gap:end", "1"));
  if (!status.ok()) return status;
  return gap;
}

}  // namespace

absl::StatusOr<std::vector<Figure>> ProcessMemoryFigures(uint64_t keys) {
  const absl::StatusOr<Cluster> cluster =
      StartFilled(/*options=*/{}, keys, /*value_bytes=*/100);
  if (!cluster.ok()) return cluster.status();
  QuorateSystem* const quorate = cluster->quorate.get();
  // It rests while Redis is filled and rests.
  const std::unique_ptr<System> redis = MakeRedis();
  absl::Status with_redis = redis->Start(cluster->folder);
  if (with_redis.ok()) with_redis = Fill(redis.get(), keys, 100);
  if (!with_redis.ok() && !absl::IsNotFound(with_redis)) return with_redis;
  std::this_thread::sleep_for(kRest);
  const auto resident = static_cast<double>(quorate->ResidentBytes());
  std::vector<Figure> figures = {{"rss_quorate_bytes", resident, "B"}};
  if (with_redis.ok()) {
    const auto of_redis = static_cast<double>(redis->ResidentBytes());
    figures.push_back({"rss_redis_bytes", of_redis, "B"});
    figures.push_back({"rss_ratio_to_redis", resident / of_redis, "1"});
  }
  if (absl::Status s = AskLongQuestions(quorate, keys); !s.ok()) return s;
  const absl::StatusOr<std::vector<double>> counted = CountedBytes(quorate);
  if (!counted.ok()) return counted.status();
  if (absl::Status s = quorate->RemoveAllKeys(); !s.ok()) return s;
  std::this_thread::sleep_for(kRest);
  figures.push_back({"rss_after_flushall_bytes",
                     static_cast<double>(quorate->ResidentBytes()), "B"});
  Bounds bounds;
  if (absl::Status s = bounds.AddAll(quorate, *counted); !s.ok()) return s;
  return bounds.Behind(std::move(figures));
}

absl::StatusOr<std::vector<Figure>> RestartTimeFigures(uint64_t keys) {
  const absl::StatusOr<Cluster> cluster =
      StartCluster({.groups = kGroups, .settings = kNoSnapshots});
  if (!cluster.ok()) return cluster.status();
  QuorateSystem* const quorate = cluster->quorate.get();
  const auto await_groups = [&](int server) {
    absl::Status status;
    for (const std::string& key : KeyOfEachGroup()) {
      status.Update(quorate->AwaitRead(server, key, ValueOf(key)));
    }
    return status;
  };
  for (const std::string& key : KeyOfEachGroup()) {
    if (absl::Status s =
            quorate->Ask(absl::StrCat("SET ", key, " ", ValueOf(key)));
        !s.ok()) {
      return s;
    }
  }
  if (absl::Status s = await_groups(0); !s.ok()) return s;
  // The entries of a million keys have a little less than 1 GiB.
  if (absl::Status s = Fill(quorate, keys + keys / 20, 1024); !s.ok()) return s;
  // The peak of a process ends with it.
  Bounds bounds;
  if (absl::Status s = bounds.AddAll(quorate); !s.ok()) return s;
  quorate->Stop(kRestarted);
  const int64_t begin_ns = MonotonicNanos();
  if (absl::Status s = quorate->StartAgain(kRestarted); !s.ok()) return s;
  if (absl::Status s = await_groups(kRestarted); !s.ok()) return s;
  const auto took = static_cast<double>(MonotonicNanos() - begin_ns);
  const absl::StatusOr<double> log =
      quorate->Metric(kRestarted, "quorate_log_entries_bytes");
  if (!log.ok()) return log.status();
  if (keys >= 1'000'000 && *log < double{1 << 30}) {
    return absl::InternalError(
        absl::StrCat("the log has only ", *log, " bytes"));
  }
  return WithBounds(
      {{"restart_seconds", took / 1e9, "s"}, {"restart_log_bytes", *log, "B"}},
      quorate, bounds);
}

absl::StatusOr<std::vector<Figure>> SnapshotFigures() {
  const absl::StatusOr<Cluster> without = StartForSnapshots(kNoSnapshots);
  if (!without.ok()) return without.status();
  // Each megabyte of entries makes the next snapshot due.
  const absl::StatusOr<Cluster> with =
      StartForSnapshots("[snapshot]\nthreshold_bytes = 1048576\n");
  if (!with.ok()) return with.status();
  const Workload load{.connections = 50,
                      .warmup_ns = 1'000'000'000,
                      .measure_ns = kSnapshotLoadNs};
  std::vector<double> p999;
  std::vector<double> p999_with;
  double longest = 0;
  double smallest = std::numeric_limits<double>::infinity();
  for (int round = 0; round < kRounds; ++round) {
    const absl::StatusOr<Measurement> quiet =
        Load(without->quorate.get(), load);
    if (!quiet.ok()) return quiet.status();
    p999.push_back(P999Micros(*quiet));
    auto loaded = std::async(std::launch::async,
                             [&] { return Load(with->quorate.get(), load); });
    const absl::StatusOr<SnapshotsWritten> written =
        TimeSnapshots(with->quorate.get());
    const absl::StatusOr<Measurement> busy = loaded.get();
    if (!busy.ok()) return busy.status();
    if (!written.ok()) return written.status();
    p999_with.push_back(P999Micros(*busy));
    longest = std::max(longest, written->seconds);
    smallest = std::min(smallest, written->bytes);
    const absl::Status done = AwaitNoSnapshots(with->quorate.get());
    if (!done.ok()) return done;
  }
  const double median = MedianOf(p999);
  const double median_with = MedianOf(p999_with);
  if (smallest < static_cast<double>(kSnapshotBytes)) {
    return absl::InternalError(
        absl::StrCat("a snapshot has only ", smallest, " bytes"));
  }
  Bounds bounds;
  if (absl::Status s = bounds.AddAll(without->quorate.get()); !s.ok()) return s;
  return WithBounds({{"snapshot_p999_ratio", median_with / median, "1"},
                     {"set_p999_us", median, "us"},
                     {"set_p999_with_snapshots_us", median_with, "us"},
                     {"snapshot_seconds", longest, "s"},
                     {"snapshot_bytes", smallest, "B"}},
                    with->quorate.get(), bounds);
}

absl::StatusOr<std::vector<Figure>> StalledFollowerFigures() {
  const absl::StatusOr<Cluster> cluster = StartCluster();
  if (!cluster.ok()) return cluster.status();
  QuorateSystem* const quorate = cluster->quorate.get();
  auto loaded = std::async(std::launch::async, [&] {
    return Load(quorate, {.value_bytes = 1024,
                          .connections = 50,
                          .pipeline = 4,
                          .warmup_ns = 0,
                          .measure_ns = 30'000'000'000});
  });
  constexpr const char* kSent = "quorate_raft_sent_bytes_total";
  // The preferred leader leads by then.
  std::this_thread::sleep_for(std::chrono::seconds(5));
  const absl::StatusOr<int> leader = quorate->Leader();
  if (!leader.ok()) return leader.status();
  const int follower = (*leader + 1) % kServers;
  const std::string label = absl::StrCat("node=\"", follower + 1, "\"");
  const auto metric = [&](const char* name) {
    return quorate->Metric(*leader, name, label);
  };
  const absl::StatusOr<double> running = metric(kSent);
  std::this_thread::sleep_for(std::chrono::seconds(5));
  quorate->server(follower).Pause();
  const absl::StatusOr<double> before = metric(kSent);
  std::this_thread::sleep_for(std::chrono::seconds(10));
  const absl::StatusOr<double> after = metric(kSent);
  const absl::StatusOr<int> leads = quorate->Leader();
  const int64_t begin_ns = MonotonicNanos();
  quorate->server(follower).Continue();
  absl::StatusOr<double> lag = absl::UnavailableError("not asked");
  while (!Interrupted() && MonotonicNanos() - begin_ns < 120'000'000'000) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    lag = metric("quorate_raft_replication_lag_entries");
    if (absl::IsNotFound(lag.status())) break;
    if (lag.ok() && *lag < kCaughtUpEntries) break;
  }
  const auto took = static_cast<double>(MonotonicNanos() - begin_ns);
  const absl::StatusOr<Measurement> done = loaded.get();
  for (const absl::Status& status :
       {done.status(), running.status(), before.status(), after.status(),
        lag.status()}) {
    if (!status.ok()) return status;
  }
  if (*before <= *running || !leads.ok() || *leads != *leader) {
    return absl::UnavailableError("the leader changed");
  }
  if (*lag >= kCaughtUpEntries) {
    return absl::DeadlineExceededError(
        "the follower did not catch up in 120 s");
  }
  return WithBounds(
      {{"stalled_follower_windows", (*after - *before) / kInflightBytes, "1"},
       {"running_follower_windows", 2 * (*before - *running) / kInflightBytes,
        "1"},
       {"stalled_follower_seconds", took / 1e9, "s"}},
      quorate);
}

absl::StatusOr<std::vector<Figure>> LeaderGapFigures() {
  const absl::StatusOr<Cluster> cluster = StartCluster();
  if (!cluster.ok()) return cluster.status();
  QuorateSystem* const quorate = cluster->quorate.get();
  std::vector<double> stops;
  std::vector<double> kills;
  double errors = 0;
  for (int round = 0; round < 2 * kGapRounds; ++round) {
    const bool stops_now = round % 2 == 0;
    const absl::StatusOr<int> leader = quorate->Leader();
    if (!leader.ok()) return leader.status();
    const absl::StatusOr<Gap> gap = GapOf(quorate, *leader, stops_now);
    if (!gap.ok()) return gap.status();
    (stops_now ? stops : kills).push_back(gap->ms);
    if (stops_now) errors += gap->errors;
  }
  return WithBounds(
      {{"stop_gap_ms", MedianOf(stops), "ms"},
       {"stop_gap_max_ms", *std::max_element(stops.begin(), stops.end()), "ms"},
       {"stop_errors", errors, "1"},
       {"kill_gap_ms", MedianOf(kills), "ms"},
       {"kill_gap_max_ms", *std::max_element(kills.begin(), kills.end()),
        "ms"}},
      quorate);
}

}  // namespace quorate::bench

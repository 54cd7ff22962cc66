// bench/shard.cc: what clients notice while slots move, and how long moves
// take. Real processes on loopback.
//
//   ./bazelw run -c opt //bench:shard -- --json FILE
//   ./bazelw run -c opt //bench:shard -- --mebibytes 64 --only move
#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <future>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "bench/figures.h"
#include "bench/live/cluster.h"
#include "bench/resp_load.h"
#include "bench/workload.h"
#include "env/ids.h"
#include "kv/slots/slot.h"
#include "net/tools/member_verbs.h"
#include "shardctrl/planner.h"

namespace quorate::bench {
namespace {

using Json = nlohmann::json;
using Figures = std::vector<Figure>;

constexpr int64_t kSecond = 1'000'000'000;
// The first of three groups has a third of the slots. They move to the second.
constexpr uint16_t kLastMoving = 5460;
constexpr char kMoving[] = "0-5460";
constexpr size_t kFillBytes = 1024;

struct Options {
  uint64_t mebibytes = 1024;
  uint64_t torture_mebibytes = 16;
  double writes_per_second = 30'000;
  int pauses = 10;
  std::vector<std::string> only = {};
  std::string json = {};
};

// Writes of 64 bytes to the slots that move, or to the others. Those to slots
// that move come in pipelines of 16: 30,000 packets a second would take both
// cores without any move. The others only show what clients notice. They have
// many connections, so that one that waits does not delay its own next
// requests.
Workload Writes(bool moving, double per_second) {
  Workload load{.value_bytes = 64,
                .connections = moving ? 50 : 100,
                .pipeline = moving ? 16 : 1,
                .measure_ns = 3600 * kSecond,
                .keys = 200'000,
                .requests_per_second = per_second};
  load.first_slot = moving ? 0 : kLastMoving + 1;
  load.last_slot = moving ? kLastMoving : 16383;
  return load;
}

// Counters in slots that move. Keys that are overwritten show no lost write,
// since their values never change.
class Counters {
 public:
  Counters() {
    for (int i = 0; counters_.size() < 20; ++i) {
      const std::string key = absl::StrCat("counter", i);
      if (kv::HashSlot(key).value() <= kLastMoving) counters_[key] = {};
    }
  }
  absl::Status Create(uint16_t port) const {
    for (const auto& [key, counter] : counters_) {
      const auto reply = AskResp(port, "SET " + key + " 0");
      if (!reply.ok()) return reply.status();
    }
    return absl::OkStatus();
  }
  // Adds to them in turn until `stop`, with pauses. Each addition has a
  // connection of its own, which would take all of a core that is left.
  void Add(uint16_t port, const std::atomic<bool>& stop) {
    while (!stop) {
      for (auto& [key, counter] : counters_) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        const auto reply = AskResp(port, "INCR " + key);
        const bool refused = reply.ok() && reply->starts_with('-') &&
                             !reply->starts_with("-UNKNOWN");
        if (refused) continue;
        ++(reply.ok() && !reply->starts_with('-') ? counter.added
                                                  : counter.unknown);
      }
    }
  }
  // Additions that are missing, and those that were made twice.
  absl::StatusOr<std::pair<double, double>> Check(uint16_t port) const {
    std::pair<double, double> wrong;
    for (const auto& [key, counter] : counters_) {
      const auto reply = AskResp(port, "GET " + key);
      if (!reply.ok()) return reply.status();
      const double value = std::stod(*reply);
      wrong.first += std::max(0.0, counter.added - value);
      wrong.second += std::max(0.0, value - counter.added - counter.unknown);
    }
    return wrong;
  }

 private:
  struct Counter {
    double added = 0;
    double unknown = 0;
  };
  std::map<std::string, Counter> counters_;
};

struct Loads {
  Measurement moving;
  Measurement others;
  Measurement redirected;  // Writes to slots that move, at a cluster address.
};

// Puts the loads on the cluster while `change` runs. `node`: that of the plain
// address.
absl::StatusOr<Loads> Watch(LiveCluster& cluster, const Options& options,
                            Counters& counters, int node, bool cluster_clients,
                            const std::function<absl::Status()>& change) {
  std::atomic<bool> stop = false;
  const auto begin = [&](uint16_t port, Workload load) {
    load.stop = &stop;
    return std::async(std::launch::async,
                      [port, load] { return RunRespLoad(port, load); });
  };
  auto moving =
      begin(cluster.plain_port(node), Writes(true, options.writes_per_second));
  auto others = begin(cluster.plain_port(node),
                      Writes(false, options.writes_per_second / 100));
  Workload few = Writes(true, options.writes_per_second / 30);
  few.connections = 5;
  // They would break with the node that they are sent to.
  auto redirected = begin(
      cluster_clients ? cluster.cluster_port(node) : cluster.plain_port(node),
      few);
  auto added = std::async(std::launch::async, [&] {
    counters.Add(cluster.plain_port(node), stop);
  });
  std::this_thread::sleep_for(std::chrono::seconds(1));
  const absl::Status changed = change();
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  stop = true;
  added.get();
  auto of_moving = moving.get();
  auto of_others = others.get();
  auto of_redirected = redirected.get();
  for (const absl::Status& status :
       {changed, of_moving.status(), of_others.status(),
        of_redirected.status()}) {
    if (!status.ok()) return status;
  }
  for (const Measurement* one : {&*of_moving, &*of_others, &*of_redirected}) {
    if (one->errors > 0) {
      std::fprintf(stderr, "first error: %s\n", one->first_error.c_str());
    }
  }
  return Loads{*std::move(of_moving), *std::move(of_others),
               *std::move(of_redirected)};
}

double Failed(const Loads& loads) {
  return static_cast<double>(loads.moving.errors + loads.others.errors +
                             loads.redirected.errors);
}

absl::StatusOr<double> CountKeys(LiveCluster& cluster) {
  const auto reply = AskResp(cluster.plain_port(2), "DBSIZE");
  if (!reply.ok()) return reply.status();
  return std::stod(*reply);
}

absl::StatusOr<Json> Move(LiveCluster& cluster, uint32_t to,
                          const std::string& slots, uint32_t rate = 0,
                          bool wait = true) {
  net::VerbOptions verb = cluster.Verb();
  verb.wait = wait;
  const auto answer = JsonOf(net::MoveSlots(
      verb, {.to = to, .slots = slots, .bytes_per_second = rate}));
  if (!answer.ok()) return answer;
  return JsonOf(net::ShowMoves(cluster.Verb(), 0));
}

absl::StatusOr<Json> LastMove(LiveCluster& cluster) {
  auto moves = JsonOf(net::ShowMoves(cluster.Verb(), 0));
  if (!moves.ok()) return moves;
  if ((*moves)["moves"].empty()) return absl::NotFoundError("no move");
  return (*moves)["moves"].back();
}

// Waits until the last move has ended.
absl::StatusOr<Json> AwaitEnd(LiveCluster& cluster) {
  const int64_t begin_ns = MonotonicNanos();
  while (SecondsSince(begin_ns) < 120 && !Interrupted()) {
    auto row = LastMove(cluster);
    if (row.ok() &&
        ((*row)["phase"] == "done" || (*row)["phase"] == "cancelled")) {
      return row;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return absl::DeadlineExceededError("a move does not end");
}

absl::Status Fill(LiveCluster& cluster, uint64_t mebibytes) {
  // One key in three is in the slots that move.
  Workload load{.value_bytes = kFillBytes,
                .connections = 50,
                .pipeline = 16,
                .measure_ns = 3600 * kSecond,
                .keys = 3 * (mebibytes << 10),
                .fill = true};
  load.last_slot = kLastMoving;
  const auto filled = RunRespLoad(cluster.plain_port(2), load);
  if (!filled.ok()) return filled.status();
  for (const bool moving : {true, false}) {
    Workload small = Writes(moving, 0);
    small.fill = true;
    small.pipeline = 16;
    const auto written = RunRespLoad(cluster.plain_port(2), small);
    if (!written.ok()) return written.status();
  }
  return cluster.AwaitSnapshots();
}

// The usual 99th percentile of a second. The disk of a shared machine may stand
// still for a moment, which the slowest hundredth of a whole run then shows.
double P99OfASecondMillis(const Measurement& load) {
  return MedianOf(load.p99_of_seconds_ms());
}

// Parts of the slots move back, so many less one. Adds their longest pauses.
absl::Status MoveBack(LiveCluster& cluster, int parts,
                      std::vector<double>* pauses) {
  for (int i = 1; i < parts; ++i) {
    const int width = (kLastMoving + 1) / parts;
    const auto answer =
        Move(cluster, 1,
             absl::StrCat(i * width, "-",
                          std::min<int>((i + 1) * width - 1, kLastMoving)));
    if (!answer.ok()) return answer.status();
    const auto row = AwaitEnd(cluster);
    if (!row.ok()) return row.status();
    pauses->push_back((*row)["longest_pause_ms"]);
  }
  return absl::OkStatus();
}

absl::StatusOr<Figures> MoveAThird(const Options& options) {
  auto started = LiveCluster::Start(3);
  if (!started.ok()) return started.status();
  LiveCluster& cluster = **started;
  absl::Status status = Fill(cluster, options.mebibytes);
  Counters counters;
  if (status.ok()) status = counters.Create(cluster.plain_port(2));
  if (!status.ok()) return status;
  const auto keys = CountKeys(cluster);
  if (!keys.ok()) return keys.status();
  const auto before = Watch(cluster, options, counters, 2, true, [] {
    std::this_thread::sleep_for(std::chrono::seconds(10));
    return absl::OkStatus();
  });
  if (!before.ok()) return before.status();
  double seconds = 0;
  std::vector<double> pauses;
  const auto moved =
      Watch(cluster, options, counters, 2, true, [&]() -> absl::Status {
        const int64_t begin_ns = MonotonicNanos();
        const auto answer = Move(cluster, 2, kMoving);
        if (!answer.ok()) return answer.status();
        seconds = SecondsSince(begin_ns);
        const auto row = AwaitEnd(cluster);
        if (!row.ok()) return row.status();
        if ((*row)["phase"] != "done") return absl::InternalError(row->dump());
        pauses.push_back((*row)["longest_pause_ms"]);
        return absl::OkStatus();
      });
  if (!moved.ok()) return moved.status();
  const auto back = Watch(cluster, options, counters, 2, true, [&] {
    return MoveBack(cluster, options.pauses, &pauses);
  });
  if (!back.ok()) return back.status();
  const auto left = CountKeys(cluster);
  if (!left.ok()) return left.status();
  const auto wrong = counters.Check(cluster.plain_port(2));
  if (!wrong.ok()) return wrong.status();
  const auto copied = CopySeconds(cluster.folder(), options.mebibytes << 20);
  if (!copied.ok()) return copied.status();
  std::sort(pauses.begin(), pauses.end());
  const auto mebibytes = static_cast<double>(options.mebibytes);
  return Figures{
      {"move_failed_requests", Failed(*moved) + Failed(*back), "1"},
      {"move_lost_keys", *keys - *left, "1"},
      {"move_lost_additions", wrong->first, "1"},
      {"move_doubled_additions", wrong->second, "1"},
      {"move_redirects_per_request_max",
       static_cast<double>(
           std::max(moved->redirected.most_moved, back->redirected.most_moved)),
       "1"},
      {"move_pause_p50_ms", MedianOf(pauses), "ms"},
      {"move_pause_p99_ms", pauses[(pauses.size() * 99 + 99) / 100 - 1], "ms"},
      {"move_pause_max_ms", pauses.back(), "ms"},
      {"move_writes_per_second", moved->moving.ops_per_second(), "1/s"},
      {"unaffected_p99_before_ms", before->others.p99_ms(), "ms"},
      {"unaffected_p99_ratio", moved->others.p99_ms() / before->others.p99_ms(),
       "1"},
      {"unaffected_p99_of_a_second_before_ms",
       P99OfASecondMillis(before->others), "ms"},
      {"unaffected_p99_of_a_second_ratio",
       P99OfASecondMillis(moved->others) / P99OfASecondMillis(before->others),
       "1"},
      {"move_seconds", seconds, "s"},
      {"move_mib_per_second", mebibytes / seconds, "MiB/s"},
      {"copy_mib_per_second", mebibytes / *copied, "MiB/s"},
      {"move_share_of_copy", *copied / seconds, "1"},
      // Each byte of a move is written for each of three replicas.
      {"move_share_of_three_copies", 3 * *copied / seconds, "1"}};
}

// The node that leads a group. Zero: the controller's group.
absl::StatusOr<int> LeaderOf(LiveCluster& cluster, uint32_t id) {
  const auto groups = JsonOf(net::ListGroups(cluster.Verb()));
  if (!groups.ok()) return groups.status();
  for (const Json& group : (*groups)["groups"]) {
    const bool found =
        id == 0 ? group["name"] == "controller" : group["id"] == id;
    if (found && group["leader"].is_number()) return group["leader"].get<int>();
  }
  return absl::NotFoundError(absl::StrCat("no leader of group ", id));
}

// Waits until the last move is in the phase, or beyond it.
absl::Status AwaitPhase(LiveCluster& cluster, const std::string& phase) {
  const std::vector<std::string> order = {
      "waiting",  "prepare", "copy", "delta", "freeze",
      "activate", "clean",   "undo", "done",  "cancelled"};
  const auto rank = [&](const std::string& one) {
    return std::find(order.begin(), order.end(), one) - order.begin();
  };
  const int64_t begin_ns = MonotonicNanos();
  while (SecondsSince(begin_ns) < 60 && !Interrupted()) {
    const auto row = LastMove(cluster);
    if (row.ok() && rank((*row)["phase"]) >= rank(phase)) {
      return absl::OkStatus();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
  }
  return absl::DeadlineExceededError("no phase " + phase);
}

// Begins a move. In a phase of it, the node `victim` is killed and started
// again; zero: the move is cancelled.
struct Disturbance {
  int victim = 0;
  std::string phase;
  uint32_t to = 0;
  uint32_t rate = 0;
};
absl::Status MoveWith(const Disturbance& disturbance, LiveCluster& cluster) {
  const auto move = Move(cluster, disturbance.to, kMoving, disturbance.rate,
                         /*wait=*/false);
  if (!move.ok()) return move.status();
  absl::Status status = AwaitPhase(cluster, disturbance.phase);
  if (!status.ok()) return status;
  if (disturbance.victim == 0) {
    const auto row = LastMove(cluster);
    if (!row.ok()) return row.status();
    // It is refused if the slots have moved already.
    net::ChangeMove(cluster.Verb(), "cancel", (*row)["id"]);
  } else {
    cluster.Kill(disturbance.victim);
    std::this_thread::sleep_for(std::chrono::seconds(1));
    status = cluster.Restart(disturbance.victim);
    if (status.ok()) status = cluster.AwaitAnswer(disturbance.victim);
  }
  return status.ok() ? AwaitEnd(cluster).status() : status;
}

absl::StatusOr<Figures> Torture(const Options& options) {
  auto started = LiveCluster::Start(3);
  if (!started.ok()) return started.status();
  LiveCluster& cluster = **started;
  absl::Status status = Fill(cluster, options.torture_mebibytes);
  Counters counters;
  if (status.ok()) status = counters.Create(cluster.plain_port(2));
  if (!status.ok()) return status;
  const auto keys = CountKeys(cluster);
  if (!keys.ok()) return keys.status();
  Options load = options;
  load.writes_per_second = std::min(options.writes_per_second, 3'000.0);
  double failed = 0;
  double unknown = 0;
  uint32_t to = 2;
  for (const std::string phase :
       {"prepare", "copy", "delta", "freeze", "activate", "clean"}) {
    for (const std::string what :
         {"source", "destination", "controller", "cancel"}) {
      std::fprintf(stderr, "%s in %s\n", what.c_str(), phase.c_str());
      Disturbance disturbance{
          .phase = phase,
          .to = to,
          .rate = static_cast<uint32_t>(options.torture_mebibytes << 18)};
      if (what != "cancel") {
        const uint32_t group = what == "source"        ? 3 - to
                               : what == "destination" ? to
                                                       : 0;
        const auto leader = LeaderOf(cluster, group);
        if (!leader.ok()) return leader.status();
        disturbance.victim = *leader;
      }
      const int node = disturbance.victim % 3 + 1;
      cluster.AskThrough(node);
      const auto watched = Watch(cluster, load, counters, node, false, [&] {
        return MoveWith(disturbance, cluster);
      });
      if (!watched.ok()) return watched.status();
      for (const Measurement* one :
           {&watched->moving, &watched->others, &watched->redirected}) {
        unknown += static_cast<double>(one->unknown);
        failed += static_cast<double>(one->errors - one->unknown);
      }
      const auto row = LastMove(cluster);
      if (!row.ok()) return row.status();
      if ((*row)["phase"] == "done") to = 3 - to;
      status = cluster.AwaitSettled();
      if (!status.ok()) return status;
    }
  }
  const auto left = CountKeys(cluster);
  if (!left.ok()) return left.status();
  const auto wrong = counters.Check(cluster.plain_port(2));
  if (!wrong.ok()) return wrong.status();
  return Figures{{"torture_lost_keys", *keys - *left, "1"},
                 {"torture_lost_additions", wrong->first, "1"},
                 {"torture_doubled_additions", wrong->second, "1"},
                 {"torture_failed_requests", failed, "1"},
                 {"torture_unknown", unknown, "1"}};
}

// Slots of 800 groups are divided among 1,000.
absl::StatusOr<Figures> Planner(const Options&) {
  std::vector<GroupId> groups;
  std::vector<shardctrl::SlotShare> shares;
  for (uint32_t i = 1; i <= 1000; ++i) {
    groups.push_back(GroupId(i));
    shares.push_back({.group = GroupId(i)});
  }
  const std::vector<shardctrl::Assignment> owners = shardctrl::AssignEvenly(
      kHashSlotCount, absl::MakeConstSpan(groups).first(800));
  std::vector<double> millis;
  size_t transfers = 0;
  for (int i = 0; i < 20; ++i) {
    const int64_t begin_ns = MonotonicNanos();
    transfers = shardctrl::PlanBalance(owners, shares).size();
    millis.push_back(SecondsSince(begin_ns) * 1e3);
  }
  if (transfers == 0) return absl::InternalError("the planner moved nothing");
  return Figures{{"planner_ms", MedianOf(millis), "ms"}};
}

struct Part {
  std::string name;
  absl::StatusOr<Figures> (*measure)(const Options&);
};

std::vector<Part> Parts() {
  return {{"planner", Planner}, {"move", MoveAThird}, {"torture", Torture}};
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
    std::fprintf(stderr, "%s …\n", part.name.c_str());
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
  CLI::App app("Measures moves of slots under load");
  quorate::bench::Options options;
  std::vector<std::string> names;
  for (const auto& part : quorate::bench::Parts()) names.push_back(part.name);
  app.add_option("--mebibytes", options.mebibytes,
                 "Size of the values that move")
      ->check(CLI::Range(1, 1 << 14))
      ->capture_default_str();
  app.add_option("--torture-mebibytes", options.torture_mebibytes,
                 "The same for moves under kills and cancels")
      ->check(CLI::Range(1, 1 << 10))
      ->capture_default_str();
  app.add_option("--writes", options.writes_per_second,
                 "Writes per second to the slots that move")
      ->check(CLI::Range(100, 1'000'000))
      ->capture_default_str();
  app.add_option("--only", options.only, "Parts to measure")
      ->check(CLI::IsMember(names));
  app.add_option("--json", options.json, "A file for the rows");
  CLI11_PARSE(app, argc, argv);
  return quorate::bench::Main(options);
}

#include "net/tools/scale_demo.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "net/disk/posix_file.h"
#include "net/event_loop/clock.h"
#include "net/event_loop/stop_signals.h"
#include "net/tools/child_process.h"
#include "net/tools/counter_load.h"
#include "net/tools/daemon.h"
#include "net/tools/member_verbs.h"
#include "net/tools/quickstart_files.h"
#include "net/tools/resp_client.h"

namespace quorate::net {
namespace {

using Json = nlohmann::json;

constexpr Duration kStartWithin = Seconds(60);
constexpr Duration kEndWithin = Seconds(300);
constexpr Duration kStopWithin = Seconds(20);
constexpr Duration kLookEvery = Milliseconds(200);
constexpr uint32_t kClients = 6;
constexpr uint32_t kCounters = 1'000;
// Other keys, so that there is something to move.
constexpr uint32_t kKeys = 200'000;
constexpr uint32_t kKeysAtOnce = 500;
constexpr size_t kValueBytes = 100;

volatile sig_atomic_t interrupted = 0;

std::string Milli(Duration time) {
  return absl::StrFormat("%.1f ms", static_cast<double>(time.ns()) / 1e6);
}

class ScaleDemo {
 public:
  explicit ScaleDemo(const QuickstartOptions& options) : options_(options) {}

  int Run();

 private:
  // Prints a line with the time since the start.
  void Say(const std::string& what) const;
  absl::Status Work();
  absl::Status StartCluster();
  absl::Status FillKeys();
  absl::Status AddNode();
  absl::Status CreateGroups();
  // Shows moves that have ended, until no more is to be done.
  absl::Status AwaitMoves();
  void SayMove(const Json& move);
  void Summarize(const CounterLoad::Seen& before, CounterLoad* load);
  // The answer of a verb about the cluster, as JSON.
  absl::StatusOr<Json> Ask(ControlAnswer (*verb)(const VerbOptions&)) const;
  absl::StatusOr<Json> Answer(const ControlAnswer& answer) const;
  VerbOptions Verb() const;
  // Waits until `done` returns true.
  template <typename Done>
  absl::Status Await(std::string_view what, Duration within, Done done);
  void StopAll();

  QuickstartOptions options_;
  const MonoTime begun_ = Clock::ReadMono();
  std::string program_;
  std::vector<QuickstartNode> nodes_;  // The founders.
  std::vector<ChildProcess> children_;
  std::vector<uint64_t> shown_;  // Moves that have ended.
  uint64_t slots_moved_ = 0;
  uint64_t bytes_moved_ = 0;
  std::vector<int64_t> pauses_ms_;
  bool failed_ = false;
};

void ScaleDemo::Say(const std::string& what) const {
  const double seconds =
      static_cast<double>((Clock::ReadMono() - begun_).ns()) / 1e9;
  std::printf("%5.1f s  %s\n", seconds, what.c_str());
  std::fflush(stdout);
}

VerbOptions ScaleDemo::Verb() const {
  static constexpr auto kNothing = [](const std::string&) {};
  static constexpr auto kInterrupted = [] { return interrupted != 0; };
  return {.control = {.addresses = {nodes_.front().resp_cluster}, .json = true},
          .say = kNothing,
          .progress = kNothing,
          .interrupted = kInterrupted};
}

absl::StatusOr<Json> ScaleDemo::Answer(const ControlAnswer& answer) const {
  if (answer.exit_status != 0) return absl::UnavailableError(answer.error);
  Json json = Json::parse(answer.out, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return absl::DataLossError(answer.out);
  return json;
}

absl::StatusOr<Json> ScaleDemo::Ask(
    ControlAnswer (*verb)(const VerbOptions&)) const {
  return Answer(verb(Verb()));
}

template <typename Done>
absl::Status ScaleDemo::Await(std::string_view what, Duration within,
                              Done done) {
  const MonoTime limit = Clock::ReadMono() + within;
  while (!done()) {
    if (interrupted != 0) return absl::CancelledError("interrupted");
    if (Clock::ReadMono() > limit) {
      return absl::DeadlineExceededError(absl::StrCat(
          std::string(what), " took more than ", within.ms() / 1000, " s"));
    }
    for (ChildProcess& child : children_) {
      if (child.Poll().has_value()) {
        return absl::UnavailableError("a process of the cluster has ended");
      }
    }
    usleep(static_cast<useconds_t>(kLookEvery.ns() / 1000));
  }
  return absl::OkStatus();
}

absl::Status ScaleDemo::StartCluster() {
  absl::StatusOr<ChildProcess> started = ChildProcess::Start(
      {.command = {program_, "--data-dir", options_.data_dir, "--port",
                   absl::StrCat(options_.port), "--http-port",
                   absl::StrCat(options_.http_port), "--nodes",
                   absl::StrCat(options_.nodes), "--groups",
                   absl::StrCat(options_.groups)},
       .log_file = options_.data_dir + "/demo.log",
       .log_output = true,
       .kill_with_parent = true});
  if (!started.ok()) return started.status();
  children_.push_back(*std::move(started));
  absl::StatusOr<QuickstartPlan> plan = PlanQuickstart(options_);
  if (!plan.ok()) return plan.status();
  nodes_ = std::move(plan->nodes);
  return Await("the start", kStartWithin, [this] {
    const absl::StatusOr<Json> groups = Ask(ListGroups);
    if (!groups.ok()) return false;
    return std::ranges::all_of((*groups)["groups"], [](const Json& group) {
      return !group["leader"].is_null();
    });
  });
}

absl::Status ScaleDemo::FillKeys() {
  auto link = RespClient::Connect(nodes_.front().resp, kStopWithin);
  if (!link.ok()) return link.status();
  const std::string value(kValueBytes, 'v');
  for (uint32_t key = 0; key < kKeys; key += kKeysAtOnce) {
    std::vector<std::string> keys;
    for (uint32_t i = 0; i < kKeysAtOnce; ++i) {
      keys.push_back(absl::StrCat("key:", key + i));
    }
    std::vector<std::string_view> words = {"MSET"};
    for (const std::string& name : keys) {
      words.push_back(name);
      words.push_back(value);
    }
    const auto reply = (*link)->Call(words);
    if (!reply.ok()) return reply.status();
    if (reply->kind == kv::RespValue::Kind::kError) {
      return absl::UnavailableError(reply->text);
    }
    if (interrupted != 0) return absl::CancelledError("interrupted");
  }
  return absl::OkStatus();
}

absl::Status ScaleDemo::AddNode() {
  const absl::StatusOr<Json> before = Ask(ListNodes);
  if (!before.ok()) return before.status();
  const size_t count = (*before)["nodes"].size();
  absl::StatusOr<ChildProcess> started = ChildProcess::Start(
      {.command = {program_, "add", "--data-dir", options_.data_dir},
       .log_file = options_.data_dir + "/demo.log",
       .log_output = true,
       .kill_with_parent = true});
  if (!started.ok()) return started.status();
  const MonoTime begun = Clock::ReadMono();
  children_.push_back(*std::move(started));
  absl::Status joined = Await("adding a node", kStartWithin, [&] {
    const absl::StatusOr<Json> nodes = Ask(ListNodes);
    return nodes.ok() && (*nodes)["nodes"].size() > count &&
           (*nodes)["nodes"].back()["state"] == "up";
  });
  if (joined.ok()) {
    Say(absl::StrCat("node ", count + 1, " joined in ",
                     Milli(Clock::ReadMono() - begun),
                     " (quickstart add); it takes replicas of the groups"));
  }
  return joined;
}

absl::Status ScaleDemo::CreateGroups() {
  const absl::StatusOr<Json> created =
      Answer(net::CreateGroups(Verb(), static_cast<uint32_t>(2)));
  if (!created.ok()) return created.status();
  Say("2 groups more (quoratectl group create --count 2); their share of the "
      "slots moves");
  return absl::OkStatus();
}

void ScaleDemo::SayMove(const Json& move) {
  shown_.push_back(move["id"]);
  if (move["phase"] != "done") {
    return Say(absl::StrCat("move ", move["id"].dump(), ": ",
                            move["phase"].get<std::string>(), ": ",
                            move["problem"].dump()));
  }
  const uint64_t slots = move["slot_count"];
  const uint64_t bytes = move["bytes_done"];
  const int64_t pause_ms = move["longest_pause_ms"];
  slots_moved_ += slots;
  bytes_moved_ += bytes;
  pauses_ms_.push_back(pause_ms);
  Say(absl::StrFormat(
      "move %d: %d slots, %.1f MiB, from group %d to group %d; the slots "
      "paused for %d ms",
      move["id"].get<int>(), slots, static_cast<double>(bytes) / (1 << 20),
      move["from"].get<int>(), move["to"].get<int>(), pause_ms));
}

absl::Status ScaleDemo::AwaitMoves() {
  return Await("moving the slots", kEndWithin, [this] {
    const absl::StatusOr<Json> moves = Answer(ShowMoves(Verb(), 0));
    const absl::StatusOr<Json> groups = Ask(ListGroups);
    if (!moves.ok() || !groups.ok()) return false;
    bool open = false;
    for (const Json& move : (*moves)["moves"]) {
      const bool ended =
          move["phase"] == "done" || move["phase"] == "cancelled";
      open |= !ended;
      if (ended &&
          std::ranges::count(shown_, move["id"].get<uint64_t>()) == 0) {
        SayMove(move);
      }
    }
    return !open &&
           std::ranges::all_of((*groups)["groups"], [](const Json& group) {
             return group["id"] == 4294967295 || !group["slots"].empty();
           });
  });
}

void ScaleDemo::Summarize(const CounterLoad::Seen& before, CounterLoad* load) {
  const CounterLoad::Seen seen = load->Take();
  const uint64_t wrong = load->StopAndCheck();
  const uint64_t failed = seen.failed + before.failed;
  failed_ = failed + wrong > 0;
  std::sort(pauses_ms_.begin(), pauses_ms_.end());
  std::printf("\n  slots moved       %lu of 16384, in %zu moves, %.1f MiB\n",
              slots_moved_, pauses_ms_.size(),
              static_cast<double>(bytes_moved_) / (1 << 20));
  if (!pauses_ms_.empty()) {
    std::printf("  pause of a move   median %ld ms, longest %ld ms\n",
                pauses_ms_[pauses_ms_.size() / 2], pauses_ms_.back());
  }
  std::printf(
      "  before            %.0f requests/s, p99 %s, slowest %s\n"
      "  while it grew     %.0f requests/s, p99 %s, slowest %s\n"
      "  requests          %lu, failed %lu%s\n"
      "  counters          %u, wrong %lu\n\n",
      before.per_second(), Milli(before.p99).c_str(),
      Milli(before.slowest).c_str(), seen.per_second(), Milli(seen.p99).c_str(),
      Milli(seen.slowest).c_str(), before.requests + seen.requests, failed,
      failed > 0 ? (": " + before.first_failure + seen.first_failure).c_str()
                 : "",
      kClients * kCounters, wrong);
}

absl::Status ScaleDemo::Work() {
  absl::Status status = StartCluster();
  if (!status.ok()) return status;
  Say(absl::StrCat(options_.nodes, " nodes serve ", options_.groups,
                   " groups; data and logs are in ", options_.data_dir));
  status = FillKeys();
  if (!status.ok()) return status;
  std::vector<std::string> addresses;
  for (const QuickstartNode& node : nodes_) addresses.push_back(node.resp);
  CounterLoad load(std::move(addresses), kClients, kCounters);
  Say(absl::StrCat(kKeys, " keys are stored; ", kClients,
                   " clients increment counters from now on"));
  (void)Await("", kEndWithin, [until = Clock::ReadMono() + Seconds(4)] {
    return Clock::ReadMono() > until;
  });
  const CounterLoad::Seen before = load.Take();
  for (int i = 0; i < 2 && status.ok(); ++i) status = AddNode();
  if (status.ok()) status = CreateGroups();
  if (status.ok()) status = AwaitMoves();
  if (status.ok()) Summarize(before, &load);
  return status;
}

void ScaleDemo::StopAll() {
  for (ChildProcess& child : children_) child.Signal(SIGTERM);
  for (ChildProcess& child : children_) child.Stop(SIGCONT, kStopWithin);
}

int ScaleDemo::Run() {
  const absl::StatusOr<std::string> program = FindProgram("quickstart");
  if (!program.ok()) return PrintQuickstartError(program.status(), kExitFailed);
  program_ = *program;
  std::string directory =
      (std::filesystem::temp_directory_path() / "quorate-demo-XXXXXX").string();
  if (mkdtemp(directory.data()) == nullptr) {
    return PrintQuickstartError(FileError(errno, "creating", directory),
                                kExitFailed);
  }
  options_.data_dir = directory;
  const absl::Status status = Work();
  StopAll();
  if (!status.ok() && !absl::IsCancelled(status)) {
    std::printf("the data and logs stay in %s\n", directory.c_str());
    return PrintQuickstartError(status, kExitFailed);
  }
  std::error_code ignored;
  std::filesystem::remove_all(directory, ignored);
  return failed_ ? kExitFailed : kExitClean;
}

}  // namespace

int RunScaleDemo(const QuickstartOptions& options) {
  const absl::StatusOr<QuickstartPlan> plan = PlanQuickstart(options);
  if (!plan.ok()) return PrintQuickstartError(plan.status(), kExitUsage);
  struct sigaction action = {};
  action.sa_handler = [](int) { interrupted = 1; };
  for (const int signal : StopSignals()) sigaction(signal, &action, nullptr);
  return ScaleDemo(options).Run();
}

}  // namespace quorate::net

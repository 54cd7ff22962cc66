#include "net/tools/quickstart.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "env/annotate.h"
#include "kv/client/resp_reply.h"
#include "net/disk/posix_file.h"
#include "net/event_loop/clock.h"
#include "net/event_loop/stop_signals.h"
#include "net/real_env.h"
#include "net/tools/child_process.h"
#include "net/tools/cluster_view.h"
#include "net/tools/daemon.h"
#include "net/tools/listen_check.h"
#include "net/tools/lock_owner.h"
#include "net/tools/quickstart_files.h"
#include "net/tools/resp_client.h"
#include "net/tools/start_traces.h"
#include "node/config/config.h"

namespace quorate::net {
namespace {

constexpr Duration kReadyWithin = Seconds(60);
constexpr Duration kLeadersWithin = Seconds(15);
constexpr Duration kStopWithin = Seconds(15);
constexpr Duration kPollEvery = Milliseconds(250);
constexpr Duration kAskWithin = Milliseconds(500);
// Shorter interruptions (elections, short stalls) are not reported.
constexpr Duration kLeaderlessAfter = Seconds(3);
constexpr Duration kSilentAfter = Seconds(3);
// Size from which a node's log of earlier runs is dropped at start.
constexpr uintmax_t kLogBytesMax = 16 << 20;
constexpr char kStateName[] = "quickstart.state";
// A start that fails says why in one of the last lines of its log.
constexpr ptrdiff_t kLastLines = 3;

// The line that says why a program ended, or the last line of its log. Few
// warnings may come behind that line; lines far above are of earlier starts.
std::string LastWord(const std::string& log) {
  const std::vector<std::string> lines =
      absl::StrSplit(absl::StripSuffix(log, "\n"), '\n');
  const auto last = lines.rbegin();
  const auto end = last + std::min<ptrdiff_t>(kLastLines, lines.rend() - last);
  const auto why = std::find_if(last, end, [](const std::string& line) {
    return line.starts_with("quorated: ");
  });
  return why == end ? lines.back() : *why;
}

std::string TimeOfDay() {
  const time_t now = time(nullptr);
  tm parts;
  localtime_r(&now, &parts);
  char text[16];
  strftime(text, sizeof(text), "%H:%M:%S", &parts);
  return text;
}

void Event(const std::string& what) {
  std::printf("%s  %s\n", TimeOfDay().c_str(), what.c_str());
  std::fflush(stdout);
}

class Quickstart {
 public:
  Quickstart(QuickstartOptions options, QuickstartPlan plan)
      : options_(std::move(options)),
        traces_(options_.data_dir,
                {.lock = "quickstart.lock", .marker = std::string()}) {
    for (QuickstartNode& node : plan.nodes) {
      nodes_.push_back({.plan = node});
    }
    founders_ = plan.nodes.size();
    plan_ = std::move(plan);
  }

  int Run() {
    // A signal may come before the first node starts.
    BlockSignals();
    absl::Status status = Prepare();
    if (status.ok()) {
      interrupted_ = WaitForSignal(Nanoseconds(0));
      if (!interrupted_) status = StartAll();
      if (!status.ok()) StopAll();
    }
    if (!status.ok()) {
      RemoveTraces();
      return PrintQuickstartError(status, kExitFailed);
    }
    if (!interrupted_) {
      PrintBanner();
      Watch();
    }
    std::printf("\n");
    Event("stopping all nodes");
    StopAll();
    Event(RemoveTraces() ? "stopped before a node had data"
                         : "stopped; the data stays in " + options_.data_dir);
    return kExitClean;
  }

 private:
  struct Node {
    QuickstartNode plan;
    std::optional<ChildProcess> child;
    std::unique_ptr<RespClient> client;
    // True once the node was reported as dead or silent.
    bool down = false;
    MonoTime answered = MonoTime::Min();
    // The state of each replica on this node that does not work.
    std::map<GroupId, std::string> unfit;
  };

  struct Leader {
    NodeId node;
    uint64_t term = 0;
  };

  absl::Status Prepare();
  absl::Status LoadState();
  // Nodes that were added to the cluster, by this quickstart or an earlier one.
  void FindAdded();
  absl::Status CheckPorts() const;
  // True if an earlier start created the directory, or a node has a store in
  // it.
  bool KeepsTraces() const;
  // Removes what this start created. Returns false if the files are kept.
  bool RemoveTraces();
  absl::Status StartAll();
  absl::Status StartNode(Node& node, bool bootstrap);
  // Waits until the node is ready, or a signal asks to stop. Returns OK in both
  // cases.
  absl::Status AwaitReady(Node& node);
  void ReportMissing(Node& node, const absl::Status& why);
  void ReportRunning(size_t running);
  void AwaitLeaders();
  void PrintBanner() const;
  void Watch();
  void ReapChildren();
  void AskNodes();
  void AskNode(Node& node, std::map<GroupId, Leader>* leaders);
  absl::StatusOr<std::string> InfoOf(Node& node);
  void OnSilence(Node& node, const absl::Status& why);
  void NoteReplica(Node& node, const GroupLine& line);
  void NoteLeader(GroupId group, NodeId leader);
  std::string RestartCommand(const Node& node) const;
  void StopAll();
  void StopRestarted(const Node& node);
  void BlockSignals();
  // Waits for a signal; returns true if it asks to stop.
  bool WaitForSignal(Duration timeout);

  const QuickstartOptions options_;
  const StartTraces traces_;
  QuickstartPlan plan_;
  size_t founders_ = 0;
  std::vector<Node> nodes_;  // The founders, then those that were added.
  std::string program_;
  std::string control_program_;
  OwnedFd lock_;
  QuickstartState state_;
  std::vector<node::ShardConfig> shards_;
  // The last known leader of each group, when it was last seen, and which
  // groups were reported to have none.
  std::map<GroupId, NodeId> leaders_;
  std::map<GroupId, MonoTime> led_at_;
  std::set<GroupId> leaderless_;
  sigset_t signals_;
  bool interrupted_ = false;
  bool quiet_ = true;  // Leaders that appear during the start are not reported.
};

absl::Status Quickstart::Prepare() {
  absl::StatusOr<std::string> program = FindProgram("quorated");
  if (!program.ok()) return program.status();
  program_ = *program;
  control_program_ = FindProgram("quoratectl").value_or("");
  if (!traces_.had(kStateName)) {
    absl::Status free = CheckPorts();
    if (!free.ok()) return free;
  }
  absl::Status made = MakeDirectories(options_.data_dir);
  if (!made.ok()) return made;
  const OwnedFd directory(
      open(options_.data_dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() < 0) {
    return FileError(errno, "opening directory", options_.data_dir);
  }
  absl::StatusOr<OwnedFd> lock =
      LockFile(directory.get(), "quickstart.lock", options_.data_dir);
  if (!lock.ok()) return lock.status();
  lock_ = *std::move(lock);
  absl::Status loaded = LoadState();
  if (!loaded.ok()) return loaded;
  for (const Node& node : nodes_) {
    const std::string text =
        QuickstartToml(options_, plan_, node.plan, state_.cluster);
    absl::StatusOr<node::Config> config =
        node::ParseConfig(text, node.plan.config_file);
    if (!config.ok()) return config.status();
    shards_ = config->shards;
    absl::Status written = WriteText(node.plan.config_file, text);
    if (!written.ok()) return written;
  }
  return absl::OkStatus();
}

absl::Status Quickstart::CheckPorts() const {
  for (const Node& node : nodes_) {
    const absl::Status free =
        CheckListenAddresses({node.plan.resp, node.plan.resp_cluster,
                              node.plan.http, node.plan.peer, node.plan.admin});
    if (free.ok()) continue;
    return Annotate(free,
                    std::string(absl::StrCat("node ", node.plan.id.value())));
  }
  return absl::OkStatus();
}

bool Quickstart::KeepsTraces() const {
  if (traces_.had(kStateName)) return true;
  for (const Node& node : nodes_) {
    std::error_code error;
    if (std::filesystem::exists(node.plan.data_dir + "/identity", error)) {
      return true;
    }
  }
  return false;
}

bool Quickstart::RemoveTraces() {
  if (KeepsTraces()) return false;
  lock_ = OwnedFd();
  traces_.Remove();
  return true;
}

absl::Status Quickstart::LoadState() {
  const std::string path = options_.data_dir + "/" + kStateName;
  if (std::filesystem::exists(path)) {
    absl::StatusOr<QuickstartState> state =
        ParseQuickstartState(ReadText(path));
    if (!state.ok()) {
      return absl::DataLossError(path + ": " +
                                 std::string(state.status().message()));
    }
    state_ = *state;
    return CheckFits(options_, state_);
  }
  // Half of the 64-bit numbers are not TOML integers, and zero is not a
  // cluster.
  state_.cluster = ClusterId((RandomSeed() >> 1) | 1);
  state_.nodes = options_.nodes;
  state_.groups = options_.groups;
  state_.read_replicas = options_.read_replicas;
  return WriteText(path, FormatQuickstartState(state_));
}

void Quickstart::FindAdded() {
  for (QuickstartNode& known : KnownNodes(options_.data_dir)) {
    const bool has =
        std::any_of(nodes_.begin(), nodes_.end(),
                    [&](const Node& node) { return node.plan.id == known.id; });
    std::error_code error;
    // It joins in its own terminal first.
    if (has || !std::filesystem::exists(known.data_dir + "/identity", error)) {
      continue;
    }
    if (!quiet_) {
      Event(absl::StrCat("node ", known.id.value(), " joins"));
    }
    nodes_.push_back({.plan = std::move(known), .answered = Clock::ReadMono()});
  }
}

absl::Status Quickstart::StartAll() {
  FindAdded();
  for (Node& node : nodes_) {
    // An added node may run in its own terminal.
    if (node.plan.id.value() > founders_ &&
        LockHolder(node.plan.data_dir + "/lock").has_value()) {
      continue;
    }
    absl::Status started = StartNode(node, /*bootstrap=*/!state_.bootstrapped);
    if (!started.ok()) return started;
  }
  absl::Status missing;
  size_t running = 0;
  for (Node& node : nodes_) {
    if (!node.child.has_value()) {
      ++running;
      continue;
    }
    absl::Status ready = AwaitReady(node);
    if (interrupted_) return absl::OkStatus();
    if (ready.ok()) {
      ++running;
      continue;
    }
    // The first start creates all nodes or none.
    if (!state_.bootstrapped) return ready;
    ReportMissing(node, ready);
    missing = std::move(ready);
  }
  if (running == 0) return missing;
  if (running < nodes_.size()) ReportRunning(running);
  if (!state_.bootstrapped) {
    state_.bootstrapped = true;
    absl::Status written = WriteText(options_.data_dir + "/" + kStateName,
                                     FormatQuickstartState(state_));
    if (!written.ok()) return written;
  }
  AwaitLeaders();
  return absl::OkStatus();
}

// The node may be started by hand later.
void Quickstart::ReportMissing(Node& node, const absl::Status& why) {
  Event(absl::StrCat("node ", node.plan.id.value(),
                     " is missing: ", std::string(why.message()),
                     "\n          Its log is ", node.plan.log_file,
                     "\n          When its directory and its addresses are as "
                     "they were, start "
                     "it with:"
                     "\n          ",
                     RestartCommand(node)));
  node.down = true;
}

void Quickstart::ReportRunning(size_t running) {
  const std::string count =
      absl::StrCat(running, " of ", nodes_.size(), " nodes run: ");
  std::vector<std::string> lost;
  for (const node::ShardConfig& shard : shards_) {
    const auto up = std::count_if(
        shard.replicas.begin(), shard.replicas.end(), [this](NodeId id) {
          return std::any_of(nodes_.begin(), nodes_.end(), [id](const Node& n) {
            return n.plan.id == id && !n.down;
          });
        });
    if (2 * static_cast<size_t>(up) <= shard.replicas.size()) {
      lost.push_back(absl::StrCat(shard.group.value()));
    }
  }
  Event(lost.empty()
            ? count + "each group has a majority and serves its keys"
            : absl::StrCat(count, "no majority of group ",
                           absl::StrJoin(lost, ", group "),
                           " runs, so their keys cannot be read or written"));
}

absl::Status Quickstart::StartNode(Node& node, bool bootstrap) {
  std::error_code error;
  if (std::filesystem::file_size(node.plan.log_file, error) > kLogBytesMax &&
      !error) {
    std::filesystem::resize_file(node.plan.log_file, 0, error);
  }
  std::vector<std::string> command = {
      program_, "--config", node.plan.config_file,
      absl::StrCat("--exit-with-parent=", getpid())};
  if (bootstrap) {
    command.push_back("--bootstrap");
    command.push_back("--alone");
  }
  absl::StatusOr<ChildProcess> child = ChildProcess::Start(
      {.command = std::move(command), .log_file = node.plan.log_file});
  if (!child.ok()) return child.status();
  node.child = *std::move(child);
  return absl::OkStatus();
}

absl::Status Quickstart::AwaitReady(Node& node) {
  const MonoTime limit = Clock::ReadMono() + kReadyWithin;
  while (true) {
    const absl::StatusOr<std::string> line =
        node.child->ReadLine(Milliseconds(100));
    if (line.ok() && line->starts_with("ready:")) return absl::OkStatus();
    if (WaitForSignal(Nanoseconds(0))) {
      interrupted_ = true;
      return absl::OkStatus();
    }
    const std::string who = absl::StrCat("node ", node.plan.id.value());
    if (absl::IsOutOfRange(line.status())) {
      const int status = node.child->Stop(SIGTERM, kStopWithin);
      const std::string log = ReadText(node.plan.log_file);
      node.child.reset();
      return absl::UnavailableError(
          absl::StrCat(who, " ", DescribeEnd(status), ": ", LastWord(log)));
    }
    if (Clock::ReadMono() > limit) {
      return absl::DeadlineExceededError(
          absl::StrCat(who, " is not ready after ", kReadyWithin.ms() / 1000,
                       " s; its log ", node.plan.log_file, " may say why"));
    }
  }
}

void Quickstart::AwaitLeaders() {
  const MonoTime limit = Clock::ReadMono() + kLeadersWithin;
  while (leaders_.size() < shards_.size() && Clock::ReadMono() < limit) {
    AskNodes();
    if (WaitForSignal(Milliseconds(50))) {
      interrupted_ = true;
      return;
    }
  }
}

void Quickstart::PrintBanner() const {
  std::printf("Quorate: %d nodes, %d groups, data in %s\n\n",
              static_cast<int>(nodes_.size()), options_.groups,
              options_.data_dir.c_str());
  for (const Node& node : nodes_) {
    const std::string process =
        node.child.has_value()
            ? absl::StrCat("pid ", static_cast<int>(node.child->pid()))
            : "MISSING";
    std::printf(
        "  node %u  redis %s  cluster %s  http http://%s  peers %s  %s%s\n",
        node.plan.id.value(), node.plan.resp.c_str(),
        node.plan.resp_cluster.c_str(), node.plan.http.c_str(),
        node.plan.peer.c_str(), process.c_str(),
        node.plan.read_only ? "  (read replica)" : "");
  }
  std::printf("\n");
  for (const node::ShardConfig& shard : shards_) {
    const auto leader = leaders_.find(shard.group);
    std::printf(
        "  group %u  slots %u-%u  %s\n", shard.group.value(),
        shard.slots.front().first, shard.slots.back().second,
        leader == leaders_.end()
            ? "has no leader yet"
            : absl::StrCat("led by node ", leader->second.value()).c_str());
  }
  // Voting nodes that run.
  std::vector<int> running;
  for (int i = 0; i < options_.nodes; ++i) {
    if (nodes_[i].child.has_value()) running.push_back(i);
  }
  const int first_index = running.empty() ? 0 : running.front();
  const int last_index = running.empty() ? 0 : running.back();
  const QuickstartNode& first = nodes_[first_index].plan;
  const QuickstartNode& last = nodes_[last_index].plan;
  std::printf(
      "\nTry:\n"
      "  redis-cli -p %d set user:1 ada\n"
      "  redis-cli -p %d get user:1\n"
      "  curl -X PUT --data-binary hello http://%s/v1/kv/greeting\n"
      "  curl http://%s/v1/kv/greeting\n"
      "  curl 'http://%s/set?key=a&value=1'\n"
      "  curl 'http://%s/get?key=a'\n",
      options_.port + first_index, options_.port + last_index,
      first.http.c_str(), last.http.c_str(), first.http.c_str(),
      last.http.c_str());
  // With fewer nodes there is no majority without it.
  if (options_.nodes > 2 &&
      running.size() == static_cast<size_t>(options_.nodes)) {
    std::printf("  kill -9 %d   # the other nodes continue\n",
                static_cast<int>(nodes_.front().child->pid()));
  }
  if (!control_program_.empty()) {
    std::printf("  %s --address %s status\n", control_program_.c_str(),
                first.resp_cluster.c_str());
  }
  std::printf("\nCtrl-C stops all nodes; the data stays.\n\n");
  std::fflush(stdout);
}

void Quickstart::Watch() {
  quiet_ = false;
  for (Node& node : nodes_) node.answered = Clock::ReadMono();
  for (const node::ShardConfig& shard : shards_) {
    led_at_[shard.group] = Clock::ReadMono();
  }
  while (!interrupted_) {
    interrupted_ = WaitForSignal(kPollEvery);
    if (interrupted_) return;
    ReapChildren();
    FindAdded();
    AskNodes();
  }
}

std::string Quickstart::RestartCommand(const Node& node) const {
  return program_ + " --config " + node.plan.config_file;
}

void Quickstart::ReapChildren() {
  for (Node& node : nodes_) {
    if (!node.child.has_value()) continue;
    const std::optional<int> status = node.child->Poll();
    if (!status.has_value()) continue;
    node.child.reset();
    node.client.reset();
    node.down = true;
    Event(absl::StrCat("node ", node.plan.id.value(), " ", DescribeEnd(*status),
                       "; restart it with:\n          ", RestartCommand(node)));
  }
}

void Quickstart::AskNodes() {
  std::map<GroupId, Leader> leaders;
  for (Node& node : nodes_) AskNode(node, &leaders);
  for (const node::ShardConfig& shard : shards_) {
    NoteLeader(shard.group, leaders[shard.group].node);
  }
}

void Quickstart::NoteLeader(GroupId group, NodeId leader) {
  const std::string name = absl::StrCat("group ", group.value());
  const MonoTime now = Clock::ReadMono();
  if (leader == NodeId()) {
    if (!quiet_ && now > led_at_[group] + kLeaderlessAfter &&
        leaderless_.insert(group).second) {
      Event(name + " has no leader: its keys cannot be read or written");
    }
    return;
  }
  led_at_[group] = now;
  const auto before = leaders_.find(group);
  const bool changed = before == leaders_.end() || before->second != leader;
  const bool again = leaderless_.erase(group) > 0;
  if (!quiet_ && (changed || again)) {
    Event(absl::StrCat(
        name, again ? " has a leader again: node " : ": node ", leader.value(),
        again ? "" : " leads",
        changed && before != leaders_.end()
            ? absl::StrCat(" (before: node ", before->second.value(), ")")
            : ""));
  }
  leaders_[group] = leader;
}

absl::StatusOr<std::string> Quickstart::InfoOf(Node& node) {
  if (node.client == nullptr) {
    auto client = RespClient::Connect(node.plan.resp, kAskWithin);
    if (!client.ok()) return client.status();
    node.client = *std::move(client);
  }
  const absl::StatusOr<kv::RespValue> reply =
      node.client->Call({"INFO", "groups"});
  if (!reply.ok()) {
    node.client.reset();
    // The next call shows whether the node is gone.
    return absl::AbortedError(std::string(reply.status().message()));
  }
  return reply->text;
}

// A child that ends is reported by ReapChildren.
void Quickstart::OnSilence(Node& node, const absl::Status& why) {
  if (quiet_ || node.down) return;
  const std::string name = absl::StrCat("node ", node.plan.id.value());
  if (!node.child.has_value() && absl::IsUnavailable(why)) {
    node.down = true;
    Event(absl::StrCat(name, " is gone; restart it with:\n          ",
                       RestartCommand(node)));
  } else if (Clock::ReadMono() > node.answered + kSilentAfter) {
    node.down = true;
    Event(absl::StrCat(name, " does not answer; its log is ",
                       node.plan.log_file));
  }
}

void Quickstart::NoteReplica(Node& node, const GroupLine& line) {
  if (quiet_) return;
  const GroupId group(line.group);
  const std::string name = absl::StrCat("node ", node.plan.id.value(),
                                        ": its replica of group ", line.group);
  if (line.status == "ok") {
    if (node.unfit.erase(group) > 0) Event(name + " works again");
    return;
  }
  if (std::exchange(node.unfit[group], line.status) == line.status) return;
  const char* const why =
      line.status == "fenced"   ? " (its data are damaged)"
      : line.status == "halted" ? " (a newer program wrote its log or snapshot)"
      : line.status == "refused" ? " (its data directory is not the one that "
                                   "belongs to the group)"
                                 : " (the disk failed)";
  Event(absl::StrCat(name, " is ", line.status, why, "; the node's log is ",
                     node.plan.log_file));
}

void Quickstart::AskNode(Node& node, std::map<GroupId, Leader>* leaders) {
  const absl::StatusOr<std::string> info = InfoOf(node);
  if (!info.ok()) {
    OnSilence(node, info.status());
    return;
  }
  node.answered = Clock::ReadMono();
  if (std::exchange(node.down, false)) {
    Event(absl::StrCat("node ", node.plan.id.value(), " is back"));
  }
  // Use only what a node reports about itself. An old leader may not know about
  // a new one.
  for (const GroupLine& line : ParseInfoGroups(*info)) {
    NoteReplica(node, line);
    Leader& leader = (*leaders)[GroupId(line.group)];
    if (line.leads() && line.term > leader.term) {
      leader = {.node = node.plan.id, .term = line.term};
    }
  }
}

void Quickstart::StopAll() {
  for (Node& node : nodes_) {
    if (node.child.has_value()) node.child->Signal(SIGTERM);
  }
  for (Node& node : nodes_) {
    if (node.child.has_value()) node.child->Stop(SIGCONT, kStopWithin);
    node.child.reset();
    StopRestarted(node);
  }
}

// A node that the user restarted by hand is not a child of this process.
void Quickstart::StopRestarted(const Node& node) {
  const std::string lock = node.plan.data_dir + "/lock";
  const absl::StatusOr<LockOwner> owner = LockOwner::Find(lock);
  if (absl::IsNotFound(owner.status())) return;
  const std::string name = absl::StrCat("node ", node.plan.id.value());
  if (!owner.ok()) {
    Event(absl::StrCat(name, " runs on and is not stopped: ",
                       std::string(owner.status().message())));
    return;
  }
  const MonoTime limit = Clock::ReadMono() + kStopWithin;
  bool runs = owner->Signal(SIGTERM);
  while (runs && LockHolder(lock).has_value()) {
    usleep(10'000);
    if (Clock::ReadMono() > limit) runs = owner->Signal(SIGKILL);
  }
  if (LockHolder(lock).has_value()) {
    Event(name + " was started again meanwhile, and runs on");
  }
}

void Quickstart::BlockSignals() {
  sigemptyset(&signals_);
  sigaddset(&signals_, SIGCHLD);
  for (const int signal : StopSignals()) sigaddset(&signals_, signal);
  sigprocmask(SIG_BLOCK, &signals_, nullptr);
}

bool Quickstart::WaitForSignal(Duration timeout) {
  const timespec limit = {.tv_sec = timeout.ns() / 1'000'000'000,
                          .tv_nsec = timeout.ns() % 1'000'000'000};
  const int signal = sigtimedwait(&signals_, nullptr, &limit);
  return signal > 0 && signal != SIGCHLD;
}

}  // namespace

int RunQuickstart(const QuickstartOptions& options) {
  QuickstartOptions whole = options;
  absl::StatusOr<std::string> directory = QuickstartDirectory(options.data_dir);
  if (!directory.ok())
    return PrintQuickstartError(directory.status(), kExitUsage);
  whole.data_dir = *directory;
  absl::StatusOr<QuickstartPlan> plan = PlanQuickstart(whole);
  if (!plan.ok()) return PrintQuickstartError(plan.status(), kExitUsage);
  return Quickstart(whole, *std::move(plan)).Run();
}

}  // namespace quorate::net

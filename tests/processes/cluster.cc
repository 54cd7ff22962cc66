#include "tests/processes/cluster.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "env/check.h"
#include "net/event_loop/clock.h"
#include "net/real_env.h"
#include "net/tools/cluster_view.h"
#include "net/tools/resp_client.h"

namespace quorate::tests {
namespace {

constexpr ClusterId kCluster(4242);
constexpr Duration kReadyWithin = Seconds(60);

std::string MakeDirectory() {
  const char* const root = std::getenv("TEST_TMPDIR");
  std::string pattern =
      absl::StrCat(root == nullptr ? "/tmp" : root, "/cluster.XXXXXX");
  CHECK(mkdtemp(pattern.data()) != nullptr);
  return pattern;
}

bool IsFree(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  const bool free = bind(fd, reinterpret_cast<const sockaddr*>(&address),
                         sizeof(address)) == 0;
  close(fd);
  return free;
}

// True if no test that runs now has taken the port. A bound name locks it until
// this process ends, since a node binds it later.
bool TakePort(int port) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const std::string name = absl::StrCat("quorate-test-port-", port);
  sockaddr_un address = {.sun_family = AF_UNIX};
  // The first byte stays 0: the name is that of no file.
  std::copy(name.begin(), name.end(), address.sun_path + 1);
  const bool taken = bind(fd, reinterpret_cast<const sockaddr*>(&address),
                          sizeof(address)) == 0;
  if (!taken) close(fd);
  return taken;
}

}  // namespace

std::vector<int> FreePorts(int count) {
  std::set<int> ports;
  const Random random(net::RandomSeed());
  for (uint64_t draw = 0; static_cast<int>(ports.size()) < count; ++draw) {
    CHECK_LT(draw, 10'000u);
    const int port =
        30'000 + static_cast<int>(random.Below(2'700, "port", 0, draw));
    if (IsFree(port) && TakePort(port)) ports.insert(port);
  }
  return {ports.begin(), ports.end()};
}

ProcessCluster::ProcessCluster(const ProcessClusterOptions& options)
    : cluster_options_(options) {
  options_.data_dir = MakeDirectory();
  options_.nodes = options.nodes;
  options_.groups = options.groups;
  options_.read_replicas = options.read_replicas;
  absl::StatusOr<net::QuickstartPlan> plan = net::PlanQuickstart(options_);
  CHECK(plan.ok()) << plan.status();
  plan_ = *std::move(plan);
  for (net::QuickstartNode& node : plan_.nodes) TakePorts(&node);
  first_plan_ = plan_;
  for (const net::QuickstartNode& node : plan_.nodes) {
    std::ofstream(node.config_file)
        << net::QuickstartToml(options_, plan_, node, kCluster) << "\n"
        << options.more_toml;
  }
  processes_.resize(plan_.nodes.size());
}

// No port is used twice in the life of a cluster.
void ProcessCluster::TakePorts(net::QuickstartNode* node) {
  for (std::string* address : {&node->resp, &node->resp_cluster, &node->http,
                               &node->peer, &node->admin}) {
    int port = 0;
    do {
      port = FreePorts(1)[0];
    } while (!ports_.insert(port).second);
    *address = absl::StrCat("127.0.0.1:", port);
  }
}

void ProcessCluster::Move(int node, const std::vector<std::string>& seeds) {
  CHECK(!runs(node));
  TakePorts(&plan_.nodes[node]);
  net::QuickstartPlan file = first_plan_;
  file.nodes[node] = plan_.nodes[node];
  std::string text = absl::StrCat(
      net::QuickstartToml(options_, file, plan_.nodes[node], kCluster), "\n",
      cluster_options_.more_toml);
  if (!seeds.empty()) {
    moved_together_.insert(node);
    std::string list;
    for (const std::string& seed : seeds) {
      absl::StrAppend(&list, list.empty() ? "" : ", ", "\"", seed, "\"");
    }
    text = absl::StrReplaceAll(
        text, {{"[node]\n", absl::StrCat("[node]\nseeds = [", list, "]\n")}});
  }
  std::ofstream(plan_.nodes[node].config_file) << text;
}

ProcessCluster::~ProcessCluster() {
  processes_.clear();
  std::error_code ignored;
  std::filesystem::remove_all(options_.data_dir, ignored);
}

absl::Status ProcessCluster::Launch(int node,
                                    const std::vector<std::string>& flags) {
  absl::StatusOr<std::string> program = net::FindProgram("quorated");
  if (!program.ok()) return program.status();
  net::ChildOptions child;
  child.command = {*program, "--config", plan_.nodes[node].config_file,
                   absl::StrCat("--exit-with-parent=", getpid())};
  child.command.insert(child.command.end(), flags.begin(), flags.end());
  child.log_file = plan_.nodes[node].log_file;
  for (const auto& [name, value] : cluster_options_.environment) {
    child.environment[name] =
        absl::StrReplaceAll(value, {{"%n", absl::StrCat(node + 1)}});
  }
  absl::StatusOr<net::ChildProcess> process = net::ChildProcess::Start(child);
  if (!process.ok()) return process.status();
  processes_[node].emplace(*std::move(process));
  return absl::OkStatus();
}

absl::Status ProcessCluster::AwaitReady(int node) {
  const MonoTime limit = net::Clock::ReadMono() + kReadyWithin;
  while (net::Clock::ReadMono() < limit) {
    const absl::StatusOr<std::string> line =
        processes_[node]->ReadLine(Milliseconds(500));
    if (line.ok() && line->starts_with("ready:")) return absl::OkStatus();
    if (absl::IsOutOfRange(line.status())) break;
  }
  return absl::UnavailableError(absl::StrCat(
      "node ", node + 1, " does not serve; its log:\n", LogTail(node)));
}

absl::Status ProcessCluster::StartAll() {
  std::vector<int> started;
  for (int node = 0; node < size(); ++node) {
    if (runs(node)) continue;
    std::vector<std::string> options;
    if (!bootstrapped_) options.push_back("--bootstrap");
    if (!bootstrapped_ && size() == 1) options.push_back("--alone");
    if (moved_together_.contains(node)) options.push_back("--moved");
    absl::Status launched = Launch(node, std::move(options));
    if (!launched.ok()) return launched;
    started.push_back(node);
  }
  for (const int node : started) {
    absl::Status ready = AwaitReady(node);
    if (!ready.ok()) return ready;
  }
  bootstrapped_ = true;
  return absl::OkStatus();
}

void ProcessCluster::Kill(int node, int signal) {
  if (!runs(node)) return;
  processes_[node]->Stop(signal, Seconds(30));
  processes_[node].reset();
}

absl::Status ProcessCluster::Join(const std::string& answer) {
  const auto json = nlohmann::json::parse(answer);
  const NodeId id(json["id"].get<uint32_t>());
  const int node = static_cast<int>(id.value()) - 1;
  if (node >= size()) {
    CHECK_EQ(node, size());
    plan_.nodes.push_back(net::QuickstartNodeOf(options_, id));
    TakePorts(&plan_.nodes[node]);
    first_plan_.nodes.push_back(plan_.nodes[node]);
    std::ofstream(plan_.nodes[node].config_file)
        << net::AddedNodeToml(plan_.nodes[node], kCluster) << "\n"
        << cluster_options_.more_toml;
    processes_.resize(plan_.nodes.size());
  }
  std::filesystem::remove_all(plan_.nodes[node].data_dir);
  const std::vector<std::string> seeds = json["seeds"];
  absl::Status launched =
      Launch(node, {"--join", absl::StrJoin(seeds, ","), "--token",
                    json["token"].get<std::string>()});
  return launched.ok() ? AwaitReady(node) : launched;
}

void ProcessCluster::LoseDisk(int node) {
  CHECK(!runs(node));
  const std::string& path = plan_.nodes[node].data_dir;
  std::filesystem::rename(path, path + ".lost");
}

void ProcessCluster::FindDisk(int node) {
  CHECK(!runs(node));
  const std::string& path = plan_.nodes[node].data_dir;
  std::filesystem::rename(path + ".lost", path);
}

std::vector<int> ProcessCluster::StopAll() {
  for (auto& process : processes_) {
    if (process.has_value()) process->Signal(SIGTERM);
  }
  std::vector<int> statuses;
  for (auto& process : processes_) {
    if (!process.has_value()) continue;
    statuses.push_back(process->Stop(SIGCONT, Seconds(60)));
    process.reset();
  }
  return statuses;
}

std::optional<int> ProcessCluster::LeaderOf(uint16_t slot) {
  for (int i = 0; i < size(); ++i) {
    if (!runs(i)) continue;
    const std::string& address = node(i).resp_cluster;
    auto client = net::RespClient::Connect(address, Seconds(2));
    if (!client.ok()) continue;
    const auto reply = (*client)->Call({"CLUSTER", "SLOTS"});
    if (!reply.ok()) continue;
    const auto ranges = net::ParseClusterSlots(*reply);
    if (ranges.ok() && net::MasterOf(*ranges, slot) == address) return i;
  }
  return std::nullopt;
}

absl::Status ProcessCluster::AwaitLeaders(Duration limit) {
  const MonoTime end = net::Clock::ReadMono() + limit;
  while (true) {
    std::set<uint32_t> led;
    for (int i = 0; i < size(); ++i) {
      if (!runs(i)) continue;
      auto client = net::RespClient::Connect(node(i).resp, Seconds(2));
      if (!client.ok()) continue;
      const auto info = (*client)->Call({"INFO", "groups"});
      if (!info.ok()) continue;
      for (const net::GroupLine& line : net::ParseInfoGroups(info->text)) {
        // The controller's group has the greatest id.
        if (line.leads() && std::cmp_less_equal(line.group, options_.groups)) {
          led.insert(line.group);
        }
      }
    }
    if (static_cast<int>(led.size()) == options_.groups) {
      return absl::OkStatus();
    }
    if (net::Clock::ReadMono() > end) {
      return absl::DeadlineExceededError(absl::StrCat("only ", led.size(),
                                                      " of ", options_.groups,
                                                      " groups have leaders"));
    }
    usleep(20'000);
  }
}

std::string ProcessCluster::LogTail(int node) const {
  std::ifstream in(plan_.nodes[node].log_file);
  const std::string text((std::istreambuf_iterator<char>(in)),
                         std::istreambuf_iterator<char>());
  return text.size() > 4000 ? text.substr(text.size() - 4000) : text;
}

}  // namespace quorate::tests

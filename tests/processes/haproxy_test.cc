// HAProxy with the configuration of examples/haproxy in front of three nodes of
// four. Clients write and read through it while slots move, a node is drained
// and taken out, and a node is killed.
#include <signal.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"
#include "net/event_loop/clock.h"
#include "net/tools/blocking_socket.h"
#include "net/tools/child_process.h"
#include "net/tools/member_verbs.h"
#include "net/tools/resp_client.h"
#include "tests/processes/balanced_clients.h"
#include "tests/processes/cluster.h"

namespace quorate::tests {
namespace {

constexpr char kProgram[] = "/usr/sbin/haproxy";
constexpr char kConfiguration[] = "examples/haproxy/haproxy.cfg";
constexpr int kBalanced = 3;
constexpr uint64_t kRounds = 10;
// After a kill, the time in which nodes and HAProxy notice it.
constexpr Duration kMoment = Seconds(3);
// Leaders of a busy machine may take longer than the default.
constexpr char kPatience[] = "[timeouts]\nleader_wait_ms = 30000\n";

std::string PortOf(const std::string& address) {
  return address.substr(address.rfind(':') + 1);
}

class HaproxyTest : public testing::Test {
 protected:
  void SetUp() override {
    if (access(kProgram, X_OK) != 0) {
      GTEST_SKIP() << "HAProxy is not installed: apt-get install haproxy";
    }
    cluster_.emplace(
        ProcessClusterOptions{.nodes = 4, .groups = 3, .more_toml = kPatience});
    ASSERT_EQ(cluster_->StartAll(), absl::OkStatus());
    ASSERT_EQ(cluster_->AwaitLeaders(Seconds(60)), absl::OkStatus());
    for (const uint32_t group : {1, 2, 3}) {
      const net::ControlAnswer set =
          net::SetGroup(Options(), group, {.replicas = 3});
      ASSERT_EQ(set.exit_status, 0) << set.error;
    }
    ASSERT_NO_FATAL_FAILURE(StartBalancer());
    // Until then one failed check is enough for HAProxy.
    for (int node = 0; node < kBalanced; ++node) {
      ASSERT_NO_FATAL_FAILURE(AwaitStat(node, "L7OK"));
    }
    clients_.emplace(BalancedClientsOptions{.resp = resp_, .http = http_});
    ASSERT_TRUE(clients_->AwaitRounds(kRounds)) << clients_->wrong();
    ExpectNoErrors();
  }

  // The addresses of the example become those of the cluster.
  void StartBalancer() {
    std::ifstream example(kConfiguration);
    std::string text((std::istreambuf_iterator<char>(example)),
                     std::istreambuf_iterator<char>());
    const std::vector<int> ports = FreePorts(3);
    resp_ = absl::StrCat("127.0.0.1:", ports[0]);
    http_ = absl::StrCat("127.0.0.1:", ports[1]);
    commands_ = absl::StrCat("127.0.0.1:", ports[2]);
    std::vector<std::pair<std::string, std::string>> changes = {
        {"127.0.0.1:6379", resp_},
        {"127.0.0.1:8080", http_},
        {"/tmp/quorate-haproxy.sock mode 600", "ipv4@" + commands_}};
    for (int i = 0; i < kBalanced; ++i) {
      const net::QuickstartNode& node = cluster_->node(i);
      changes.emplace_back(absl::StrCat("127.0.0.1:", 7001 + i), node.resp);
      changes.emplace_back(absl::StrCat("127.0.0.1:", 8001 + i), node.http);
      changes.emplace_back(absl::StrCat("port ", 8001 + i),
                           "port " + PortOf(node.http));
    }
    for (const auto& [from, to] : changes) {
      ASSERT_NE(text.find(from), std::string::npos) << from;
    }
    const std::string path = cluster_->directory() + "/haproxy.cfg";
    std::ofstream(path) << absl::StrReplaceAll(text, changes);
    auto process = net::ChildProcess::Start({.command = {kProgram, "-f", path},
                                             .log_file = path + ".log",
                                             .log_output = true,
                                             .kill_with_parent = true});
    ASSERT_TRUE(process.ok()) << process.status();
    balancer_.emplace(*std::move(process));
    const MonoTime end = net::Clock::ReadMono() + Seconds(30);
    for (const std::string& address : {resp_, http_, commands_}) {
      while (!net::BlockingSocket::Connect(address, Seconds(5)).ok()) {
        ASSERT_LT(net::Clock::ReadMono(), end) << "HAProxy does not listen";
        usleep(10'000);
      }
    }
  }

  // Sends a line to HAProxy's socket and returns the answer.
  std::string Command(const std::string& line) {
    auto socket = net::BlockingSocket::Connect(commands_, Seconds(10));
    if (!socket.ok() || !socket->SendAll(line + "\n").ok()) return "no answer";
    std::string answer;
    while (socket->Receive(&answer).ok()) {
    }
    return answer;
  }
  void SetState(int node, const std::string& state) {
    for (const std::string backend : {"redis", "http"}) {
      EXPECT_EQ(Command(absl::StrCat("set server ", backend, "/node", node + 1,
                                     " state ", state)),
                "\n");
    }
  }

  void ExpectNoErrors() {
    EXPECT_EQ(clients_->wrong(), "");
    for (const ClientError& error : clients_->TakeErrors()) {
      ADD_FAILURE() << "port " << error.node << ": " << error.text;
    }
  }

  // Waits until HAProxy's statistics have the word for the node: DOWN, or L7OK
  // after a check that succeeded.
  void AwaitStat(int node, const std::string& word) {
    const MonoTime end = net::Clock::ReadMono() + Seconds(60);
    for (const std::string backend : {"redis", "http"}) {
      const std::string row =
          absl::StrCat("\n", backend, ",node", node + 1, ",");
      bool found = false;
      while (!found) {
        usleep(10'000);
        const std::string stat = Command("show stat");
        const size_t begin = stat.find(row) + 1;
        found = absl::StrContains(
            stat.substr(begin, stat.find('\n', begin) - begin),
            "," + word + ",");
        ASSERT_LT(net::Clock::ReadMono(), end) << stat;
      }
    }
  }

  // Waits until HAProxy sends new connections to the node, or no client is on
  // it.
  void AwaitClients(int node, bool some) {
    const std::string port = PortOf(cluster_->node(node).resp);
    const MonoTime end = net::Clock::ReadMono() + Seconds(60);
    while (clients_->ClientsOfNodes().contains(port) != some) {
      ASSERT_LT(net::Clock::ReadMono(), end) << "node " << node + 1;
      ASSERT_TRUE(clients_->AwaitRounds(1)) << clients_->wrong();
    }
  }

  net::VerbOptions Options() {
    return {.control = {.addresses = {cluster_->node(3).resp_cluster}},
            .say = ignore_,
            .progress = ignore_,
            .interrupted = never_};
  }

  std::optional<ProcessCluster> cluster_;
  std::optional<net::ChildProcess> balancer_;
  std::string resp_;
  std::string http_;
  std::string commands_;
  std::optional<BalancedClients> clients_;

 private:
  void (*const ignore_)(const std::string&) = [](const std::string&) {};
  bool (*const never_)() = [] { return false; };
};

TEST_F(HaproxyTest, MovesAndDrains_CauseNoError) {
  for (const auto& [from, to] : {std::pair(1u, 2u), {2u, 3u}, {3u, 1u}}) {
    const net::ControlAnswer moved =
        net::MoveSlots(Options(), {.to = to, .from = from, .count = 2'000});
    EXPECT_EQ(moved.exit_status, 0) << moved.error;
  }
  ASSERT_TRUE(clients_->AwaitRounds(kRounds)) << clients_->wrong();
  ExpectNoErrors();
  // The third node gives its replicas to the fourth, and serves as a router.
  const net::ControlAnswer drained = net::ChangeNode(Options(), "drain", 3);
  EXPECT_EQ(drained.exit_status, 0) << drained.error;
  clients_->ConnectAgain();
  ASSERT_NO_FATAL_FAILURE(AwaitClients(2, true));
  ASSERT_TRUE(clients_->AwaitRounds(kRounds)) << clients_->wrong();
  ExpectNoErrors();
  // HAProxy takes it out, clients connect elsewhere, and it stops.
  SetState(2, "drain");
  clients_->ConnectAgain();
  ASSERT_NO_FATAL_FAILURE(AwaitClients(2, false));
  cluster_->Kill(2, SIGTERM);
  ASSERT_TRUE(clients_->AwaitRounds(kRounds)) << clients_->wrong();
  ExpectNoErrors();
  ASSERT_NO_FATAL_FAILURE(AwaitStat(2, "DOWN"));
  ASSERT_EQ(cluster_->StartAll(), absl::OkStatus());
  SetState(2, "ready");
  clients_->ConnectAgain();
  ASSERT_NO_FATAL_FAILURE(AwaitClients(2, true));
  clients_->Stop();
  ExpectNoErrors();
}

// Commands on the node's own connections have no answer then. Writes that other
// nodes had forwarded to it have an honest error.
TEST_F(HaproxyTest, KilledNode_CostsOnlyCommandsUnderWay) {
  const std::string port = PortOf(cluster_->node(0).resp);
  EXPECT_TRUE(clients_->ClientsOfNodes().contains(port));
  cluster_->Kill(0, SIGKILL);
  const MonoTime killed = net::Clock::ReadMono();
  ASSERT_TRUE(clients_->AwaitRounds(kRounds)) << clients_->wrong();
  // HAProxy ends the connections of a node when it finds it down, so a node
  // that started earlier would lose some.
  ASSERT_NO_FATAL_FAILURE(AwaitStat(0, "DOWN"));
  ASSERT_EQ(cluster_->StartAll(), absl::OkStatus());
  ASSERT_NO_FATAL_FAILURE(AwaitClients(0, true));
  ASSERT_TRUE(clients_->AwaitRounds(kRounds)) << clients_->wrong();
  clients_->Stop();
  EXPECT_EQ(clients_->wrong(), "");
  std::set<int> lost;
  for (const ClientError& error : clients_->TakeErrors()) {
    SCOPED_TRACE(absl::StrCat("client ", error.client, ", port ", error.node,
                              ", ", (error.begun - killed).ms(),
                              " ms after the kill: ", error.text));
    EXPECT_LT(error.begun - killed, kMoment);
    if (error.lost) {
      // A connection that the system accepted for the ending node has no port.
      EXPECT_TRUE(error.node == port || error.node.empty());
      EXPECT_TRUE(error.node.empty() || lost.insert(error.client).second)
          << "twice";
    } else {
      EXPECT_TRUE(error.text.starts_with("UNKNOWN") ||
                  error.text.starts_with("502") ||
                  error.text.starts_with("504"));
    }
  }
  EXPECT_FALSE(lost.empty());
}

}  // namespace
}  // namespace quorate::tests

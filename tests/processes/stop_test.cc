// Nodes stop (SIGTERM) one after the other while clients of the other nodes
// write. No client is refused or loses its connection. An election without a
// transfer of the leadership would take longer than a node holds a request.
//
// A leader that hangs (SIGSTOP) holds no client of another node up for longer
// than an election.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "net/tools/resp_client.h"
#include "tests/processes/cluster.h"

namespace quorate::tests {
namespace {

constexpr const char* kLongElections =
    "[raft]\nelection_timeout_ms = 4000\n\n"
    "[timeouts]\nleader_wait_ms = 2000\n";
// A leader that hangs for ever would answer no forwarded request for this time.
constexpr const char* kPatientNodes = "[timeouts]\nproxy_ms = 600000\n";
constexpr int kWritersOfANode = 3;
constexpr uint64_t kProgress = 300;

// Clients in threads, each with a connection to one node. They write and read
// keys of all groups.
class Clients {
 public:
  explicit Clients(const std::vector<std::string>& addresses,
                   bool unknown_allowed = false)
      : unknown_allowed_(unknown_allowed) {
    for (const std::string& address : addresses) {
      for (int i = 0; i < kWritersOfANode; ++i) {
        std::atomic<uint64_t>& answered = answered_.emplace_back(0);
        threads_.emplace_back(
            [this, address, i, &answered] { Run(address, i, &answered); });
      }
    }
  }
  ~Clients() { Stop(); }
  void Stop() {
    stopping_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }
  // The answers of all clients, or of the one with the fewest.
  uint64_t answered() const {
    uint64_t sum = 0;
    for (const auto& count : answered_) sum += count;
    return sum;
  }
  uint64_t answered_least() const {
    return *std::min_element(answered_.begin(), answered_.end());
  }
  // The first answer that was neither OK nor the value, and its address.
  std::string complaint() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return complaint_;
  }

 private:
  void Run(const std::string& address, int number,
           std::atomic<uint64_t>* answered) {
    auto client = net::RespClient::Connect(address, Seconds(20));
    if (!client.ok()) return Complain(address, client.status().ToString());
    for (int i = 0; !stopping_; ++i) {
      const std::string key = absl::StrCat(address, "-", number, "-", i % 50);
      const std::string value = absl::StrCat(i);
      bool unknown = false;  // The SET may have had no effect.
      for (const auto& command :
           {std::vector<std::string_view>{"SET", key, value},
            std::vector<std::string_view>{"GET", key}}) {
        const auto reply = (*client)->Call(command);
        if (!reply.ok()) return Complain(address, reply.status().ToString());
        unknown |= reply->text.starts_with("UNKNOWN");
        if (reply->text != "OK" && reply->text != value &&
            !(unknown && unknown_allowed_)) {
          return Complain(address, reply->text);
        }
        ++*answered;
      }
    }
  }
  void Complain(const std::string& address, const std::string& what) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (complaint_.empty()) complaint_ = address + ": " + what;
  }

  const bool unknown_allowed_;
  std::atomic<bool> stopping_ = false;
  std::deque<std::atomic<uint64_t>> answered_;  // Of each client.
  mutable std::mutex mutex_;
  std::string complaint_;
  std::vector<std::thread> threads_;
};

void AwaitProgress(const Clients& clients) {
  const uint64_t before = clients.answered();
  for (int i = 0; clients.answered() < before + kProgress; ++i) {
    ASSERT_EQ(clients.complaint(), "");
    ASSERT_LT(i, 6'000) << "no progress in a minute";
    usleep(10'000);
  }
}

std::string LogTails(const ProcessCluster& cluster) {
  std::string logs;
  for (int node = 0; node < cluster.size(); ++node) {
    absl::StrAppend(&logs, "node ", node + 1, ":\n", cluster.LogTail(node),
                    "\n");
  }
  return logs;
}

TEST(RollingRestart, ClientsOfOtherNodes_SeeNoError) {
  ProcessCluster cluster({.more_toml = kLongElections});
  absl::Status status = cluster.StartAll();
  ASSERT_TRUE(status.ok()) << status;
  status = cluster.AwaitLeaders(Seconds(60));
  ASSERT_TRUE(status.ok()) << status;
  for (int node = 0; node < cluster.size(); ++node) {
    SCOPED_TRACE(absl::StrCat("node ", node + 1));
    std::vector<std::string> others;
    for (int i = 0; i < cluster.size(); ++i) {
      if (i != node) others.push_back(cluster.node(i).resp);
    }
    Clients clients(others);
    ASSERT_NO_FATAL_FAILURE(AwaitProgress(clients));
    cluster.Kill(node, SIGTERM);
    AwaitProgress(clients);
    ASSERT_FALSE(HasFatalFailure()) << LogTails(cluster);
    status = cluster.StartAll();
    ASSERT_TRUE(status.ok()) << status;
    ASSERT_NO_FATAL_FAILURE(AwaitProgress(clients));
    clients.Stop();
    ASSERT_EQ(clients.complaint(), "") << LogTails(cluster);
  }
}

// A client that waits for the leader that hangs ends with a complaint after 20
// seconds.
TEST(LeaderThatHangs, ClientsOfOtherNodes_AreAnsweredMeanwhile) {
  ProcessCluster cluster({.groups = 1, .more_toml = kPatientNodes});
  absl::Status status = cluster.StartAll();
  ASSERT_TRUE(status.ok()) << status;
  status = cluster.AwaitLeaders(Seconds(60));
  ASSERT_TRUE(status.ok()) << status;
  const std::optional<int> leader = cluster.LeaderOf(0);
  ASSERT_TRUE(leader.has_value());
  std::vector<std::string> others;
  for (int i = 0; i < cluster.size(); ++i) {
    if (i != *leader) others.push_back(cluster.node(i).resp);
  }
  Clients clients(others, /*unknown_allowed=*/true);
  ASSERT_NO_FATAL_FAILURE(AwaitProgress(clients));
  cluster.Signal(*leader, SIGSTOP);
  const uint64_t before = clients.answered();
  for (int i = 0; clients.answered_least() < before + 10; ++i) {
    ASSERT_EQ(clients.complaint(), "") << LogTails(cluster);
    ASSERT_LT(i, 6'000) << "no progress in a minute";
    usleep(10'000);
  }
  cluster.Signal(*leader, SIGCONT);
  ASSERT_NO_FATAL_FAILURE(AwaitProgress(clients));
  clients.Stop();
  EXPECT_EQ(clients.complaint(), "") << LogTails(cluster);
}

}  // namespace
}  // namespace quorate::tests

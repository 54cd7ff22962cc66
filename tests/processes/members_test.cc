// Operators change the members of a cluster of real processes by quoratectl's
// verbs, and clients of every node are served meanwhile.
#include <signal.h>

#include <atomic>
#include <string>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "net/event_loop/clock.h"
#include "net/tools/control.h"
#include "net/tools/member_verbs.h"
#include "net/tools/resp_client.h"
#include "tests/processes/cluster.h"

namespace quorate::tests {
namespace {

// Counts up through one node until it is stopped. Every answer must be the next
// number. A leader that is killed may have counted without an answer.
class Counting {
 public:
  explicit Counting(std::string address)
      : address_(std::move(address)), thread_([this] { Run(); }) {}
  ~Counting() { Stop(); }
  void Stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  int64_t count() const { return count_; }
  // Empty: no answer was wrong.
  const std::string& error() const { return error_; }

 private:
  void Run() {
    auto client = net::RespClient::Connect(address_, Seconds(10));
    if (!client.ok()) {
      error_ = client.status().ToString();
      return;
    }
    int64_t unknown = 0;
    while (!stop_ && error_.empty()) {
      const auto reply = (*client)->Call({"INCR", "counted"});
      if (!reply.ok()) {
        error_ = reply.status().ToString();
      } else if (absl::StartsWith(reply->text, "UNKNOWN")) {
        ++unknown;
      } else if (reply->integer <= count_ ||
                 reply->integer > count_ + 1 + unknown) {
        error_ = absl::StrCat("after ", count_.load(), " and ", unknown,
                              " unknown: ", reply->integer, " ", reply->text);
      } else {
        count_ = reply->integer;
        unknown = 0;
      }
    }
  }

  const std::string address_;
  std::atomic<bool> stop_ = false;
  std::atomic<int64_t> count_ = 0;
  std::string error_;
  std::thread thread_;
};

class MembersTest : public testing::Test {
 protected:
  void Begin(const ProcessClusterOptions& options) {
    cluster_ = std::make_unique<ProcessCluster>(options);
    ASSERT_TRUE(cluster_->StartAll().ok());
    ASSERT_TRUE(cluster_->AwaitLeaders(Seconds(30)).ok());
  }
  net::VerbOptions Options(bool json = false) {
    return {
        .control = {.address = cluster_->node(2).resp_cluster, .json = json},
        .progress = ignore_,
        .interrupted = never_};
  }
  std::string Get(int node) {
    return net::RunGet({.address = cluster_->node(node).resp}, "k").out;
  }
  // Waits until the list of the verb has the text.
  std::string Await(net::ControlAnswer (*list)(const net::VerbOptions&),
                    const std::string& text) {
    const MonoTime end = net::Clock::ReadMono() + Seconds(60);
    net::ControlAnswer answer;
    while (net::Clock::ReadMono() < end) {
      answer = list(Options());
      if (absl::StrContains(answer.out, text)) return "";
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    return absl::StrCat("no ", text, " in\n", answer.out, answer.error);
  }

  std::unique_ptr<ProcessCluster> cluster_;

 private:
  void (*const ignore_)(const std::string&) = [](const std::string&) {};
  bool (*const never_)() = [] { return false; };
};

TEST_F(MembersTest, Drain_IsRefusedUntilTheGroupsNeedFewerReplicas) {
  Begin({.nodes = 4, .groups = 2});
  EXPECT_EQ(net::RunSet({.address = cluster_->node(3).resp}, "k", "v").out,
            "OK\n");
  ASSERT_EQ(Await(net::ListNodes, cluster_->node(3).peer), "");
  const net::ControlAnswer refused = net::ChangeNode(Options(), "drain", 4);
  EXPECT_EQ(refused.exit_status, 4) << refused.out;
  EXPECT_TRUE(absl::StrContains(refused.error, "3 of 4 replicas"))
      << refused.error;
  for (const uint32_t group : {1u, 2u}) {
    const net::ControlAnswer set = net::SetGroup(Options(), group, 3);
    EXPECT_EQ(set.exit_status, 0) << set.error;
  }
  for (int i = 0; i < 2; ++i) {
    const net::ControlAnswer drained = net::ChangeNode(Options(), "drain", 4);
    EXPECT_EQ(drained.exit_status, 0) << drained.error;
  }
  EXPECT_EQ(Get(3), "v\n") << "it goes on as a router";
  const net::ControlAnswer groups = net::ListGroups(Options());
  EXPECT_TRUE(absl::StrContains(groups.out, "1,2,3")) << groups.out;
}

// A client counts through node 3 meanwhile. The cluster grows to four nodes,
// node 1 is drained, and node 2 loses its disk.
TEST_F(MembersTest, NodesJoinDrainAndAreReplaced_AndNoAnswerIsWrong) {
  Begin({.nodes = 3, .groups = 3});
  EXPECT_EQ(net::RunSet({.address = cluster_->node(0).resp}, "k", "v").out,
            "OK\n");
  Counting counting(cluster_->node(2).resp);
  const net::ControlAnswer added = net::AddNode(Options(true), {.zone = "b"});
  ASSERT_EQ(added.exit_status, 0) << added.error;
  ASSERT_EQ(cluster_->Join(added.out), absl::OkStatus());
  EXPECT_EQ(Get(3), "v\n");
  const net::ControlAnswer drained = net::ChangeNode(Options(), "drain", 1);
  EXPECT_EQ(drained.exit_status, 0) << drained.error;
  cluster_->Kill(1, SIGKILL);
  const net::ControlAnswer replaced =
      net::ChangeNode(Options(true), "replace", 2);
  ASSERT_EQ(replaced.exit_status, 0) << replaced.error;
  ASSERT_EQ(cluster_->Join(replaced.out), absl::OkStatus());
  EXPECT_EQ(Get(1), "v\n");
  const net::ControlAnswer removed = net::RemoveNode(Options(), 1, false);
  EXPECT_EQ(removed.exit_status, 0) << removed.error;
  EXPECT_EQ(Await(net::ListGroups, "2,3,4"), "");
  counting.Stop();
  EXPECT_EQ(counting.error(), "");
  EXPECT_GT(counting.count(), 100);
}

}  // namespace
}  // namespace quorate::tests

// Memory of requests that are not handled yet: the budget of all connections,
// the time limit of incomplete requests, and watched keys.
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "node/base/text.h"
#include "node/connections/metrics.h"
#include "node/testing/test_cluster.h"

namespace quorate::node {
namespace {

constexpr size_t kLimit = 1 << 20;
constexpr std::string_view kRefused =
    "the node holds more than 1048576 bytes of unfinished requests "
    "(limits.query_total_bytes)";

void SmallInput(Config& config) { config.limits.query_total_bytes = kLimit; }

int64_t Held(TestCluster& cluster) {
  return cluster.Metric(0, "quorate_input_held_bytes");
}

int64_t Refused(TestCluster& cluster) {
  return cluster.Metric(0,
                        "quorate_connections_closed_total{reason=\"input\"}");
}

class InputTest : public ::testing::Test {
 protected:
  InputTest() : cluster_({.adjust = SmallInput}) {
    EXPECT_TRUE(cluster_.AwaitLeaders());
  }

  void RunFor(Duration time) { cluster_.world().RunFor(time); }

  TestCluster cluster_;
};

// The beginning of SET with a value of `size` bytes, without its last byte.
std::string AlmostWhole(std::string_view key, size_t size) {
  std::string request = EncodeRequest({"SET", key, std::string(size, 'v')});
  request.resize(request.size() - 3);
  return request;
}

// Each word of a queued command has memory beside its bytes.
TEST_F(InputTest, QueuedCommands_CountTheMemoryOfTheirWords) {
  auto client = cluster_.ConnectResp(0);
  constexpr int kCommands = 500;
  std::string requests = EncodeRequest({"MULTI"});
  for (int i = 0; i < kCommands; ++i) {
    requests += EncodeRequest({"MSET", "a", "1", "a", "2", "a", "3"});
  }
  cluster_.Call(*client, requests, kCommands + 1);
  EXPECT_GE(Held(cluster_), int64_t{kCommands} * 7 *
                                static_cast<int64_t>(sizeof(std::string_view)));
  EXPECT_EQ(cluster_.Command(*client, {"DISCARD"}), "+OK\r\n");
  EXPECT_EQ(Held(cluster_), 0);
}

TEST_F(InputTest, IncompleteRequestsBeyondTheBudget_TheSlowOnesAreClosed) {
  std::vector<std::unique_ptr<TestClient>> slow;
  for (int i = 0; i < 40; ++i) {
    slow.push_back(cluster_.ConnectResp(0));
    slow.back()->Send(AlmostWhole("slow", 100'000));
    RunFor(Milliseconds(100));
    ASSERT_LE(Held(cluster_), int64_t{kLimit});
  }
  auto fast = cluster_.ConnectResp(0);
  const std::string large(400'000, 'v');
  EXPECT_EQ(cluster_.Command(*fast, {"SET", "fast", large}), "+OK\r\n");
  EXPECT_FALSE(fast->closed());
  int closed = 0;
  for (const auto& client : slow) {
    if (!client->closed()) continue;
    ++closed;
    EXPECT_NE(client->received().find(Concat("-TRYAGAIN ", kRefused)),
              std::string::npos)
        << client->received();
  }
  EXPECT_GE(closed, 30);
  EXPECT_EQ(Refused(cluster_), closed);
  // The requests that are left can be completed.
  EXPECT_FALSE(slow.back()->closed());
  EXPECT_EQ(cluster_.Call(*slow.back(), "v\r\n"), "+OK\r\n");
  slow.clear();
  RunFor(Seconds(3));
  EXPECT_EQ(Held(cluster_), 0);
}

TEST_F(InputTest, IncompleteBodiesOfHttp_AreInTheSameBudget) {
  std::vector<std::unique_ptr<TestClient>> slow;
  for (int i = 0; i < 6; ++i) {
    slow.push_back(cluster_.ConnectHttp(0));
    slow.back()->Send(Concat(
        "PUT /v1/kv/a HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n",
        std::string(290'000, 'v')));
    RunFor(Milliseconds(100));
    ASSERT_LE(Held(cluster_), int64_t{kLimit});
  }
  EXPECT_TRUE(slow.front()->closed());
  EXPECT_EQ(slow.front()->received().substr(0, 12), "HTTP/1.1 503");
  EXPECT_NE(slow.front()->received().find(kRefused), std::string::npos);
  // A RESP client meets the same budget: an older body makes room for it.
  auto fast = cluster_.ConnectResp(0);
  const std::string large(400'000, 'v');
  EXPECT_EQ(cluster_.Command(*fast, {"SET", "fast", large}), "+OK\r\n");
}

TEST_F(InputTest, CommandsThatWaitForExec_AreInTheBudget) {
  std::vector<std::unique_ptr<TestClient>> open;
  for (int i = 0; i < 8; ++i) {
    open.push_back(cluster_.ConnectResp(0));
    EXPECT_EQ(cluster_.Command(*open.back(), {"MULTI"}), "+OK\r\n");
    cluster_.Command(*open.back(), {"SET", "a", std::string(250'000, 'v')});
    ASSERT_LE(Held(cluster_), int64_t{kLimit});
  }
  EXPECT_TRUE(open.front()->closed());
  EXPECT_EQ(cluster_.Command(*open.back(), {"EXEC"}), "*1\r\n+OK\r\n");
}

TEST_F(InputTest, LongNamesOfConnections_AreRefused) {
  auto client = cluster_.ConnectResp(0);
  const std::string longest(512, 'n');
  const std::string longer(513, 'n');
  const auto rest = " cannot be longer than 512 bytes.\r\n";
  EXPECT_EQ(cluster_.Command(*client, {"CLIENT", "SETNAME", longest}),
            "+OK\r\n");
  EXPECT_EQ(cluster_.Command(*client, {"CLIENT", "SETNAME", longer}),
            Concat("-ERR Client names", rest));
  EXPECT_EQ(cluster_.Command(*client, {"HELLO", "2", "SETNAME", longer}),
            Concat("-ERR Client names", rest));
  for (const std::string_view fact : {"lib-name", "lib-ver"}) {
    EXPECT_EQ(cluster_.Command(*client, {"CLIENT", "SETINFO", fact, longest}),
              "+OK\r\n");
    EXPECT_EQ(cluster_.Command(*client, {"CLIENT", "SETINFO", fact, longer}),
              Concat("-ERR ", fact, rest));
  }
  EXPECT_EQ(cluster_.Command(*client, {"CLIENT", "GETNAME"}),
            Concat("$512\r\n", longest, "\r\n"));
}

// Requests of which only the reply is left. Their group has no leader.
class WaitingTest : public ::testing::Test {
 protected:
  WaitingTest()
      : cluster_({.nodes = 2, .adjust = [](Config& config) {
                    config.timeouts.leader_wait = Seconds(60);
                  }}) {
    EXPECT_TRUE(cluster_.AwaitLeaders());
    cluster_.Crash(1);
    // The leader notices that it has lost its majority.
    cluster_.world().RunFor(Seconds(10));
  }

  int64_t HeldReplies() {
    return cluster_.Metric(0, "quorate_output_held_bytes");
  }

  TestCluster cluster_;
};

TEST_F(WaitingTest, TargetsOfRedirects_CountUntilTheReply) {
  constexpr size_t kTargetBytes = 15'000;
  const std::string key(kTargetBytes, 'x');
  auto client = cluster_.ConnectHttp(0);
  std::string requests;
  for (int i = 0; i < 10; ++i) {
    requests +=
        Concat("GET /v1/kv/", key, "?redirect HTTP/1.1\r\nHost: a\r\n\r\n");
  }
  client->Send(requests);
  cluster_.world().RunFor(Seconds(1));
  EXPECT_GT(cluster_.Metric(0, "quorate_held_requests{group=\"1\"}"), 0);
  EXPECT_GE(HeldReplies() + Held(cluster_),
            static_cast<int64_t>(10 * kTargetBytes));
  cluster_.Restart(1);
  cluster_.world().RunFor(Seconds(20));
  const std::string& replies = client->received();
  size_t count = 0;
  for (size_t at = 0; (at = replies.find("HTTP/1.1 ", at)) != std::string::npos;
       ++at) {
    ++count;
  }
  EXPECT_EQ(count, 10u);
  EXPECT_EQ(HeldReplies(), 0);
}

TEST_F(WaitingTest, ArgumentsOfLocalCommands_CountUntilExecIsAnswered) {
  const std::string text(300'000, 'e');
  auto client = cluster_.ConnectResp(0);
  cluster_.Command(*client, {"MULTI"});
  cluster_.Command(*client, {"ECHO", text});
  cluster_.Command(*client, {"SET", "k", "v"});
  client->Send(EncodeRequest({"EXEC"}));
  cluster_.world().RunFor(Seconds(1));
  EXPECT_GE(HeldReplies(), static_cast<int64_t>(text.size()));
  cluster_.Restart(1);
  cluster_.world().RunFor(Seconds(20));
  EXPECT_EQ(client->received(),
            Concat("*2\r\n$300000\r\n", text, "\r\n+OK\r\n"));
  EXPECT_EQ(HeldReplies(), 0);
}

TEST_F(WaitingTest, RepliesBehindADueOne_CountTheirMemory) {
  constexpr size_t kReplies = 900;
  auto client = cluster_.ConnectResp(0);
  std::string requests = EncodeRequest({"SET", "k", "v"});
  for (size_t i = 0; i < kReplies; ++i) requests += EncodeRequest({"PING"});
  client->Send(requests);
  cluster_.world().RunFor(Seconds(1));
  EXPECT_GE(Held(cluster_), static_cast<int64_t>(kReplies * 100));
  cluster_.Restart(1);
  cluster_.world().RunFor(Seconds(20));
  EXPECT_EQ(client->received().size(), 5 + kReplies * 7);
  EXPECT_EQ(Held(cluster_), 0);
}

// Replies to earlier requests come before the error.
TEST_F(InputTest, RefusedConnection_GetsItsEarlierReplies) {
  auto client = cluster_.ConnectResp(0);
  std::string bytes = EncodeRequest({"SET", "a", "1"});
  bytes += "*30\r\n$4\r\nMSET\r\n";
  for (int i = 0; i < 28; ++i) {
    bytes += Concat("$40000\r\n", std::string(40'000, 'v'), "\r\n");
  }
  const std::string reply = cluster_.Call(*client, bytes, 2);
  EXPECT_EQ(reply.substr(0, 14), "+OK\r\n-TRYAGAIN") << reply;
  RunFor(Seconds(3));
  EXPECT_TRUE(client->closed());
  EXPECT_EQ(Held(cluster_), 0);
}

// Bytes are no progress: a request has to be complete within the limit.
TEST_F(InputTest, RequestThatNeverEnds_IsClosedInSpiteOfItsBytes) {
  auto client = cluster_.ConnectResp(0);
  client->Send("*100000\r\n$4\r\nMSET\r\n");
  auto other = cluster_.ConnectHttp(0);
  other->Send(
      "PUT /v1/kv/a HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n");
  for (int i = 0; i < 20 && !client->closed(); ++i) {
    RunFor(Seconds(5));
    // Whole arguments, so that no byte is without its place in the request.
    client->Send("$1\r\nk\r\n");
    other->Send("v");
  }
  EXPECT_TRUE(client->closed());
  EXPECT_TRUE(other->closed());
  EXPECT_EQ(cluster_.server(0).metrics().connections.closed_stalled, 2u);
}

// Requests that follow each other are progress, however slow each is.
TEST_F(InputTest, ManySlowRequests_AreServed) {
  auto client = cluster_.ConnectResp(0);
  client->Send("*1\r\n");
  for (int i = 0; i < 6; ++i) {
    RunFor(Seconds(40));
    client->Send("$4\r\nPING\r\n*1\r\n");
  }
  RunFor(Seconds(1));
  EXPECT_FALSE(client->closed());
  EXPECT_EQ(client->received().size(), 6 * 7u);
}

TEST_F(InputTest, WatchedKeys_HaveABoundInBytes) {
  auto client = cluster_.ConnectResp(0);
  std::string reply;
  size_t bytes = 0;
  for (int i = 0; i < 100 && !reply.starts_with("-"); ++i) {
    reply = cluster_.Command(
        *client, {"WATCH", Concat("{a}", i, std::string(16'000, 'k'))});
    if (reply == "+OK\r\n") bytes += 16'000;
  }
  EXPECT_TRUE(reply.starts_with("-ERR a connection watches at most 8192 keys"))
      << reply;
  EXPECT_NE(reply.find("UNWATCH the earlier ones"), std::string::npos);
  EXPECT_LE(bytes, 400'000u);
  EXPECT_GE(bytes, 300'000u);
  EXPECT_GE(Held(cluster_), static_cast<int64_t>(bytes));
  EXPECT_EQ(cluster_.Command(*client, {"UNWATCH"}), "+OK\r\n");
  EXPECT_EQ(Held(cluster_), 0);
  EXPECT_EQ(cluster_.Command(*client, {"WATCH", "a"}), "+OK\r\n");
}

}  // namespace
}  // namespace quorate::node

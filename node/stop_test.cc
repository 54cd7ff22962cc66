// The stop of a node: its groups go on under other leaders at once, and every
// request is answered.
#include <algorithm>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "node/base/text.h"
#include "node/testing/test_cluster.h"

namespace quorate::node {
namespace {

// Keys of the three even groups.
constexpr std::string_view kKeys[] = {"foo", "bar", "hello"};
// A forced election takes a few round trips and syncs. Without a transfer the
// groups would wait for an election timeout, at least 300 ms.
constexpr Duration kGapMax = Milliseconds(100);
// The other nodes ask for the leaders 16 times in an election timeout of 4 s.
constexpr Duration kRoutesKnown = Milliseconds(400);
constexpr Duration kStopMax = Milliseconds(200);

// A client that sends a request, waits for the reply, and so on.
class Asker {
 public:
  Asker(TestCluster& cluster, size_t node, std::vector<std::string_view> words,
        std::string reply)
      : cluster_(cluster),
        client_(cluster.ConnectResp(node)),
        request_(EncodeRequest(words)),
        reply_(std::move(reply)) {}

  void Go() {
    const MonoTime now = Time();
    if (asks_ && client_->received().empty() && !client_->closed()) return;
    if (std::exchange(asks_, true)) {
      longest_ = std::max(longest_, now - sent_);
      const std::string reply = client_->Take();
      if (reply != reply_ && other_.empty()) other_ = reply + " or an end";
      ++answered_;
    }
    sent_ = now;
    client_->Send(request_);
  }
  int answered() const { return answered_; }
  // The first reply other than the expected one.
  const std::string& other() const { return other_; }
  Duration longest() const { return std::max(longest_, Time() - sent_); }

 private:
  MonoTime Time() const { return cluster_.clients_env().loop.ReadClock().mono; }

  TestCluster& cluster_;
  const std::unique_ptr<TestClient> client_;
  const std::string request_;
  const std::string reply_;
  bool asks_ = false;
  MonoTime sent_;
  int answered_ = 0;
  std::string other_;
  Duration longest_;
};

class StopUnderLoad {
 public:
  explicit StopUnderLoad(TestCluster& cluster) : cluster_(cluster) {}

  // Clients of `node` read and write keys of all groups.
  void AskAt(size_t node) {
    auto client = cluster_.ConnectResp(node);
    for (const std::string_view key : kKeys) {
      EXPECT_EQ(cluster_.Command(*client, {"SET", key, "1"}), "+OK\r\n");
      askers_.emplace_back(cluster_, node,
                           std::vector<std::string_view>{"SET", key, "1"},
                           "+OK\r\n");
      askers_.emplace_back(cluster_, node,
                           std::vector<std::string_view>{"GET", key},
                           "$1\r\n1\r\n");
    }
  }
  void RunFor(Duration length) {
    const MonoTime end = Time() + length;
    while (Time() < end) Pass();
  }
  // Stops the node. Returns how long that took.
  Duration Stop(size_t node) {
    bool stopped = false;
    const MonoTime begin = Time();
    env::Pending stop =
        cluster_.world().env(cluster_.machine(node)).loop.Defer([&] {
          cluster_.server(node).Stop([&](absl::Status) { stopped = true; });
        });
    while (!stopped && Time() < begin + Seconds(10)) Pass();
    const Duration taken = Time() - begin;
    stop.Cancel();
    cluster_.Crash(node);
    return taken;
  }
  // The second stop begins later.
  void StopTwo(size_t first, size_t second, Duration apart) {
    std::vector<size_t> left = {first, second};
    std::vector<size_t> stopped;
    const MonoTime begin = Time();
    std::vector<env::Pending> stops;
    const auto stop = [&](size_t node) {
      stops.push_back(
          cluster_.world().env(cluster_.machine(node)).loop.Defer([&, node] {
            cluster_.server(node).Stop(
                [&, node](absl::Status) { stopped.push_back(node); });
          }));
    };
    stop(first);
    while (!left.empty() && Time() < begin + Seconds(10)) {
      if (stops.size() == 1 && Time() >= begin + apart) stop(second);
      Pass();
      for (const size_t node : std::exchange(stopped, {})) {
        std::erase(left, node);
        cluster_.Crash(node);
      }
    }
    EXPECT_TRUE(left.empty());
  }
  void ExpectServed(Duration gap = kGapMax) const {
    for (const Asker& asker : askers_) {
      EXPECT_EQ(asker.other(), "");
      EXPECT_GT(asker.answered(), 100);
      EXPECT_LE(asker.longest(), gap) << asker.longest().ms();
    }
  }

 private:
  MonoTime Time() const { return cluster_.clients_env().loop.ReadClock().mono; }
  void Pass() {
    for (Asker& asker : askers_) asker.Go();
    cluster_.world().RunFor(Milliseconds(1));
  }

  TestCluster& cluster_;
  std::deque<Asker> askers_;
};

// Node 4 has no replica.
TestCluster::Options FourNodes() {
  return {.nodes = 4, .adjust = [](Config& config) {
            const NodeId n1(1), n2(2), n3(3);
            config.shards = {{.group = GroupId(1),
                              .name = "g1",
                              .slots = {{0, 5460}},
                              .replicas = {n1, n2, n3}},
                             {.group = GroupId(2),
                              .name = "g2",
                              .slots = {{5461, 10922}},
                              .replicas = {n1, n3, n2}},
                             {.group = GroupId(3),
                              .name = "g3",
                              .slots = {{10923, 16383}},
                              .replicas = {n1, n2, n3}}};
          }};
}

TEST(Stop, LeaderWithClientsOfOtherNodes_NoneIsRefusedOrWaitsLong) {
  TestCluster cluster(FourNodes());
  ASSERT_TRUE(cluster.AwaitLeaders());
  cluster.world().RunFor(Seconds(5));
  const size_t leader = cluster.LeaderOf(GroupId(1));
  StopUnderLoad load(cluster);
  for (size_t node = 0; node < 4; ++node) {
    if (node != leader) load.AskAt(node);
  }
  load.RunFor(Milliseconds(300));
  EXPECT_LE(load.Stop(leader), kStopMax);
  load.RunFor(Seconds(1));
  load.ExpectServed();
}

// The leaderships come to node 1 half a second after the first elections, and
// go away again because it stops. An election without a transfer takes seconds.
TEST(Stop, WhileLeadershipsAreSpread_NoneIsRefusedOrWaitsLong) {
  for (int64_t after_ms = 0; after_ms <= 800; after_ms += 20) {
    SCOPED_TRACE(testing::Message() << after_ms << " ms");
    TestCluster::Options options = FourNodes();
    options.adjust = [](Config& config) {
      FourNodes().adjust(config);
      config.host.core.election_timeout_min = Seconds(4);
      config.host.core.election_timeout_max = Seconds(5);
    };
    TestCluster cluster(options);
    ASSERT_TRUE(cluster.AwaitLeaders());
    // A transfer that comes while the node ends is under way for longer.
    for (const size_t node : {1, 2}) {
      cluster.world().SlowLink(cluster.machine(0), cluster.machine(node),
                               Milliseconds(10));
      cluster.world().SlowLink(cluster.machine(node), cluster.machine(0),
                               Milliseconds(10));
    }
    StopUnderLoad load(cluster);
    for (const size_t node : {1, 2, 3}) load.AskAt(node);
    load.RunFor(Milliseconds(after_ms));
    load.Stop(0);
    load.RunFor(Milliseconds(1'500));
    load.ExpectServed(kRoutesKnown);
  }
}

// The old leader refuses what arrives during the transfer. Its answers may be
// later than the first heartbeat of the next leader, which then takes later
// commands of the connection.
TEST(Stop, PipelinesOfOtherNodes_NoCommandIsRefused) {
  for (const int64_t late_ms : {0, 2, 30}) {
    for (const size_t after : {1, 2}) {
      SCOPED_TRACE(testing::Message() << after << ", " << late_ms << " ms");
      TestCluster cluster({.nodes = 3});
      ASSERT_TRUE(cluster.AwaitLeaders());
      sim::World& world = cluster.world();
      const size_t leader = cluster.LeaderOf(GroupId(1));
      const size_t node = (leader + after) % 3;
      auto client = cluster.ConnectResp(node);
      world.SlowLink(cluster.machine(leader), cluster.machine(node),
                     Milliseconds(late_ms));
      size_t sent = 0;
      const auto run = [&](Duration length) {
        const sim::SimTime end = world.now() + length;
        for (; world.now() < end; ++sent) {
          client->Send(EncodeRequest({"INCR", "n"}));
          world.RunFor(Microseconds(100));
        }
      };
      run(Milliseconds(200));
      env::Pending stop =
          world.env(cluster.machine(leader)).loop.Defer([&cluster, leader] {
            cluster.server(leader).Stop([](absl::Status) {});
          });
      run(Milliseconds(300));
      world.RunFor(Seconds(3));
      EXPECT_NE(cluster.LeaderOf(GroupId(1)), leader);
      const std::string replies = client->Take();
      const size_t error = replies.find('-');
      EXPECT_EQ(error, std::string::npos) << replies.substr(error, 60);
      EXPECT_EQ(cluster.Command(*client, {"GET", "n"}),
                Concat("$", std::to_string(sent).size(), "\r\n", sent, "\r\n"));
    }
  }
}

TEST(Stop, OneNodeAfterTheOther_ClientsOfOtherNodesAreServed) {
  TestCluster cluster({.nodes = 3, .groups = 3});
  ASSERT_TRUE(cluster.AwaitLeaders());
  cluster.world().RunFor(Seconds(5));
  for (const size_t node : {0, 1, 2}) {
    StopUnderLoad load(cluster);
    load.AskAt((node + 1) % 3);
    load.AskAt((node + 2) % 3);
    load.RunFor(Milliseconds(300));
    EXPECT_LE(load.Stop(node), kStopMax);
    load.RunFor(Milliseconds(500));
    cluster.Restart(node);
    load.RunFor(Seconds(1));
    load.ExpectServed();
  }
}

// For an election timeout an idle group looks as if the stopped node were
// there. A transfer to it would hold every write up.
TEST(Stop, LeaderOfAnIdleGroup_DoesNotGetTheLeadershipBack) {
  TestCluster cluster({.nodes = 3});
  ASSERT_TRUE(cluster.AwaitLeaders());
  cluster.world().RunFor(Seconds(5));
  ASSERT_EQ(cluster.LeaderOf(GroupId(1)), 0u);
  auto client = cluster.ConnectResp(1);
  ASSERT_EQ(cluster.Command(*client, {"SET", "k", "1"}), "+OK\r\n");
  StopUnderLoad load(cluster);
  EXPECT_LE(load.Stop(0), kStopMax);
  env::Loop& loop = cluster.clients_env().loop;
  for (int i = 0; i < 100; ++i) {
    cluster.world().RunFor(Milliseconds(20));
    const MonoTime sent = loop.ReadClock().mono;
    ASSERT_EQ(cluster.Command(*client, {"SET", "k", "1"}), "+OK\r\n");
    EXPECT_LE(loop.ReadClock().mono - sent, kGapMax) << "write " << i;
  }
}

// A client that reads late keeps the process, but no group: the others would
// give the leadership of their groups back.
TEST(Stop, ClientThatReadsLate_OthersAreServedMeanwhile) {
  TestCluster cluster({.nodes = 3, .groups = 3, .adjust = [](Config& config) {
                         config.timeouts.stop = Seconds(8);
                       }});
  ASSERT_TRUE(cluster.AwaitLeaders());
  cluster.world().RunFor(Seconds(5));
  auto late = cluster.ConnectResp(0);
  const std::string value(400'000, 'x');
  ASSERT_EQ(cluster.Command(*late, {"SET", "large", value}), "+OK\r\n");
  late->PauseReads();
  for (int i = 0; i < 20; ++i) late->Send(EncodeRequest({"GET", "large"}));
  StopUnderLoad load(cluster);
  for (const size_t node : {1, 2}) load.AskAt(node);
  load.RunFor(Milliseconds(300));
  EXPECT_GE(load.Stop(0), Seconds(7));
  load.RunFor(Seconds(1));
  load.ExpectServed();
}

// A node that stops may get a leadership of another one that stops, too.
TEST(Stop, TwoOfFiveNodesAtOnce_ClientsOfOtherNodesAreServed) {
  for (int apart_ms = 0; apart_ms <= 120; apart_ms += 20) {
    TestCluster cluster({.nodes = 5, .groups = 3});
    ASSERT_TRUE(cluster.AwaitLeaders());
    cluster.world().RunFor(Seconds(5));
    StopUnderLoad load(cluster);
    for (const size_t node : {2, 3, 4}) load.AskAt(node);
    load.RunFor(Milliseconds(300));
    load.StopTwo(0, 1, Milliseconds(apart_ms));
    load.RunFor(Seconds(1));
    SCOPED_TRACE(apart_ms);
    load.ExpectServed();
  }
}

// The replies to all requests that arrived before the stop, and to those that
// arrive while other nodes take over.
TEST(Stop, OwnClients_AreServedUntilOthersLead) {
  TestCluster cluster({.nodes = 3, .groups = 3});
  ASSERT_TRUE(cluster.AwaitLeaders());
  cluster.world().RunFor(Seconds(5));
  auto client = cluster.ConnectResp(0);
  ASSERT_EQ(cluster.Command(*client, {"PING"}), "+PONG\r\n");
  bool stopped = false;
  env::Pending stop = cluster.world().env(cluster.machine(0)).loop.Defer([&] {
    cluster.server(0).Stop([&](absl::Status) { stopped = true; });
  });
  std::string expected;
  while (!stopped && cluster.LeaderOf(GroupId(1)) == 0) {
    for (const std::string_view key : kKeys) {
      client->Send(EncodeRequest({"SET", key, "1"}));
      expected += "+OK\r\n";
    }
    cluster.world().RunFor(Microseconds(200));
  }
  ASSERT_TRUE(
      cluster.world().RunUntilTrue([&] { return stopped; }, Seconds(1)));
  cluster.world().RunFor(Milliseconds(1));
  EXPECT_EQ(client->received(), expected);
}

TEST(Stop, Leader_TransfersLeadershipFirst) {
  TestCluster cluster({.nodes = 3});
  ASSERT_TRUE(cluster.AwaitLeaders());
  cluster.world().RunFor(Seconds(5));
  const size_t leader = cluster.LeaderOf(GroupId(1));
  ASSERT_EQ(leader, 0u);
  bool stopped = false;
  env::Env& env = cluster.world().env(cluster.machine(leader));
  env::Pending stop = env.loop.Defer([&] {
    cluster.server(leader).Stop([&](absl::Status) { stopped = true; });
  });
  EXPECT_TRUE(
      cluster.world().RunUntilTrue([&] { return stopped; }, Seconds(1)));
  EXPECT_NE(cluster.LeaderOf(GroupId(1)), leader);
}

TEST(Stop, AllLeadersAtOnce_TransferLeadershipForAShortTimeOnly) {
  TestCluster cluster({.nodes = 3, .groups = 3});
  ASSERT_TRUE(cluster.AwaitLeaders());
  cluster.world().RunFor(Seconds(5));
  size_t stopped = 0;
  std::vector<env::Pending> stops;
  for (size_t node = 0; node < cluster.size(); ++node) {
    stops.push_back(
        cluster.world().env(cluster.machine(node)).loop.Defer([&, node] {
          cluster.server(node).Stop([&](absl::Status) { ++stopped; });
        }));
  }
  EXPECT_TRUE(cluster.world().RunUntilTrue([&] { return stopped == 3; },
                                           Milliseconds(900)));
}

TEST(Stop, AnswersOutstandingRequests) {
  TestCluster cluster;
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectResp(0);
  EXPECT_EQ(cluster.Command(*client, {"PING"}), "+PONG\r\n");
  client->Send(EncodeRequest({"SET", "a", "1"}));
  cluster.world().RunFor(Microseconds(300));
  bool stopped = false;
  env::Env& env = cluster.world().env(cluster.machine(0));
  env::Pending stop = env.loop.Defer([&] {
    cluster.server(0).Stop([&](absl::Status status) { stopped = status.ok(); });
  });
  cluster.world().RunFor(Seconds(5));
  EXPECT_TRUE(stopped);
}

// The stop begins in the middle of a pipeline. The client stops sending once it
// reads the first error.
TEST(Stop, RequestsThatCome_AreAnsweredAsNotExecuted) {
  TestCluster cluster({.nodes = 3});
  ASSERT_TRUE(cluster.AwaitLeaders());
  cluster.world().RunFor(Seconds(5));
  auto client = cluster.ConnectResp(0);
  ASSERT_EQ(cluster.Command(*client, {"PING"}), "+PONG\r\n");
  bool stopped = false;
  env::Pending stop = cluster.world().env(cluster.machine(0)).loop.Defer([&] {
    cluster.server(0).Stop([&](absl::Status) { stopped = true; });
  });
  size_t sent = 0;
  while (client->received().find('-') == std::string::npos && !stopped) {
    client->Send(EncodeRequest({"INCR", "n"}));
    ++sent;
    cluster.world().RunFor(Microseconds(200));
  }
  EXPECT_TRUE(
      cluster.world().RunUntilTrue([&] { return stopped; }, Seconds(1)));
  EXPECT_TRUE(client->closed());
  size_t executed = 0;
  size_t refused = 0;
  for (std::string rest = client->Take(); !rest.empty();) {
    const std::string reply = rest.substr(0, ReplySize(rest));
    ASSERT_NE(reply, "");
    rest.erase(0, reply.size());
    if (reply.starts_with(":")) {
      EXPECT_EQ(refused, 0u) << "it follows a command that was refused";
      ++executed;
    } else {
      EXPECT_TRUE(reply.starts_with("-CLUSTERDOWN the node is stopping"))
          << reply;
      ++refused;
    }
  }
  EXPECT_EQ(executed + refused, sent);
  EXPECT_GT(refused, 0u);
  auto other = cluster.ConnectResp(1);
  const std::string count = std::to_string(executed);
  EXPECT_EQ(cluster.Command(*other, {"GET", "n"}),
            Concat("$", count.size(), "\r\n", count, "\r\n"));
}

TEST(Stop, HttpRequestsThatCome_AreAnsweredAsNotExecuted) {
  TestCluster cluster({.nodes = 3});
  ASSERT_TRUE(cluster.AwaitLeaders());
  cluster.world().RunFor(Seconds(5));
  auto client = cluster.ConnectHttp(0);
  const std::string_view request =
      "PUT /v1/kv/k HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx";
  bool stopped = false;
  env::Pending stop = cluster.world().env(cluster.machine(0)).loop.Defer([&] {
    cluster.server(0).Stop([&](absl::Status) { stopped = true; });
  });
  std::string answer;
  while (!absl::StrContains(answer, " 503 ") && !stopped) {
    client->Send(request);
    ASSERT_TRUE(cluster.world().RunUntilTrue(
        [&] { return !client->received().empty(); }, Seconds(1)));
    answer = client->Take();
  }
  EXPECT_TRUE(absl::StrContains(answer, "\"STOPPED\"")) << answer;
  EXPECT_TRUE(absl::StrContains(answer, "Connection: close\r\n")) << answer;
  EXPECT_TRUE(
      cluster.world().RunUntilTrue([&] { return stopped; }, Seconds(1)));
  EXPECT_TRUE(client->closed());
}

TEST(Stop, WithoutALeader_WaitingRequestsAreRefusedBeforeTheEnd) {
  TestCluster cluster({.nodes = 3, .adjust = [](Config& config) {
                         config.timeouts.leader_wait = Seconds(60);
                       }});
  ASSERT_TRUE(cluster.AwaitLeaders());
  const size_t leader = cluster.LeaderOf(GroupId(1));
  const size_t node = (leader + 1) % 3;
  auto writer = cluster.ConnectResp(node);
  auto reader = cluster.ConnectResp(node);
  ASSERT_EQ(cluster.Command(*writer, {"PING"}), "+PONG\r\n");
  cluster.Crash(leader);
  cluster.Crash((leader + 2) % 3);
  cluster.world().RunFor(Seconds(5));
  writer->Send(EncodeRequest({"SET", "k", "v"}));
  reader->Send(EncodeRequest({"GET", "k"}));
  cluster.world().RunFor(Milliseconds(100));
  ASSERT_EQ(writer->received(), "");
  bool stopped = false;
  env::Pending stop =
      cluster.world().env(cluster.machine(node)).loop.Defer([&] {
        cluster.server(node).Stop([&](absl::Status) { stopped = true; });
      });
  EXPECT_TRUE(
      cluster.world().RunUntilTrue([&] { return stopped; }, Seconds(2)));
  for (const auto* client : {writer.get(), reader.get()}) {
    EXPECT_TRUE(client->received().starts_with("-CLUSTERDOWN"))
        << client->received();
    EXPECT_TRUE(client->closed());
  }
}

TEST(Stop, EndsTheLogWithAWitness) {
  TestCluster cluster({.nodes = 3, .groups = 2});
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectResp(0);
  EXPECT_EQ(cluster.Command(*client, {"SET", "a", "1"}), "+OK\r\n");
  const raft::Host& host = cluster.server(0).host();
  const uint64_t before = host.stats().log.witnesses;
  bool stopped = false;
  env::Pending stop = cluster.world().env(cluster.machine(0)).loop.Defer([&] {
    cluster.server(0).Stop([&](absl::Status) { stopped = true; });
  });
  EXPECT_TRUE(
      cluster.world().RunUntilTrue([&] { return stopped; }, Milliseconds(700)));
  EXPECT_EQ(host.stats().log.witnesses, before + 1);
  // The others go on, and nothing is written here.
  const uint64_t writes = host.stats().log.durable_writes;
  cluster.world().RunFor(Seconds(5));
  EXPECT_EQ(host.stats().log.durable_writes, writes);
}

TEST(Stop, OnADiskThatHangs_EndsNevertheless) {
  TestCluster cluster({.nodes = 3});
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectResp(0);
  EXPECT_EQ(cluster.Command(*client, {"SET", "a", "1"}), "+OK\r\n");
  cluster.world().StallDisk(cluster.machine(0),
                            cluster.world().now() + Seconds(60));
  int stopped = 0;
  env::Pending stop = cluster.world().env(cluster.machine(0)).loop.Defer([&] {
    cluster.server(0).Stop([&](absl::Status) { ++stopped; });
  });
  cluster.world().RunFor(Seconds(2));
  EXPECT_EQ(stopped, 1);
  cluster.world().RunFor(Seconds(100));
  EXPECT_EQ(stopped, 1);
}

}  // namespace
}  // namespace quorate::node

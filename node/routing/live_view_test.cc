// Every reply of a node that describes the cluster: replicas that do not work,
// nodes that do not answer, and leaders that changed.
#include "node/routing/live_view.h"

#include <algorithm>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "node/base/text.h"
#include "node/testing/test_cluster.h"
#include "raft/core/core.h"
#include "raft/host/bootstrap_record.h"
#include "raft/host/host.h"

namespace quorate::node {
namespace {

// Node 4 votes nowhere.
void ThreeOfFour(Config& config) {
  config.shards.push_back({.group = GroupId(1),
                           .name = "g1",
                           .slots = {{0, 16383}},
                           .replicas = {NodeId(1), NodeId(2), NodeId(3)}});
}

std::string Get(std::string_view target) {
  return Concat("GET ", target, " HTTP/1.1\r\nHost: n1\r\n\r\n");
}

// Clients that see "=" in a value split it at commas and want "=" in each part.
void ExpectFieldsOfInfo(std::string_view info) {
  while (!info.empty()) {
    const std::string_view line = info.substr(0, info.find("\r\n"));
    info.remove_prefix(std::min(info.size(), line.size() + 2));
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos || line.starts_with('$')) continue;
    std::string_view value = line.substr(colon + 1);
    if (value.find('=') == std::string_view::npos) continue;
    while (!value.empty()) {
      const std::string_view part = value.substr(0, value.find(','));
      EXPECT_NE(part.find('='), std::string_view::npos) << line;
      value.remove_prefix(std::min(value.size(), part.size() + 1));
    }
  }
}

class LiveViewTest : public ::testing::Test {
 protected:
  void Make(const TestCluster::Options& options) {
    cluster_ = std::make_unique<TestCluster>(options);
    ASSERT_TRUE(cluster_->AwaitLeaders());
    cluster_->world().RunFor(Seconds(3));
  }
  TestCluster& cluster() { return *cluster_; }

  std::string Ask(size_t node, std::vector<std::string_view> words) {
    return cluster_->Command(*cluster_->ConnectRespCluster(node),
                             std::move(words));
  }
  std::string AskHttp(size_t node, std::string_view target) {
    return cluster_->CallHttp(*cluster_->ConnectHttp(node), Get(target));
  }
  // The line of CLUSTER NODES on `on` about `of`.
  std::string NodeLine(size_t on, size_t of) {
    const std::string text = Ask(on, {"CLUSTER", "NODES"});
    const size_t at = text.find(Concat(" n", of + 1, ":"));
    EXPECT_NE(at, std::string::npos) << text;
    const size_t begin = text.rfind('\n', at) + 1;
    return text.substr(begin, text.find('\n', at) - begin);
  }
  bool SlotsName(size_t on, size_t of) {
    return Ask(on, {"CLUSTER", "SLOTS"})
               .find(Concat("\r\nn", of + 1, "\r\n")) != std::string::npos;
  }
  // The host of the first row's master.
  std::string FirstMaster(size_t on) {
    const std::string slots = Ask(on, {"CLUSTER", "SLOTS"});
    const size_t at = slots.find("$2\r\nn");
    return at == std::string::npos ? slots : slots.substr(at + 4, 2);
  }
  // Crashes the node, and flips one bit of a durable record on its disk.
  void DamageAndCrash(size_t node) {
    const std::string text = "the record that is damaged";
    ASSERT_EQ(Ask(cluster_->LeaderOf(GroupId(1)), {"SET", "foo", text}),
              "+OK\r\n");
    for (int i = 0; i < 20; ++i) {
      Ask(cluster_->LeaderOf(GroupId(1)), {"SET", "foo", "1"});
    }
    cluster_->world().RunFor(Seconds(1));
    cluster_->Crash(node, sim::CrashKind::kMachine);
    const sim::MachineId machine = cluster_->machine(node);
    sim::World& world = cluster_->world();
    bool flipped = false;
    for (const std::string& file : world.DiskFiles(machine)) {
      const size_t at = world.ReadDiskFile(machine, file).find(text);
      if (at == std::string::npos) continue;
      flipped = world.FlipDiskBit(machine, file, at, 3);
    }
    ASSERT_TRUE(flipped);
  }
  // Lets the leader of group 1 leave the replica of a node out.
  void LeaveOut(size_t node) {
    const size_t leader = cluster_->LeaderOf(GroupId(1));
    ASSERT_LT(leader, cluster_->size());
    raft::Host& host = cluster_->server(leader).host();
    const raft::Core& core = *std::as_const(host).core(GroupId(1));
    raft::Configuration target = core.configuration();
    for (auto* members : {&target.voters, &target.learners}) {
      std::erase_if(*members, [&](const raft::Member& member) {
        return member.node == cluster_->config(node).node;
      });
    }
    absl::Status changed = absl::UnknownError("");
    env::Env& env = cluster_->world().env(cluster_->machine(leader));
    env::Pending change = env.loop.Defer([&] {
      host.ChangeConfiguration(
          GroupId(1), core.configuration_index(), target,
          [&](const raft::ProposeResult& result) { changed = result.status; });
    });
    cluster_->world().RunFor(Seconds(1));
    ASSERT_EQ(changed, absl::OkStatus());
    ASSERT_EQ(cluster_->LeaderOf(GroupId(1)), leader);
  }
  void Transfer(size_t to) {
    const size_t old = cluster_->LeaderOf(GroupId(1));
    ASSERT_LT(old, cluster_->size());
    env::Env& env = cluster_->world().env(cluster_->machine(old));
    env::Pending transfer = env.loop.Defer([&] {
      raft::Host& host = cluster_->server(old).host();
      host.TransferLeadership(
          GroupId(1), raft::ReplicaOn(host.core(GroupId(1))->configuration(),
                                      cluster_->config(to).node));
    });
    ASSERT_TRUE(cluster_->world().RunUntilTrue(
        [&] { return cluster_->LeaderOf(GroupId(1)) == to; }, Seconds(2)));
  }
  void BreakDisk(size_t node) {
    cluster_->world().FailDiskOperation(cluster_->machine(node),
                                        sim::World::DiskOperation::kWrite, 1,
                                        /*persistent=*/true);
  }

 private:
  std::unique_ptr<TestCluster> cluster_;
};

// Without a leader no replica takes its place.
TEST_F(LiveViewTest, FencedReplica_ShowsUntilThereIsALeader) {
  Make({.nodes = 3});
  const size_t leader = cluster().LeaderOf(GroupId(1));
  const size_t fenced = (leader + 1) % 3;
  DamageAndCrash(fenced);
  cluster().Crash(leader);
  cluster().world().RunFor(Seconds(5));
  cluster().Restart(fenced);
  cluster().world().RunFor(Seconds(5));
  const std::string ready = AskHttp(fenced, "/readyz");
  EXPECT_TRUE(ready.starts_with("HTTP/1.1 503 ")) << ready;
  EXPECT_NE(ready.find("[-]group 1 is fenced: its log is damaged"),
            std::string::npos)
      << ready;
  const std::string metrics = AskHttp(fenced, "/metrics");
  EXPECT_NE(metrics.find("quorate_replica_fenced{group=\"1\"} 1\n"),
            std::string::npos);
  EXPECT_NE(metrics.find("quorate_replica_stopped{group=\"1\"} 0\n"),
            std::string::npos);
  const std::string info = Ask(fenced, {"INFO", "groups"});
  EXPECT_NE(
      info.find("group1:role=fenced,leader=0,slots=16384,status=fenced\r\n"),
      std::string::npos)
      << info;
  cluster().Restart(leader);
  cluster().world().RunFor(Seconds(15));
  EXPECT_TRUE(AskHttp(fenced, "/readyz").starts_with("HTTP/1.1 200 "));
  for (size_t node = 0; node < 3; ++node) {
    EXPECT_TRUE(SlotsName(node, fenced)) << node;
  }
}

// The answer comes before the time for which a request is held without a
// leader.
TEST_F(LiveViewTest, DamagedReplica_RequestsGoToTheLeaderAtOnce) {
  for (const bool plain : {false, true}) {
    Make({.nodes = 3});
    const size_t damaged = (cluster().LeaderOf(GroupId(1)) + 1) % 3;
    DamageAndCrash(damaged);
    cluster().RestartDamaged(damaged);
    const std::string leader =
        cluster().config(cluster().LeaderOf(GroupId(1))).listen.resp_cluster;
    auto client = plain ? cluster().ConnectResp(damaged)
                        : cluster().ConnectRespCluster(damaged);
    client->Send(EncodeRequest({"SET", "foo", "2"}) +
                 EncodeRequest({"GET", "foo"}) +
                 (plain ? "" : EncodeRequest({"READONLY"})) +
                 EncodeRequest({"GET", "foo"}));
    cluster().world().RunFor(Milliseconds(100));
    const std::string moved = Concat("-MOVED 12182 ", leader, "\r\n");
    EXPECT_EQ(client->Take(), plain ? "+OK\r\n$1\r\n2\r\n$1\r\n2\r\n"
                                    : Concat(moved, moved, "+OK\r\n", moved));
    auto http = cluster().ConnectHttp(damaged);
    http->Send(Get("/v1/kv/foo"));
    cluster().world().RunFor(Milliseconds(100));
    EXPECT_TRUE(http->Take().ends_with(plain ? "\r\n\r\n2" : "\r\n\r\n1"));
  }
}

TEST_F(LiveViewTest, FailedDisk_NextLeaderIsKnown_AndRequestsAreForwarded) {
  Make({.nodes = 3});
  const size_t stopped = cluster().LeaderOf(GroupId(1));
  auto client = cluster().ConnectResp(stopped);
  ASSERT_EQ(cluster().Command(*client, {"SET", "foo", "1"}), "+OK\r\n");
  BreakDisk(stopped);
  // Reads between writes, so that the stop meets reads in every state.
  std::string requests;
  for (int i = 0; i < 100; ++i) {
    requests += EncodeRequest({i % 10 == 5 ? "INCR" : "GET", "foo"});
  }
  for (size_t i = 0; i < requests.size(); i += 97) {
    client->Send(std::string_view(requests).substr(i, 97));
    cluster().world().RunFor(Microseconds(150));
  }
  cluster().world().RunFor(Seconds(5));
  std::string replies = client->Take();
  size_t count = 0;
  while (const size_t size = ReplySize(replies)) {
    // The answer to a read that travelled in the lost entry.
    EXPECT_TRUE(replies[0] != '-' || replies.starts_with("-UNKNOWN ") ||
                replies.starts_with("-CLUSTERDOWN "))
        << replies.substr(0, 100);
    replies.erase(0, size);
    ++count;
  }
  EXPECT_EQ(count, 100u);
  const size_t leader = cluster().LeaderOf(GroupId(1));
  ASSERT_LT(leader, 3u);
  for (size_t node = 0; node < 3; ++node) {
    EXPECT_EQ(FirstMaster(node), Concat("n", leader + 1));
    EXPECT_FALSE(SlotsName(node, stopped)) << node;
    EXPECT_NE(NodeLine(node, stopped).find("slave,fail "), std::string::npos);
  }
  EXPECT_EQ(cluster().Command(*client, {"SET", "foo", "x"}), "+OK\r\n");
  EXPECT_EQ(cluster().Command(*client, {"GET", "foo"}), "$1\r\nx\r\n");
  const std::string ready = AskHttp(stopped, "/readyz");
  EXPECT_TRUE(ready.starts_with("HTTP/1.1 503 ")) << ready;
  EXPECT_NE(ready.find("[-]group 1 is stopped: "), std::string::npos) << ready;
  const std::string metrics = AskHttp(stopped, "/metrics");
  for (const std::string_view sample :
       {"quorate_replica_stopped{group=\"1\"} 1\n",
        "quorate_raft_is_leader{group=\"1\"} 0\n", "quorate_healthy 0\n",
        "quorate_slots_owned 0\n"}) {
    EXPECT_NE(metrics.find(sample), std::string::npos) << sample;
  }
  EXPECT_NE(
      Ask(stopped, {"INFO", "groups"}).find("group1:role=stopped,leader="),
      std::string::npos);
  EXPECT_NE(Ask(stopped, {"ROLE"}).find("slave"), std::string::npos);
}

TEST_F(LiveViewTest, FailedDisk_OfThreeGroups_IsDescribedOnce) {
  Make({.nodes = 3, .groups = 3});
  BreakDisk(0);
  auto client = cluster().ConnectResp(0);
  for (const std::string_view key : {"foo", "bar", "baz"}) {
    client->Send(EncodeRequest({"SET", key, "1"}));
  }
  cluster().world().RunFor(Seconds(5));
  const std::string ready = AskHttp(0, "/readyz");
  constexpr std::string_view kLog = "[-]log ";
  const size_t begin = ready.find(kLog);
  ASSERT_NE(begin, std::string::npos) << ready;
  const size_t end = ready.find('\n', begin);
  const std::string why =
      ready.substr(begin + kLog.size(), end - begin - kLog.size());
  EXPECT_GT(why.size(), 10u) << ready;
  EXPECT_EQ(ready.find(why, end), std::string::npos) << ready;
  for (int group = 1; group <= 3; ++group) {
    EXPECT_NE(ready.find(Concat("[-]group ", group,
                                " is stopped: the log does not work\n")),
              std::string::npos)
        << ready;
  }
}

TEST_F(LiveViewTest, FailedDisk_OfTheOnlyReplica_IsRefusedAtOnce) {
  Make({.nodes = 1});
  BreakDisk(0);
  auto client = cluster().ConnectResp(0);
  cluster().Command(*client, {"SET", "foo", "1"});
  client->Send(EncodeRequest({"SET", "foo", "2"}) +
               EncodeRequest({"GET", "foo"}));
  cluster().world().RunFor(Milliseconds(100));
  std::string replies = client->Take();
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(replies.starts_with("-MISCONF ")) << replies;
    replies.erase(0, ReplySize(replies));
  }
  EXPECT_EQ(replies, "");
  EXPECT_EQ(Ask(0, {"CLUSTER", "SLOTS"}), "*0\r\n");
  EXPECT_NE(Ask(0, {"CLUSTER", "INFO"}).find("cluster_slots_ok:0\r\n"),
            std::string::npos);
}

// All nodes that only pass its requests on would leave a load balancer at once,
// with the groups that they serve.
TEST_F(LiveViewTest, DeadGroupElsewhere_ShowsAndLeavesTheNodeReady) {
  Make({.nodes = 4, .adjust = [](Config& config) {
          config.shards = {{.group = GroupId(1),
                            .name = "g1",
                            .slots = {{0, 8191}},
                            .replicas = {NodeId(1), NodeId(2), NodeId(3)}},
                           {.group = GroupId(2),
                            .name = "g2",
                            .slots = {{8192, 16383}},
                            .replicas = {NodeId(4)}}};
        }});
  const std::string line = "[ ]group 1 (no replica here) has no leader\n";
  EXPECT_EQ(AskHttp(3, "/readyz?verbose").find("group 1"), std::string::npos);
  cluster().Crash(0, sim::CrashKind::kMachine);
  cluster().Crash(1, sim::CrashKind::kMachine);
  cluster().world().RunFor(Seconds(10));
  EXPECT_NE(Ask(3, {"CLUSTER", "INFO"}).find("cluster_state:fail\r\n"),
            std::string::npos);
  std::string ready = AskHttp(3, "/readyz");
  EXPECT_TRUE(ready.starts_with("HTTP/1.1 200 ")) << ready;
  EXPECT_TRUE(ready.ends_with("\r\n\r\nok\n")) << ready;
  ready = AskHttp(3, "/readyz?verbose");
  EXPECT_TRUE(ready.starts_with("HTTP/1.1 200 ")) << ready;
  EXPECT_NE(ready.find(line), std::string::npos) << ready;
  EXPECT_NE(ready.find("[+]group 2 ok\n"), std::string::npos) << ready;
  // A replica of the group is not ready without a leader.
  ready = AskHttp(2, "/readyz");
  EXPECT_TRUE(ready.starts_with("HTTP/1.1 503 ")) << ready;
  cluster().Restart(0);
  cluster().world().RunFor(Seconds(10));
  EXPECT_EQ(AskHttp(3, "/readyz?verbose").find(line), std::string::npos);
}

TEST_F(LiveViewTest, DeadNode_ShowsUntilItIsBack) {
  Make({.nodes = 3});
  const size_t dead = (cluster().LeaderOf(GroupId(1)) + 1) % 3;
  const size_t leader = cluster().LeaderOf(GroupId(1));
  const auto expect_alive = [&](bool alive) {
    for (size_t node = 0; node < 3; ++node) {
      if (node == dead) continue;
      const std::string line = NodeLine(node, dead);
      EXPECT_EQ(line.find("slave,fail ") == std::string::npos, alive) << line;
      EXPECT_TRUE(line.ends_with(alive ? " connected" : " disconnected"))
          << line;
      EXPECT_EQ(SlotsName(node, dead), alive);
      EXPECT_EQ(Ask(node, {"CLUSTER", "SHARDS"}).find("$4\r\nfail\r\n") ==
                    std::string::npos,
                alive);
      const std::string ready = AskHttp(node, "/readyz?verbose");
      EXPECT_TRUE(ready.starts_with("HTTP/1.1 200 ")) << ready;
      EXPECT_NE(ready.find(
                    alive ? Concat("[+]node ", dead + 1, " ok\n")
                          : Concat("[ ]node ", dead + 1, " does not answer\n")),
                std::string::npos)
          << ready;
      EXPECT_NE(AskHttp(node, "/metrics")
                    .find(Concat("quorate_peer_alive{node=\"", dead + 1, "\"} ",
                                 alive ? 1 : 0, "\n")),
                std::string::npos);
      EXPECT_NE(Ask(node, {"INFO", "nodes"})
                    .find(Concat("node", dead + 1, ":state=",
                                 alive ? "online" : "offline", "\r\n")),
                std::string::npos);
    }
    EXPECT_NE(Ask(leader, {"INFO", "replication"})
                  .find(Concat("connected_slaves:", alive ? 2 : 1, "\r\n")),
              std::string::npos);
  };
  expect_alive(true);
  cluster().Crash(dead);
  cluster().world().RunFor(Seconds(3));
  expect_alive(false);
  cluster().Restart(dead);
  cluster().world().RunFor(Seconds(2));
  expect_alive(true);
  // A machine without any answer: it does not even refuse connections.
  cluster().Crash(dead, sim::CrashKind::kMachine);
  cluster().world().RunFor(Seconds(5));
  expect_alive(false);
}

TEST_F(LiveViewTest, PausedNode_DoesNotTakeTheOthersForDead) {
  Make({.nodes = 3});
  cluster().world().Pause(cluster().machine(0));
  cluster().world().RunFor(Seconds(10));
  cluster().world().Resume(cluster().machine(0));
  cluster().world().RunFor(Milliseconds(100));
  EXPECT_EQ(NodeLine(0, 1).find("fail"), std::string::npos);
  EXPECT_EQ(NodeLine(0, 2).find("fail"), std::string::npos);
}

// The answer to a forwarded request names the leader, and the next reply uses
// it already.
TEST_F(LiveViewTest, NodeWithoutReplica_LeaderMoved_SlotsNameTheNewOne) {
  Make({.nodes = 4, .adjust = [](Config& config) { ThreeOfFour(config); }});
  auto client = cluster().ConnectResp(3);
  ASSERT_EQ(cluster().Command(*client, {"SET", "foo", "1"}), "+OK\r\n");
  for (int round = 0; round < 10; ++round) {
    const size_t old = cluster().LeaderOf(GroupId(1));
    ASSERT_LT(old, 3u);
    const size_t next = (old + 1) % 3;
    Transfer(next);
    EXPECT_EQ(cluster().Command(*client, {"SET", "foo", "1"}), "+OK\r\n");
    EXPECT_EQ(FirstMaster(3), Concat("n", next + 1)) << round;
    cluster().world().RunFor(Milliseconds(137 * round));
  }
}

// No client is sent to a node that does not answer.
TEST_F(LiveViewTest, NodeWithoutReplica_LeaderDied_NoMovedNamesIt) {
  Make({.nodes = 4, .adjust = [](Config& config) { ThreeOfFour(config); }});
  const size_t dead = cluster().LeaderOf(GroupId(1));
  auto client = cluster().ConnectRespCluster(3);
  EXPECT_EQ(cluster().Command(*client, {"GET", "foo"}),
            Concat("-MOVED 12182 n", dead + 1, ":7101\r\n"));
  // The others elect no leader.
  cluster().Crash((dead + 1) % 3);
  cluster().Crash(dead);
  cluster().world().RunFor(Seconds(5));
  client->Send(EncodeRequest({"GET", "foo"}));
  cluster().world().RunFor(Milliseconds(2'200));
  EXPECT_EQ(client->Take(), "-CLUSTERDOWN Hash slot not served\r\n");
}

TEST_F(LiveViewTest, NodeWithoutReplica_GroupWithoutLeader_IsReported) {
  Make({.nodes = 4, .adjust = ThreeOfFour});
  EXPECT_NE(Ask(3, {"CLUSTER", "INFO"}).find("cluster_slots_ok:16384\r\n"),
            std::string::npos);
  const size_t leader = cluster().LeaderOf(GroupId(1));
  cluster().Crash((leader + 1) % 3);
  cluster().Crash((leader + 2) % 3);
  cluster().world().RunFor(Seconds(5));
  EXPECT_NE(Ask(3, {"CLUSTER", "INFO"}).find("cluster_slots_ok:0\r\n"),
            std::string::npos);
  EXPECT_NE(Ask(3, {"CLUSTER", "INFO"}).find("cluster_state:fail\r\n"),
            std::string::npos);
  auto client = cluster().ConnectResp(3);
  client->Send(EncodeRequest({"GET", "foo"}));
  cluster().world().RunFor(Milliseconds(2'200));
  EXPECT_EQ(client->Take(), "-CLUSTERDOWN Hash slot not served\r\n");
}

// A node that was down does not hear that its group left its replica out. The
// controller, which would tell it, may have no leader.
TEST_F(LiveViewTest, ReplicaThatWasLeftOut_LeaderIsKnown_AndServesClients) {
  Make({.nodes = 4});
  const size_t leader = cluster().LeaderOf(GroupId(1));
  const size_t out = (leader + 1) % 4;
  cluster().Crash(out);
  LeaveOut(out);
  cluster().Restart(out);
  // No client waits, so nothing but the view tells the queue to look.
  cluster().world().RunFor(Seconds(10));
  ASSERT_NE(std::as_const(cluster().server(out)).host().core(GroupId(1)),
            nullptr);
  EXPECT_EQ(cluster().server(out).LeaderOf(GroupId(1)),
            cluster().config(leader).node);
  EXPECT_NE(Ask(out, {"INFO", "groups"})
                .find(Concat("group1:role=follower,leader=",
                             cluster().config(leader).node, ",")),
            std::string::npos);
  auto client = cluster().ConnectResp(out);
  EXPECT_EQ(cluster().Command(*client, {"SET", "foo", "1"}), "+OK\r\n");
  EXPECT_EQ(cluster().Command(*client, {"GET", "foo"}), "$1\r\n1\r\n");
  const size_t next = (leader + 2) % 4;
  Transfer(next);
  EXPECT_EQ(cluster().Command(*client, {"SET", "foo", "2"}), "+OK\r\n");
  EXPECT_EQ(cluster().server(out).LeaderOf(GroupId(1)),
            cluster().config(next).node);
  // Without a majority no node leads, and none is named.
  cluster().Crash(next);
  cluster().Crash(leader);
  cluster().world().RunFor(Seconds(10));
  EXPECT_EQ(cluster().server(out).LeaderOf(GroupId(1)), NodeId());
}

// A learner does not ask for votes, so it trusts its leader for ever.
TEST_F(LiveViewTest, LearnerThatWasLeftOut_NextLeaderIsKnown) {
  Make({.nodes = 3, .read_only_nodes = 1});
  const size_t learner = 3;
  const size_t leader = cluster().LeaderOf(GroupId(1));
  ASSERT_LT(leader, learner);
  const auto cut = [&](bool blocks) {
    sim::World& world = cluster().world();
    for (size_t other = 0; other < learner; ++other) {
      const sim::MachineId from = cluster().machine(other);
      const sim::MachineId to = cluster().machine(learner);
      blocks ? world.BlockLink(from, to) : world.HealLink(from, to);
    }
  };
  cut(true);
  LeaveOut(learner);
  cut(false);
  cluster().world().RunFor(Seconds(1));
  ASSERT_EQ(cluster().server(learner).LeaderOf(GroupId(1)),
            cluster().config(leader).node);
  cluster().Crash(leader);
  cluster().world().RunFor(Seconds(10));
  const size_t next = cluster().LeaderOf(GroupId(1));
  ASSERT_LT(next, learner);
  EXPECT_EQ(cluster().server(learner).LeaderOf(GroupId(1)),
            cluster().config(next).node);
}

// The directory is lost, and the operator left `bootstrap` on.
TEST_F(LiveViewTest, LostDirectory_GetsNoPartAndIsShownAsFailed) {
  Make({.nodes = 3});
  ASSERT_EQ(Ask(cluster().LeaderOf(GroupId(1)), {"SET", "foo", "1"}),
            "+OK\r\n");
  const size_t lost = (cluster().LeaderOf(GroupId(1)) + 1) % 3;
  cluster().Crash(lost);
  cluster().world().EraseDisk(cluster().machine(lost));
  const absl::Status status =
      cluster().RestartWith(lost, cluster().config(lost));
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_NE(std::string(status.message()).find("the cluster exists"),
            std::string::npos)
      << status;
  cluster().Crash(lost);
  cluster().world().RunFor(Seconds(3));
  const size_t leader = cluster().LeaderOf(GroupId(1));
  ASSERT_LT(leader, 3u);
  for (size_t node = 0; node < 3; ++node) {
    if (node == lost) continue;
    EXPECT_EQ(FirstMaster(node), Concat("n", leader + 1));
    EXPECT_FALSE(SlotsName(node, lost)) << node;
    EXPECT_NE(NodeLine(node, lost).find("slave,fail "), std::string::npos);
    EXPECT_TRUE(AskHttp(node, "/readyz").starts_with("HTTP/1.1 200 "));
  }
}

// Nodes 1 and 2 lost their directories, and each was told to found a cluster of
// its own.
TEST_F(LiveViewTest, OtherBootstrap_IsRefusedOnBothSides) {
  TestCluster other({.nodes = 3});
  ASSERT_TRUE(other.AwaitLeaders());
  for (size_t node = 0; node < 2; ++node) {
    Config alone = other.config(node);
    for (ShardConfig& shard : alone.shards) shard.replicas = {alone.node};
    other.Crash(node);
    other.world().EraseDisk(other.machine(node));
    ASSERT_TRUE(other.RestartWith(node, alone).ok());
  }
  other.world().RunFor(Seconds(5));
  const auto ask = [&](size_t node, std::vector<std::string_view> words) {
    return other.Command(*other.ConnectRespCluster(node), std::move(words));
  };
  const auto ready = [&](size_t node) {
    return other.CallHttp(*other.ConnectHttp(node), Get("/readyz?verbose"));
  };
  constexpr std::string_view kWhy =
      "it was bootstrapped with other groups, replicas, read-only nodes or "
      "slots than this node";
  for (size_t node = 0; node < 2; ++node) {
    EXPECT_TRUE(ready(node).starts_with("HTTP/1.1 200 ")) << ready(node);
    EXPECT_NE(ready(node).find(Concat("[ ]node 3 is refused: ", kWhy)),
              std::string::npos)
        << ready(node);
    EXPECT_EQ(ask(node, {"CLUSTER", "SLOTS"}).find("\r\nn3\r\n"),
              std::string::npos);
    EXPECT_NE(ask(node, {"CLUSTER", "NODES"}).find(",fail "),
              std::string::npos);
    EXPECT_NE(ask(node, {"INFO", "nodes"})
                  .find("node3:state=refused\r\nnode3_refusal:it was "),
              std::string::npos);
  }
  for (size_t node = 0; node < 3; ++node) {
    ExpectFieldsOfInfo(ask(node, {"INFO"}));
  }
  EXPECT_TRUE(ready(2).starts_with("HTTP/1.1 503 ")) << ready(2);
  EXPECT_NE(ready(2).find("[-]group 1 is refused: this node can reach no "
                          "majority of the group (node 1: it was "),
            std::string::npos)
      << ready(2);
  EXPECT_EQ(ask(2, {"CLUSTER", "SLOTS"}), "*0\r\n");
  EXPECT_NE(ask(2, {"CLUSTER", "INFO"}).find("cluster_slots_ok:0\r\n"),
            std::string::npos);
  for (auto& client : {other.ConnectResp(2), other.ConnectRespCluster(2)}) {
    client->Send(EncodeRequest({"READONLY"}) + EncodeRequest({"GET", "foo"}) +
                 EncodeRequest({"SET", "foo", "1"}) +
                 EncodeRequest({"DBSIZE"}));
    other.world().RunFor(Milliseconds(100));
    std::string replies = client->Take();
    replies.erase(0, ReplySize(replies));
    for (int i = 0; i < 2; ++i) {
      EXPECT_TRUE(replies.starts_with("-MISCONF this node does not serve "))
          << replies;
      EXPECT_NE(replies.find(kWhy), std::string::npos);
      replies.erase(0, ReplySize(replies));
    }
    EXPECT_TRUE(replies.starts_with("-MISCONF ")) << replies;
  }
}

// A replica that starts has applied its snapshot only, or nothing.
TEST_F(LiveViewTest, StartedReplica_AnswersNoStaleReadBeforeALeader) {
  Make({.nodes = 3});
  ASSERT_EQ(Ask(cluster().LeaderOf(GroupId(1)), {"SET", "foo", "1"}),
            "+OK\r\n");
  for (size_t node = 0; node < 3; ++node) cluster().Crash(node);
  cluster().Restart(0);
  cluster().world().RunFor(Seconds(1));
  const std::string requests =
      EncodeRequest({"READONLY"}) + EncodeRequest({"GET", "foo"});
  auto alone = cluster().ConnectRespCluster(0);
  auto http = cluster().ConnectHttp(0);
  alone->Send(requests);
  http->Send(Get("/v1/kv/foo?consistency=eventual"));
  cluster().world().RunFor(Milliseconds(2'500));
  EXPECT_EQ(alone->Take(), "+OK\r\n-CLUSTERDOWN Hash slot not served\r\n");
  EXPECT_TRUE(http->Take().starts_with("HTTP/1.1 503 "));
  // Once the replica has heard of a leader, it answers, even after that leader
  // stopped.
  cluster().Restart(1);
  ASSERT_TRUE(cluster().AwaitLeaders());
  cluster().world().RunFor(Seconds(2));
  cluster().Crash(1);
  cluster().world().RunFor(Seconds(3));
  EXPECT_EQ(cluster().Call(*alone, requests, 2), "+OK\r\n$1\r\n1\r\n");
}

}  // namespace
}  // namespace quorate::node

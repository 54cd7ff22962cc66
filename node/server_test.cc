// One server, end to end in the simulated world.
#include "node/server.h"

#include <string>
#include <utility>

#include "env/check.h"
#include "gtest/gtest.h"
#include "node/config/map_parts.h"
#include "node/routing/group_leadership.h"
#include "node/testing/test_cluster.h"
#include "shardctrl/map.h"

namespace quorate::node {
namespace {

TEST(Server_OneNode, SetThenGet_Answers) {
  TestCluster cluster;
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectResp(0);
  EXPECT_EQ(cluster.Command(*client, {"PING"}), "+PONG\r\n");
  EXPECT_EQ(cluster.Command(*client, {"SET", "foo", "bar"}), "+OK\r\n");
  EXPECT_EQ(cluster.Command(*client, {"GET", "foo"}), "$3\r\nbar\r\n");
  EXPECT_EQ(cluster.Command(*client, {"GET", "nope"}), "$-1\r\n");
}

TEST(Server_OneNode, WriteThatEnded_HoldsNoRequestBytes) {
  TestCluster cluster;
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectResp(0);
  EXPECT_EQ(cluster.Command(*client, {"SET", "foo", "bar"}), "+OK\r\n");
  EXPECT_NE(cluster.server(0).MetricsText().find(
                "quorate_held_request_bytes{group=\"1\"} 0\n"),
            std::string::npos);
}

TEST(Server_ThreeNodes, Follower_RedirectsClientsToTheLeader) {
  TestCluster cluster({.nodes = 3});
  ASSERT_TRUE(cluster.AwaitLeaders());
  cluster.world().RunFor(kForwardNew);
  const size_t leader = cluster.LeaderOf(GroupId(1));
  auto follower = cluster.ConnectRespCluster((leader + 1) % 3);
  auto client = cluster.ConnectRespCluster(leader);
  EXPECT_EQ(cluster.Command(*client, {"SET", "foo", "bar"}), "+OK\r\n");
  EXPECT_EQ(
      cluster.Command(*follower, {"GET", "foo"}),
      "-MOVED 12182 " + cluster.config(leader).listen.resp_cluster + "\r\n");
}

// The slots of group 2 from `first` on belong to group 1.
shardctrl::ShardMap MapWithSlotsOfGroup1From(const Config& config,
                                             uint64_t version, Slot first) {
  shardctrl::ShardMap::Parts parts = MapParts(config);
  parts.version = shardctrl::MapVersion(version);
  SlotRange& second = parts.assignments[1].slots;
  const SlotRange moved = {first, second.last};
  second.last = Slot(static_cast<uint16_t>(first.value() - 1));
  parts.assignments.push_back({moved, GroupId(1)});
  auto map = shardctrl::ShardMap::Create(std::move(parts));
  CHECK(map.ok()) << map.status().ToString();
  return *std::move(map);
}

TEST(Server_TwoGroups, CommandThatAMapSendsToTheWrongGroup_WaitsForTheNext) {
  TestCluster cluster({.groups = 2});
  ASSERT_TRUE(cluster.AwaitLeaders());
  Server& server = cluster.server(0);
  auto client = cluster.ConnectResp(0);
  // Slot 12182.
  EXPECT_EQ(cluster.Command(*client, {"SET", "foo", "1"}), "+OK\r\n");
  server.SetMap(MapWithSlotsOfGroup1From(cluster.config(0), 2, Slot(12000)));
  EXPECT_EQ(cluster.Command(*client, {"INCR", "foo"}), "");
  server.SetMap(MapWithSlotsOfGroup1From(cluster.config(0), 3, Slot(13000)));
  EXPECT_EQ(cluster.Call(*client, ""), ":2\r\n");
  EXPECT_EQ(cluster.Command(*client, {"GET", "foo"}), "$1\r\n2\r\n");
}

// The owners that it knows may be former ones, which send the client back.
TEST(Server_TwoGroups, NodeThatHearsOfANewerMap_ForwardsForClusterClients) {
  TestCluster cluster({.nodes = 3, .groups = 2});
  ASSERT_TRUE(cluster.AwaitLeaders());
  cluster.world().RunFor(Seconds(60));
  ASSERT_EQ(cluster.LeaderOf(GroupId(2)), 1u);
  auto client = cluster.ConnectRespCluster(2);
  EXPECT_EQ(cluster.Command(*client, {"SET", "foo", "1"}),
            "-MOVED 12182 n2:7101\r\n");
  for (const size_t other : {0, 1}) {
    cluster.server(other).SetMap(
        MapWithSlotsOfGroup1From(cluster.config(other), 2, Slot(13000)));
  }
  cluster.world().RunFor(Seconds(5));
  EXPECT_EQ(cluster.Command(*client, {"SET", "foo", "2"}), "+OK\r\n");
}

// The former group's leader would send the client back, and this node would
// send it there again.
TEST(Server_TwoGroups, BehindAnUnknownOutcome_ClusterClientIsNotSentInCircles) {
  TestCluster cluster({.nodes = 3, .groups = 2});
  ASSERT_TRUE(cluster.AwaitLeaders());
  cluster.world().RunFor(Seconds(60));
  ASSERT_EQ(cluster.LeaderOf(GroupId(1)), 0u);
  ASSERT_EQ(cluster.LeaderOf(GroupId(2)), 1u);
  Server& server = cluster.server(0);
  server.SetMap(MapWithSlotsOfGroup1From(cluster.config(0), 2, Slot(12000)));
  sim::World& world = cluster.world();
  for (const size_t other : {1, 2}) {
    world.StallDisk(cluster.machine(other), world.now() + Milliseconds(5'500));
  }
  auto client = cluster.ConnectRespCluster(0);
  client->Send(EncodeRequest({"SET", "foo", "1"}));  // Slot 12182.
  world.RunFor(Seconds(6));
  ASSERT_TRUE(client->Take().starts_with("-UNKNOWN "));
  for (const size_t other : {1, 2}) {
    world.BlockLink(cluster.machine(0), cluster.machine(other));
    world.BlockLink(cluster.machine(other), cluster.machine(0));
  }
  server.SetMap(MapWithSlotsOfGroup1From(cluster.config(0), 3, Slot(13000)));
  world.RunFor(Seconds(2));
  world.HealNetwork();
  const raft::Host& host = std::as_const(server).host();
  ASSERT_TRUE(world.RunUntilTrue(
      [&] {
        return host.leader(GroupId(1)) != NodeId() &&
               host.leader(GroupId(2)) != NodeId();
      },
      Seconds(2)));
  ASSERT_NE(host.leader(GroupId(1)), NodeId(1));
  EXPECT_EQ(cluster.Command(*client, {"SET", "foo", "2"}), "+OK\r\n");
  world.RunFor(kForwardNew);
  EXPECT_EQ(cluster.Command(*client, {"SET", "foo", "3"}),
            "-MOVED 12182 n2:7101\r\n");
}

TEST(Server_TwoGroups, AnotherMap_IsWhatClusterClientsAreTold) {
  TestCluster cluster({.nodes = 3, .groups = 2});
  ASSERT_TRUE(cluster.AwaitLeaders());
  // Until each group is led by its preferred node.
  cluster.world().RunFor(Seconds(60));
  ASSERT_NE(cluster.LeaderOf(GroupId(1)), cluster.LeaderOf(GroupId(2)));
  auto client = cluster.ConnectRespCluster(0);
  const std::string before = cluster.Command(*client, {"CLUSTER", "SLOTS"});
  EXPECT_EQ(before.find(":12000\r\n"), std::string::npos);
  cluster.server(0).SetMap(
      MapWithSlotsOfGroup1From(cluster.config(0), 2, Slot(12000)));
  const std::string after = cluster.Command(*client, {"CLUSTER", "SLOTS"});
  EXPECT_NE(after.find(":12000\r\n"), std::string::npos) << after;
}

}  // namespace
}  // namespace quorate::node

// One server, end to end in the simulated world.
#include "node/server.h"

#include <string>
#include <utility>

#include "env/check.h"
#include "gtest/gtest.h"
#include "node/routing/group_leadership.h"
#include "node/testing/test_cluster.h"

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

}  // namespace
}  // namespace quorate::node

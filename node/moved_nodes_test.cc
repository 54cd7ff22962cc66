// Nodes that are started again with other addresses.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "env/check.h"
#include "gtest/gtest.h"
#include "kv/client/client.h"
#include "node/base/text.h"
#include "node/testing/test_cluster.h"
#include "raft/host/bootstrap_record.h"

namespace quorate::node {
namespace {

class MovedNodesTest : public ::testing::Test {
 protected:
  MovedNodesTest() : cluster_({.nodes = 3, .groups = 2}) {
    CHECK(cluster_.AwaitLeaders());
  }

  // The node's file with other addresses of its own. Those of the others are
  // the first ones.
  Config MovedFile(size_t node) {
    ++moves_;
    Config config = cluster_.config(node);
    config.bootstrap = false;
    config.listen = {.admin = Concat("moved", moves_, ":8101"),
                     .allow_non_loopback = true};
    for (NodeConfig& row : config.nodes) {
      if (row.id != config.node) continue;
      const std::string host = Concat("moved", moves_);
      row = {.id = row.id,
             .resp = host + ":7001",
             .resp_cluster = host + ":7101",
             .http = host + ":8001",
             .peer = host + ":9001",
             .read_only = row.read_only};
    }
    CHECK(CompleteConfig(&config, {}).ok());
    return config;
  }
  void Move(size_t node) {
    ASSERT_EQ(cluster_.RestartWith(node, MovedFile(node)), absl::OkStatus());
    // The others learn the addresses, and write them into their caches.
    cluster_.world().RunFor(Seconds(3));
  }
  // Whether `node` tells cluster clients the present addresses of all nodes,
  // and has links to them, within ten seconds.
  bool KnowsAll(size_t node) {
    auto client = cluster_.ConnectRespCluster(node);
    for (int attempt = 0; attempt < 20; ++attempt) {
      const std::string nodes = cluster_.Command(*client, {"CLUSTER", "NODES"});
      bool all = nodes.find("disconnected") == std::string::npos;
      for (size_t n = 0; n < cluster_.size(); ++n) {
        all = all && nodes.find(cluster_.config(n).self().resp_cluster) !=
                         std::string::npos;
      }
      if (all) return true;
      cluster_.world().RunFor(Milliseconds(500));
    }
    return false;
  }
  // The nodes as each node shows them.
  std::string Views() {
    std::string views;
    for (size_t node = 0; node < cluster_.size(); ++node) {
      auto client = cluster_.ConnectRespCluster(node);
      views += "\n" + cluster_.Command(*client, {"CLUSTER", "NODES"});
    }
    return views;
  }
  std::string Set(size_t node, std::string_view key) {
    auto client = cluster_.ConnectResp(node);
    return cluster_.Command(*client, {"SET", key, "v"});
  }

  TestCluster cluster_;
  int moves_ = 0;
};

TEST_F(MovedNodesTest, OneNode_OthersAndClientsFindIt) {
  ASSERT_NO_FATAL_FAILURE(Move(0));
  for (size_t node = 0; node < 3; ++node) EXPECT_TRUE(KnowsAll(node)) << node;
  const std::string moved = "moved1";
  for (const char* const question : {"SLOTS", "SHARDS", "NODES"}) {
    auto client = cluster_.ConnectRespCluster(1);
    EXPECT_NE(cluster_.Command(*client, {"CLUSTER", question}).find(moved),
              std::string::npos)
        << question;
  }
  ASSERT_TRUE(cluster_.AwaitLeaders());
  // Until the group is led by its preferred node, which is the moved one.
  cluster_.world().RunFor(Seconds(60));
  ASSERT_EQ(cluster_.LeaderOf(GroupId(1)), 0u);
  auto client = cluster_.ConnectRespCluster(1);
  EXPECT_EQ(cluster_.Command(*client, {"SET", "bar", "v"}),
            "-MOVED 5061 moved1:7101\r\n");
  auto http = cluster_.ConnectHttp(1);
  EXPECT_NE(cluster_
                .CallHttp(*http,
                          "GET /v1/kv/bar?redirect HTTP/1.1\r\n"
                          "Host: n2:8001\r\n\r\n")
                .find("http://moved1:8001/v1/kv/bar"),
            std::string::npos);
}

TEST_F(MovedNodesTest, EachNodeInTurn_TheOthersFindIt) {
  for (int round = 0; round < 2; ++round) {
    for (size_t node = 0; node < 3; ++node) {
      ASSERT_NO_FATAL_FAILURE(Move(node));
      ASSERT_TRUE(cluster_.AwaitLeaders())
          << "round " << round << ", node " << node << ": " << Views();
      EXPECT_EQ(Set(node, "foo"), "+OK\r\n");
    }
  }
  for (size_t node = 0; node < 3; ++node) EXPECT_TRUE(KnowsAll(node)) << node;
}

// Each file names one address of the new ones as a seed.
TEST_F(MovedNodesTest, AllNodesAtOnce_OneSeedIsEnough) {
  std::vector<Config> files;
  for (size_t node = 0; node < 3; ++node) {
    cluster_.Crash(node);
    files.push_back(MovedFile(node));
  }
  const std::string seed = files[0].self().peer;
  for (size_t node = 0; node < 3; ++node) {
    if (node > 0) {
      files[node].seeds = {seed};
      EXPECT_FALSE(cluster_.RestartWith(node, files[node]).ok()) << "a copy?";
      files[node].moved = true;
    }
    ASSERT_EQ(cluster_.RestartWith(node, files[node]), absl::OkStatus());
  }
  for (size_t node = 0; node < 3; ++node) EXPECT_TRUE(KnowsAll(node)) << node;
  ASSERT_TRUE(cluster_.AwaitLeaders());
  EXPECT_EQ(Set(2, "foo"), "+OK\r\n");
}

// Node 3 cannot know where node 1 is now, so node 1 has to remember node 3.
TEST_F(MovedNodesTest, NodeThatMovedEarlier_IsFoundByTheCache) {
  ASSERT_NO_FATAL_FAILURE(Move(2));
  ASSERT_TRUE(KnowsAll(0));
  cluster_.Crash(1);
  ASSERT_NO_FATAL_FAILURE(Move(0));
  ASSERT_TRUE(cluster_.world().RunUntilTrue(
      [&] { return cluster_.LeaderOf(GroupId(1)) != cluster_.size(); },
      Seconds(20)));
  EXPECT_EQ(Set(2, "foo"), "+OK\r\n");
}

TEST_F(MovedNodesTest, ClientLibrary_FollowsEveryMove) {
  env::Env& env = cluster_.clients_env();
  kv::ClientOptions options;
  options.seeds = {cluster_.config(0).self().resp_cluster};
  kv::Client client(env.loop, env.streams, env.random, std::move(options));
  for (int i = 0; i < 8; ++i) {
    if (i % 2 == 1) {
      // Node 1 comes last: until then the client may ask its seed.
      ASSERT_NO_FATAL_FAILURE(Move(static_cast<size_t>(2 - i / 2 % 3)));
    }
    int results = 0;
    const env::Pending turn = env.loop.Defer([&] {
      for (const char* const key : {"foo", "bar", "baz"}) {
        client.Set(key, "v", [&](const kv::ClientResult& result) {
          EXPECT_EQ(result.outcome, Outcome::kDone) << result.status;
          ++results;
        });
      }
    });
    ASSERT_TRUE(cluster_.world().RunUntilTrue([&] { return results == 3; },
                                              Seconds(30)))
        << i;
  }
}

}  // namespace
}  // namespace quorate::node

// KEYS, SCAN, DBSIZE, RANDOMKEY and FLUSHALL on several nodes: what they cover, and in what steps.
#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "env/number.h"
#include "gtest/gtest.h"
#include "node/test_cluster.h"
#include "node/text.h"

namespace quorate::node {
namespace {

void Proxy(Config& config) { config.redirect = Redirect::kProxy; }

// The bulk strings of a reply in which nothing else is of interest.
std::vector<std::string> Bulks(const std::string& reply) {
  std::vector<std::string> bulks;
  for (size_t at = reply.find('$'); at != std::string::npos;
       at = reply.find('$', at)) {
    const size_t line = reply.find("\r\n", at);
    int64_t size = 0;
    ParseInteger(std::string_view(reply).substr(at + 1, line - at - 1), &size);
    if (size < 0) break;
    bulks.push_back(reply.substr(line + 2, static_cast<size_t>(size)));
    at = line + 2 + static_cast<size_t>(size);
  }
  return bulks;
}

std::set<std::string> Fill(TestCluster& cluster, TestClient& client,
                           int count) {
  std::set<std::string> keys;
  for (int i = 0; i < count; ++i) {
    const std::string key = Concat("key", i);
    EXPECT_EQ(cluster.Command(client, {"SET", key, "v"}), "+OK\r\n");
    keys.insert(key);
  }
  return keys;
}

// Every key that a whole SCAN returned, as often as it did.
std::multiset<std::string> ScanAll(TestCluster& cluster, TestClient& client,
                                   std::string_view count) {
  std::multiset<std::string> keys;
  std::string cursor = "0";
  int steps = 0;
  do {
    const std::vector<std::string> bulks =
        Bulks(cluster.Command(client, {"SCAN", cursor, "COUNT", count}));
    if (bulks.empty() || ++steps > 1000) {
      ADD_FAILURE() << "no cursor, or no end";
      return keys;
    }
    cursor = bulks[0];
    keys.insert(bulks.begin() + 1, bulks.end());
  } while (cursor != "0");
  return keys;
}

// What a cluster's client puts together from all masters.
TEST(Keyspace_Proxy, AllNodesTogether_CoverEveryKeyOnce) {
  TestCluster cluster({.nodes = 3, .groups = 3, .adjust = Proxy});
  ASSERT_TRUE(cluster.AwaitLeaders());
  cluster.world().RunFor(Seconds(5));
  auto writer = cluster.ConnectResp(0);
  const std::set<std::string> keys = Fill(cluster, *writer, 100);
  std::multiset<std::string> listed, scanned;
  for (size_t node = 0; node < 3; ++node) {
    auto client = cluster.ConnectResp(node);
    const auto all = Bulks(cluster.Command(*client, {"KEYS", "*"}));
    listed.insert(all.begin(), all.end());
    EXPECT_EQ(cluster.Command(*client, {"DBSIZE"}),
              Concat(":", all.size(), "\r\n"));
    scanned.merge(ScanAll(cluster, *client, "7"));
    for (int i = 0; i < 60 && !all.empty(); ++i) {
      const auto random = Bulks(cluster.Command(*client, {"RANDOMKEY"}));
      EXPECT_EQ(std::count(all.begin(), all.end(), random.at(0)), 1);
    }
  }
  EXPECT_EQ(std::multiset<std::string>(keys.begin(), keys.end()), listed);
  EXPECT_EQ(listed, scanned);
}

TEST(Keyspace_Proxy, FlushAllOnOneNode_RemovesEveryKey) {
  TestCluster cluster({.nodes = 3, .groups = 3, .adjust = Proxy});
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectResp(1);
  const std::set<std::string> keys = Fill(cluster, *client, 50);
  EXPECT_EQ(cluster.Command(*client, {"FLUSHALL"}), "+OK\r\n");
  for (const std::string& key : keys) {
    EXPECT_EQ(cluster.Command(*client, {"EXISTS", key}), ":0\r\n");
  }
}

// The last node votes nowhere: both groups are asked over the network.
TEST(Keyspace_Proxy, NodeWithoutReplicas_CoversEveryKey) {
  TestCluster cluster(
      {.nodes = 3, .groups = 2, .adjust = [](Config& config) {
         Proxy(config);
         for (uint16_t i = 0; i < 2; ++i) {
           config.shards.push_back(
               {.group = GroupId(i + 1),
                .name = Concat("g", i + 1),
                .slots = {{static_cast<uint16_t>(i * 8192),
                           static_cast<uint16_t>(i * 8192 + 8191)}},
                .replicas = {NodeId(i + 1)}});
         }
       }});
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectResp(2);
  const std::set<std::string> keys = Fill(cluster, *client, 60);
  EXPECT_EQ(cluster.Command(*client, {"DBSIZE"}), ":60\r\n");
  EXPECT_EQ(Bulks(cluster.Command(*client, {"KEYS", "*"})).size(), 60u);
  EXPECT_EQ(std::multiset<std::string>(keys.begin(), keys.end()),
            ScanAll(cluster, *client, "7"));
  EXPECT_EQ(cluster.Command(*client, {"FLUSHDB"}), "+OK\r\n");
  EXPECT_EQ(cluster.Command(*client, {"DBSIZE"}), ":0\r\n");
}

TEST(Keyspace_Moved, EachNode_CoversWhatItLeads) {
  TestCluster cluster({.nodes = 3, .groups = 3});
  ASSERT_TRUE(cluster.AwaitLeaders());
  cluster.world().RunFor(Seconds(10));
  std::multiset<std::string> all;
  for (size_t node = 0; node < 3; ++node) {
    auto client = cluster.ConnectResp(node);
    for (int i = 0; i < 60; ++i) {
      cluster.Command(*client, {"SET", Concat("key", i), "v"});
    }
    const auto keys = Bulks(cluster.Command(*client, {"KEYS", "*"}));
    EXPECT_LT(keys.size(), 60u);
    EXPECT_EQ(cluster.Command(*client, {"DBSIZE"}),
              Concat(":", keys.size(), "\r\n"));
    const auto scanned = ScanAll(cluster, *client, "5");
    EXPECT_EQ(scanned, std::multiset<std::string>(keys.begin(), keys.end()));
    all.insert(scanned.begin(), scanned.end());
  }
  EXPECT_EQ(all.size(), 60u);
}

// A walk takes many turns: what is sent behind it waits, and others are served meanwhile.
TEST(Keyspace_Keys, OfManyKeys_GoesInSteps) {
  TestCluster cluster({.nodes = 3,
                       .read_only_nodes = 1,
                       .groups = 3,
                       .adjust = [](Config& config) {
                         Proxy(config);
                         config.limits.scan_keys = 50;
                       }});
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto writer = cluster.ConnectResp(0);
  std::string sets;
  for (int i = 0; i < 3000; ++i) {
    sets += EncodeRequest({"SET", Concat("key", i), "v"});
  }
  cluster.Call(*writer, sets, 3000);
  auto client = cluster.ConnectResp(3);
  auto other = cluster.ConnectResp(3);
  client->Send(EncodeRequest({"KEYS", "*"}) +
               EncodeRequest({"EXISTS", "key1"}) + EncodeRequest({"DBSIZE"}) +
               EncodeRequest({"PING"}));
  cluster.world().RunFor(Microseconds(400));
  EXPECT_EQ(cluster.Command(*other, {"PING"}), "+PONG\r\n");
  EXPECT_EQ(client->received(), "") << "the walk was over at once";
  cluster.world().RunFor(Seconds(2));
  const std::string reply = client->Take();
  EXPECT_TRUE(reply.starts_with("*3000\r\n")) << reply.substr(0, 40);
  EXPECT_TRUE(reply.ends_with("\r\n:1\r\n:3000\r\n+PONG\r\n"));
}

TEST(Keyspace_Keys, MoreThanAReplyMayHold_IsAnError) {
  TestCluster cluster(
      {.adjust = [](Config& config) { config.limits.key_bytes = 65'535; }});
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectResp(0);
  const std::string tail(65'000, 'x');
  for (int i = 0; i < 1'050; ++i) {
    cluster.Command(*client, {"SET", Concat(i, tail), "v"});
  }
  EXPECT_EQ(cluster.Command(*client, {"KEYS", "*"}),
            "-ERR the reply would exceed 64 MiB; use SCAN\r\n");
  EXPECT_EQ(cluster.Command(*client, {"DBSIZE"}), ":1050\r\n");
}

TEST(Keyspace_ReadOnlyNode, AGroupWithoutALeader_IsSaid) {
  TestCluster cluster({.nodes = 3, .read_only_nodes = 1, .groups = 3});
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectResp(3);
  EXPECT_EQ(cluster.Command(*client, {"DBSIZE"}), ":0\r\n");
  cluster.Crash(1);
  cluster.Crash(2);
  cluster.world().RunFor(Seconds(3));
  for (const std::string_view command : {"DBSIZE", "RANDOMKEY"}) {
    client->Send(EncodeRequest({command}) + EncodeRequest({"PING"}));
    cluster.world().RunFor(Seconds(5));
    EXPECT_EQ(client->Take(), "-CLUSTERDOWN Hash slot not served\r\n+PONG\r\n");
  }
  client->Send(EncodeRequest({"KEYS", "*"}) + EncodeRequest({"SCAN", "0"}));
  cluster.world().RunFor(Seconds(5));
  EXPECT_EQ(client->Take(),
            "-CLUSTERDOWN Hash slot not served\r\n"
            "-CLUSTERDOWN Hash slot not served\r\n");
}

TEST(Keyspace_Commands, InsideATransaction_AreRefused) {
  TestCluster cluster;
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectResp(0);
  EXPECT_EQ(cluster.Command(*client, {"MULTI"}), "+OK\r\n");
  EXPECT_EQ(cluster.Command(*client, {"DBSIZE"}),
            "-ERR Command not allowed inside a transaction\r\n");
  EXPECT_EQ(cluster.Command(*client, {"EXEC"}),
            "-EXECABORT Transaction discarded because of previous errors.\r\n");
}

}  // namespace
}  // namespace quorate::node

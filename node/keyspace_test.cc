// KEYS, SCAN, DBSIZE, RANDOMKEY and FLUSHALL on several nodes: the keys that
// they cover, and their steps.
#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "env/parse_integer.h"
#include "gtest/gtest.h"
#include "kv/slots/slot.h"
#include "node/base/text.h"
#include "node/testing/test_cluster.h"

namespace quorate::node {
namespace {

// The bulk strings of a reply; everything else is skipped.
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

// Every key that a complete SCAN returned, with repetitions.
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

// Every node covers all keys.
TEST(Keyspace_Plain, EachNode_CoversEveryKeyOnce) {
  TestCluster cluster({.nodes = 3, .read_only_nodes = 1, .groups = 3});
  ASSERT_TRUE(cluster.AwaitLeaders());
  cluster.world().RunFor(Seconds(5));
  auto writer = cluster.ConnectResp(0);
  const std::set<std::string> keys = Fill(cluster, *writer, 100);
  const std::multiset<std::string> expected(keys.begin(), keys.end());
  for (size_t node = 0; node < 4; ++node) {
    auto client = cluster.ConnectResp(node);
    const auto listed = Bulks(cluster.Command(*client, {"KEYS", "*"}));
    EXPECT_EQ(std::multiset<std::string>(listed.begin(), listed.end()),
              expected);
    EXPECT_EQ(cluster.Command(*client, {"DBSIZE"}), ":100\r\n");
    EXPECT_EQ(ScanAll(cluster, *client, "7"), expected);
    std::set<std::string> random;
    for (int i = 0; i < 300; ++i) {
      const auto key = Bulks(cluster.Command(*client, {"RANDOMKEY"}));
      EXPECT_TRUE(keys.contains(key.at(0))) << key.at(0);
      random.insert(key.at(0));
    }
    EXPECT_GT(random.size(), 60u);
    EXPECT_NE(
        cluster.Command(*client, {"INFO", "keyspace"}).find("db0:keys=100"),
        std::string::npos);
  }
}

TEST(Keyspace_Plain, Info_CountsKeysThatExpire) {
  TestCluster cluster({.nodes = 4, .groups = 3, .adjust = [](Config& config) {
                         config.shards = EvenShards(config.nodes, {3, 3});
                       }});
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto writer = cluster.ConnectResp(0);
  Fill(cluster, *writer, 30);
  for (int i = 0; i < 10; ++i) {
    cluster.Command(*writer, {"EXPIRE", Concat("key", i), "1000"});
  }
  cluster.world().RunFor(Seconds(1));
  int whole = 0;
  for (size_t node = 0; node < cluster.size(); ++node) {
    bool copies = true;
    for (uint32_t group = 1; group <= 3; ++group) {
      copies = copies && cluster.server(node).store(GroupId(group)) != nullptr;
    }
    whole += copies;
    const std::string info =
        cluster.Command(*cluster.ConnectResp(node), {"INFO", "keyspace"});
    EXPECT_NE(info.find(copies ? "db0:keys=30,expires=10,avg_ttl=0\r\n"
                               : "db0:keys=30,avg_ttl=0\r\n"),
              std::string::npos)
        << info;
  }
  EXPECT_GT(whole, 0);
  EXPECT_LT(whole, 4);
}

// A scan may continue on another node.
TEST(Keyspace_Plain, OneCursor_IsGoodOnEveryNode) {
  TestCluster cluster({.nodes = 3, .groups = 3});
  ASSERT_TRUE(cluster.AwaitLeaders());
  std::vector<std::unique_ptr<TestClient>> clients;
  for (size_t node = 0; node < 3; ++node) {
    clients.push_back(cluster.ConnectResp(node));
  }
  const std::set<std::string> keys = Fill(cluster, *clients[0], 100);
  std::set<std::string> seen;
  std::string cursor = "0";
  int step = 0;
  do {
    const auto bulks = Bulks(
        cluster.Command(*clients[step % 3], {"SCAN", cursor, "COUNT", "9"}));
    ASSERT_FALSE(bulks.empty());
    cursor = bulks[0];
    seen.insert(bulks.begin() + 1, bulks.end());
    ASSERT_LT(++step, 1000);
  } while (cursor != "0");
  EXPECT_EQ(seen, keys);
  EXPECT_GT(step, 6);
}

// Nodes crash and restart, and leadership moves. Every answer is complete or an
// error, and a scan misses no key.
TEST(Keyspace_Plain, NodesCrashMeanwhile_AnswersAreCompleteOrErrors) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    TestCluster cluster({.nodes = 3, .groups = 3, .seed = seed});
    ASSERT_TRUE(cluster.AwaitLeaders());
    auto writer = cluster.ConnectResp(0);
    const std::set<std::string> keys = Fill(cluster, *writer, 100);
    std::set<std::string> seen;
    std::string cursor = "0";
    size_t down = 3;  // None.
    size_t last = 0;  // The node that crashed last; it may not listen yet.
    for (int step = 0; cursor != "0" || step == 0;) {
      ASSERT_LT(++step, 2000);
      if (step % 4 == 0) {
        if (down < 3) {
          cluster.Restart(down);
          cluster.world().RunFor(Milliseconds(100));
        }
        down = down < 3 ? 3 : (seed + static_cast<size_t>(step) / 4) % 3;
        if (down < 3) cluster.Crash(last = down);
      }
      auto client = cluster.ConnectResp((last + 1) % 3);
      client->Send(EncodeRequest({"SCAN", cursor, "COUNT", "5"}) +
                   EncodeRequest({"DBSIZE"}));
      cluster.world().RunUntilTrue(
          [&] {
            const size_t first = ReplySize(client->received());
            return first > 0 && client->received().size() > first;
          },
          Seconds(10));
      const std::string reply = client->Take();
      const size_t first = ReplySize(reply);
      ASSERT_GT(first, 0u) << step << ": " << reply;
      const std::string count = reply.substr(first);
      EXPECT_TRUE(count == ":100\r\n" || count.starts_with("-CLUSTERDOWN "))
          << count;
      if (reply.starts_with("-CLUSTERDOWN ")) continue;
      const auto bulks = Bulks(reply.substr(0, first));
      ASSERT_FALSE(bulks.empty()) << reply;
      cursor = bulks[0];
      seen.insert(bulks.begin() + 1, bulks.end());
    }
    EXPECT_EQ(seen, keys) << seed;
  }
}

// A cluster client combines the answers of all masters.
TEST(Keyspace_Cluster, AllNodesTogether_CoverEveryKeyOnce) {
  TestCluster cluster({.nodes = 3, .groups = 3});
  ASSERT_TRUE(cluster.AwaitLeaders());
  cluster.world().RunFor(Seconds(5));
  auto writer = cluster.ConnectResp(0);
  const std::set<std::string> keys = Fill(cluster, *writer, 100);
  const auto expires = [](std::string_view key) { return key.ends_with('7'); };
  for (const std::string& key : keys) {
    if (expires(key)) cluster.Command(*writer, {"EXPIRE", key, "1000"});
  }
  std::multiset<std::string> listed, scanned;
  for (size_t node = 0; node < 3; ++node) {
    auto client = cluster.ConnectRespCluster(node);
    const auto all = Bulks(cluster.Command(*client, {"KEYS", "*"}));
    EXPECT_LT(all.size(), 100u);
    listed.insert(all.begin(), all.end());
    EXPECT_EQ(cluster.Command(*client, {"DBSIZE"}),
              Concat(":", all.size(), "\r\n"));
    const std::string info =
        Bulks(cluster.Command(*client, {"INFO", "keyspace"})).at(0);
    const std::string expected =
        Concat("db0:keys=", all.size(),
               ",expires=", std::count_if(all.begin(), all.end(), expires),
               ",avg_ttl=0");
    EXPECT_EQ(info, all.empty() ? "# Keyspace\r\n"
                                : Concat("# Keyspace\r\n", expected, "\r\n"));
    scanned.merge(ScanAll(cluster, *client, "7"));
    for (int i = 0; i < 60 && !all.empty(); ++i) {
      const auto random = Bulks(cluster.Command(*client, {"RANDOMKEY"}));
      EXPECT_EQ(std::count(all.begin(), all.end(), random.at(0)), 1);
    }
  }
  EXPECT_EQ(std::multiset<std::string>(keys.begin(), keys.end()), listed);
  EXPECT_EQ(listed, scanned);
}

TEST(Keyspace_Cluster, CursorOfAnotherNode_IsAnError) {
  TestCluster cluster({.nodes = 3, .groups = 3});
  ASSERT_TRUE(cluster.AwaitLeaders());
  cluster.world().RunFor(Seconds(10));
  auto plain = cluster.ConnectResp(0);
  Fill(cluster, *plain, 100);
  std::vector<std::unique_ptr<TestClient>> clients;
  std::vector<std::string> cursors;
  for (size_t node = 0; node < 3; ++node) {
    clients.push_back(cluster.ConnectRespCluster(node));
    cursors.push_back(
        Bulks(cluster.Command(*clients[node], {"SCAN", "0", "COUNT", "3"}))[0]);
  }
  clients.push_back(cluster.ConnectResp(0));
  cursors.push_back(
      Bulks(cluster.Command(*clients[3], {"SCAN", "0", "COUNT", "3"}))[0]);
  for (size_t of = 0; of < 4; ++of) {
    for (size_t at = 0; at < 4; ++at) {
      const std::string reply =
          cluster.Command(*clients[at], {"SCAN", cursors[of], "COUNT", "3"});
      EXPECT_EQ(reply.starts_with("-ERR invalid cursor: "), of != at)
          << cursors[of] << " at " << at << ": " << reply;
    }
  }
}

// The slot's group answers, whichever node leads it. The last node has no
// replica of group 3.
TEST(Keyspace_Cluster, KeysOfASlot_AreEqualOnEveryNode) {
  TestCluster cluster({.nodes = 4, .groups = 3, .adjust = [](Config& config) {
                         config.shards = EvenShards(config.nodes, {3, 3});
                       }});
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto writer = cluster.ConnectResp(0);
  const std::string slot = Concat(kv::HashSlot("{tag}"));
  for (int i = 0; i < 20; ++i) {
    cluster.Command(*writer, {"SET", Concat("{tag}", i), "v"});
  }
  for (size_t node = 0; node < cluster.size(); ++node) {
    auto client = cluster.ConnectRespCluster(node);
    const auto keys_of = [&](std::string_view count) {
      return Bulks(
          cluster.Command(*client, {"CLUSTER", "GETKEYSINSLOT", slot, count}));
    };
    EXPECT_EQ(cluster.Command(*client, {"CLUSTER", "COUNTKEYSINSLOT", slot}),
              ":20\r\n");
    EXPECT_EQ(cluster.Command(*client, {"CLUSTER", "COUNTKEYSINSLOT", "0"}),
              ":0\r\n");
    const std::vector<std::string> all = keys_of("1000");
    EXPECT_EQ(all.size(), 20u);
    EXPECT_EQ(std::set<std::string>(all.begin(), all.end()).size(), 20u);
    EXPECT_EQ(keys_of("7").size(), 7u);
    EXPECT_EQ(cluster.Command(*client, {"CLUSTER", "GETKEYSINSLOT", slot, "0"}),
              "*0\r\n");
    EXPECT_EQ(cluster.Command(*client, {"CLUSTER", "COUNTKEYSINSLOT", "16384"}),
              "-ERR Invalid slot\r\n");
    EXPECT_EQ(cluster.Command(*client, {"CLUSTER", "GETKEYSINSLOT", "0", "-1"}),
              "-ERR Invalid slot or number of keys\r\n");
  }
}

// The scan would miss keys of a group that moved away, and repeat those of a
// group that moved here.
TEST(Keyspace_Cluster, LeadershipMovesDuringAScan_IsAnError) {
  TestCluster cluster({.nodes = 3, .groups = 3});
  ASSERT_TRUE(cluster.AwaitLeaders());
  cluster.world().RunFor(Seconds(10));
  auto plain = cluster.ConnectResp(0);
  Fill(cluster, *plain, 100);
  const size_t other = cluster.LeaderOf(GroupId(2));
  const size_t node = (other + 1) % 3;
  auto client = cluster.ConnectRespCluster(node);
  const std::string cursor =
      Bulks(cluster.Command(*client, {"SCAN", "0", "COUNT", "3"}))[0];
  EXPECT_NE(cursor, "0");
  cluster.Crash(other);
  ASSERT_TRUE(cluster.world().RunUntilTrue(
      [&] {
        const size_t leader = cluster.LeaderOf(GroupId(2));
        return leader != other && leader != cluster.size();
      },
      Seconds(10)));
  const size_t next = cluster.LeaderOf(GroupId(2));
  const std::string reply = cluster.Command(*client, {"SCAN", cursor});
  EXPECT_EQ(reply.starts_with("-ERR invalid cursor: "), next == node) << reply;
}

TEST(Keyspace_Plain, FlushAllOnOneNode_RemovesEveryKey) {
  TestCluster cluster({.nodes = 3, .groups = 3});
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectResp(1);
  const std::set<std::string> keys = Fill(cluster, *client, 50);
  EXPECT_EQ(cluster.Command(*client, {"FLUSHALL"}), "+OK\r\n");
  for (const std::string& key : keys) {
    EXPECT_EQ(cluster.Command(*client, {"EXISTS", key}), ":0\r\n");
  }
}

// The last node has no vote: it asks both groups over the network.
TEST(Keyspace_Plain, NodeWithoutReplicas_CoversEveryKey) {
  TestCluster cluster(
      {.nodes = 3, .groups = 2, .adjust = [](Config& config) {
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

TEST(Keyspace_Cluster, EachNode_CoversItsLedGroups) {
  TestCluster cluster({.nodes = 3, .groups = 3});
  ASSERT_TRUE(cluster.AwaitLeaders());
  cluster.world().RunFor(Seconds(10));
  std::multiset<std::string> all;
  for (size_t node = 0; node < 3; ++node) {
    auto client = cluster.ConnectRespCluster(node);
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

// A scan of all keys takes many turns. Later requests of its connection wait,
// and other connections are served.
TEST(Keyspace_Keys, OfManyKeys_TakesSteps) {
  TestCluster cluster(
      {.nodes = 3,
       .read_only_nodes = 1,
       .groups = 3,
       .adjust = [](Config& config) { config.bounds.scan_keys = 50; }});
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
      {.adjust = [](Config& config) { config.bounds.key_bytes = 65'535; }});
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

// With the majority lost, no partial answer is given as if it were complete.
TEST(Keyspace_MajorityLost, EveryCommand_NamesTheMissingGroup) {
  TestCluster cluster({.nodes = 3, .read_only_nodes = 1, .groups = 3});
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto plain = cluster.ConnectResp(0);
  auto replica = cluster.ConnectResp(3);
  auto of_cluster = cluster.ConnectRespCluster(0);
  EXPECT_EQ(cluster.Command(*replica, {"DBSIZE"}), ":0\r\n");
  cluster.Crash(1);
  cluster.Crash(2);
  cluster.world().RunFor(Seconds(3));
  for (TestClient* client : {plain.get(), replica.get(), of_cluster.get()}) {
    for (const std::vector<std::string_view>& command :
         {std::vector<std::string_view>{"DBSIZE"},
          {"RANDOMKEY"},
          {"KEYS", "*"},
          {"SCAN", "0"}}) {
      client->Send(EncodeRequest(command) + EncodeRequest({"PING"}));
      cluster.world().RunFor(Milliseconds(2'500));
      const std::string reply = client->Take();
      EXPECT_TRUE(reply.starts_with("-CLUSTERDOWN no leader known for group "))
          << command[0] << ": " << reply;
      EXPECT_NE(reply.find(" (slots "), std::string::npos) << reply;
      EXPECT_TRUE(reply.ends_with("\r\n+PONG\r\n")) << reply;
    }
  }
  auto of_replica = cluster.ConnectRespCluster(3);
  for (TestClient* client : {of_cluster.get(), of_replica.get()}) {
    for (const std::vector<std::string_view>& command :
         {std::vector<std::string_view>{"CLUSTER", "COUNTKEYSINSLOT", "16000"},
          {"CLUSTER", "GETKEYSINSLOT", "16000", "10"}}) {
      client->Send(EncodeRequest(command));
      cluster.world().RunFor(Milliseconds(2'500));
      EXPECT_EQ(client->Take(),
                "-CLUSTERDOWN no leader known for group 3 (slots "
                "10922-16383)\r\n")
          << command[1];
    }
  }
  for (TestClient* client : {plain.get(), of_cluster.get()}) {
    client->Send(EncodeRequest({"FLUSHALL"}));
    cluster.world().RunFor(Milliseconds(2'500));
    const std::string reply = client->Take();
    EXPECT_TRUE(reply.starts_with("-UNKNOWN group ")) << reply;
    EXPECT_TRUE(reply.ends_with(
        " did not execute the command for all its slots, other slots may be "
        "flushed: no leader known\r\n"))
        << reply;
  }
}

TEST(Keyspace_MajorityLost, Info_AnswersWithTheReason) {
  TestCluster cluster({.nodes = 3, .read_only_nodes = 1, .groups = 3});
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto plain = cluster.ConnectResp(0);
  auto replica = cluster.ConnectResp(3);
  auto of_cluster = cluster.ConnectRespCluster(0);
  auto of_replica = cluster.ConnectRespCluster(3);
  cluster.Crash(1);
  cluster.Crash(2);
  cluster.world().RunFor(Seconds(3));
  constexpr std::string_view kReason =
      "# Keyspace\r\ndb0_error:CLUSTERDOWN no leader known for group ";
  for (TestClient* client : {plain.get(), replica.get(), of_cluster.get()}) {
    client->Send(EncodeRequest({"INFO", "keyspace"}) + EncodeRequest({"INFO"}));
    cluster.world().RunFor(Milliseconds(5'000));
    const std::vector<std::string> replies = Bulks(client->Take());
    ASSERT_EQ(replies.size(), 2u);
    EXPECT_TRUE(replies[0].starts_with(kReason)) << replies[0];
    EXPECT_NE(
        replies[1].find(client == of_cluster.get() ? "redis_mode:cluster"
                                                   : "redis_mode:standalone"),
        std::string::npos);
    EXPECT_NE(replies[1].find(kReason), std::string::npos) << replies[1];
    EXPECT_EQ(replies[1].find("db0:"), std::string::npos) << replies[1];
  }
  // A node without a vote covers no group of the answer.
  EXPECT_EQ(cluster.Command(*of_replica, {"INFO", "keyspace"}),
            "$12\r\n# Keyspace\r\n\r\n");
}

// A client may repeat a command with the outcome "not executed", so this error
// must not be given for a partial effect.
TEST(Keyspace_MajorityLost, FlushOfTheOtherGroups_IsNotCalledNotExecuted) {
  TestCluster cluster({.nodes = 3, .groups = 3, .adjust = [](Config& config) {
                         config.shards = EvenShards(config.nodes, {3, 1});
                       }});
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectResp(0);
  // "b" is in the first group, which has a replica on this node.
  EXPECT_EQ(cluster.Command(*client, {"SET", "b", "1"}), "+OK\r\n");
  cluster.Crash(2);
  client->Send(EncodeRequest({"FLUSHALL"}));
  cluster.world().RunFor(Seconds(10));
  const std::string reply = client->Take();
  EXPECT_TRUE(reply.starts_with("-UNKNOWN group 3 (slots 10922-16383) "))
      << reply;
  EXPECT_EQ(cluster.Command(*client, {"GET", "b"}), "$-1\r\n");
}

// The node that is elected while the commands wait answers for the group. No
// other node does.
TEST(Keyspace_Cluster, ElectionMeanwhile_TheNewLeaderCovers) {
  int led = 0;
  constexpr int kSeeds = 12;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    TestCluster cluster({.nodes = 3, .groups = 1, .seed = seed});
    ASSERT_TRUE(cluster.AwaitLeaders());
    auto writer = cluster.ConnectResp(0);
    Fill(cluster, *writer, 20);
    auto client = cluster.ConnectRespCluster(1);
    cluster.Crash(0);
    cluster.Crash(2);
    cluster.world().RunFor(Seconds(3));
    client->Send(EncodeRequest({"DBSIZE"}));
    cluster.world().RunFor(Milliseconds(10));
    EXPECT_EQ(client->received(), "");
    cluster.Restart(0);
    cluster.Restart(2);
    ASSERT_TRUE(cluster.world().RunUntilTrue(
        [&] { return !client->received().empty(); }, Seconds(2)));
    const raft::Core& core =
        *std::as_const(cluster.server(1)).host().core(GroupId(1));
    const bool leads = core.role() == raft::RoleKind::kLeader;
    if (leads) ++led;
    EXPECT_EQ(client->Take(), leads ? ":20\r\n" : ":0\r\n") << seed;
  }
  EXPECT_GT(led, 0);
  EXPECT_LT(led, kSeeds);
}

// A node that was elected while the scan waited answers for the group, and
// then leads it no longer. The rest of the group's keys would be missed.
TEST(Keyspace_Cluster, GroupLedOnlyBetween_IsAnError) {
  int led = 0;
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    TestCluster cluster({.nodes = 3, .groups = 1, .seed = seed});
    sim::World& world = cluster.world();
    ASSERT_TRUE(cluster.AwaitLeaders());
    auto writer = cluster.ConnectResp(0);
    Fill(cluster, *writer, 20);
    auto client = cluster.ConnectRespCluster(1);
    cluster.Crash(0);
    cluster.Crash(2);
    world.RunFor(Seconds(3));
    client->Send(EncodeRequest({"SCAN", "0", "COUNT", "3"}));
    world.RunFor(Milliseconds(10));
    cluster.Restart(0);
    cluster.Restart(2);
    ASSERT_TRUE(world.RunUntilTrue([&] { return !client->received().empty(); },
                                   Seconds(2)));
    const std::string cursor = Bulks(client->Take()).at(0);
    if (cursor == "0") continue;
    ++led;
    for (const size_t other : {0, 2}) {
      world.BlockLink(cluster.machine(other), cluster.machine(1));
      world.BlockLink(cluster.machine(1), cluster.machine(other));
    }
    world.RunFor(Seconds(10));
    world.HealNetwork();
    world.RunFor(Seconds(10));
    EXPECT_NE(cluster.LeaderOf(GroupId(1)), 1u) << seed;
    const std::string reply = cluster.Command(*client, {"SCAN", cursor});
    EXPECT_TRUE(reply.starts_with("-ERR invalid cursor: ")) << reply;
  }
  EXPECT_GT(led, 0);
}

// The slot ranges alternate between two groups, and only one request may wait.
void ManyRanges(Config& config) {
  config.bounds.held_requests = 1;
  config.shards = EvenShards(config.nodes, {2, 3});
  for (size_t i = 0; i < 2; ++i) {
    config.shards[i].slots.clear();
    for (size_t range = i; range < 16; range += 2) {
      config.shards[i].slots.push_back(
          {static_cast<uint16_t>(range * 1024),
           static_cast<uint16_t>(range * 1024 + 1023)});
    }
  }
}

TEST(Keyspace_HeldRequests, CommandOnManyRanges_CountsAsOneRequest) {
  TestCluster cluster({.nodes = 3, .read_only_nodes = 1, .adjust = ManyRanges});
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto writer = cluster.ConnectResp(0);
  const std::set<std::string> keys = Fill(cluster, *writer, 60);
  for (size_t node = 0; node < cluster.size(); ++node) {
    auto client = cluster.ConnectResp(node);
    EXPECT_EQ(cluster.Command(*client, {"DBSIZE"}), ":60\r\n");
    EXPECT_EQ(Bulks(cluster.Command(*client, {"KEYS", "*"})).size(), 60u);
  }
  EXPECT_EQ(cluster.Command(*writer, {"FLUSHALL"}), "+OK\r\n");
  EXPECT_EQ(cluster.Command(*writer, {"DBSIZE"}), ":0\r\n");
}

// Each slot is a range of its own: those of four groups alternate.
void RangesOfOneSlot(Config& config) {
  config.timeouts.leader_wait = Seconds(10);
  config.shards = EvenShards(config.nodes, {4, 3});
  const size_t groups = config.shards.size();
  for (size_t i = 0; i < groups; ++i) {
    config.shards[i].slots.clear();
    for (size_t slot = i; slot < kHashSlotCount; slot += groups) {
      const auto number = static_cast<uint16_t>(slot);
      config.shards[i].slots.push_back({number, number});
    }
  }
}

// A node that has just started may lead each range, and then learns that others
// lead all. It skips the ranges one after the other, over several turns.
TEST(Keyspace_Cluster, ManyRangesThatOthersLead_AreSkipped) {
  constexpr size_t kNode = 2;
  TestCluster cluster({.nodes = 3, .adjust = RangesOfOneSlot});
  ASSERT_TRUE(cluster.AwaitLeaders());
  // Without these writes the node is not elected.
  cluster.Crash(kNode);
  cluster.world().RunFor(Seconds(3));
  auto writer = cluster.ConnectResp(0);
  Fill(cluster, *writer, 20);
  cluster.Crash(0);
  cluster.Crash(1);
  ASSERT_TRUE(cluster.RestartWith(kNode, cluster.config(kNode)).ok());
  auto client = cluster.ConnectRespCluster(kNode);
  client->Send(EncodeRequest({"KEYS", "*"}));
  cluster.world().RunFor(Milliseconds(10));
  EXPECT_EQ(client->received(), "");
  cluster.Restart(0);
  cluster.Restart(1);
  ASSERT_TRUE(cluster.world().RunUntilTrue(
      [&] { return !client->received().empty(); }, Seconds(10)));
  EXPECT_EQ(client->Take(), "*0\r\n");
  const uint64_t longest = cluster.server(kNode).resources().longest_turn_work;
  EXPECT_GE(longest, cluster.config(kNode).bounds.turn_work);
  EXPECT_LE(longest, 2 * cluster.config(kNode).bounds.turn_work);
}

// Requests of other connections fill the queue. The command waits for room, and
// later ones of its connection wait behind it.
TEST(Keyspace_HeldRequests, BehindRequestsOfOthers_Waits) {
  TestCluster cluster({.nodes = 3, .adjust = ManyRanges});
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectResp(0);
  std::vector<std::unique_ptr<TestClient>> others;
  for (int i = 0; i < 20; ++i) others.push_back(cluster.ConnectResp(0));
  cluster.world().RunFor(Milliseconds(10));
  for (int round = 0; round < 20; ++round) {
    for (size_t i = 0; i < others.size(); ++i) {
      const std::string key = Concat("key", i);
      others[i]->Send(EncodeRequest({"SET", key, "v"}) +
                      EncodeRequest({"GET", key}));
    }
    client->Send(EncodeRequest({"FLUSHALL"}) +
                 EncodeRequest({"SET", "mine", "v"}) +
                 EncodeRequest({"EXISTS", "mine"}) + EncodeRequest({"DBSIZE"}) +
                 EncodeRequest({"KEYS", "mine"}));
    ASSERT_TRUE(cluster.world().RunUntilTrue(
        [&] { return client->received().ends_with("$4\r\nmine\r\n"); },
        Seconds(5)))
        << client->received();
    const std::string reply = client->Take();
    EXPECT_TRUE(reply.starts_with("+OK\r\n+OK\r\n:1\r\n:")) << reply;
    EXPECT_EQ(reply.find('-'), std::string::npos) << reply;
  }
}

// When the connection closes, the remaining steps are dropped and nothing waits
// for them.
TEST(Keyspace_HeldRequests, ClosedConnection_ReleasesItsRequests) {
  TestCluster cluster({.nodes = 3, .adjust = ManyRanges});
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto other = cluster.ConnectResp(0);
  for (int round = 0; round < 50; ++round) {
    auto client = cluster.ConnectResp(0);
    std::string gets;
    for (int i = 0; i < 50; ++i) gets += EncodeRequest({"SET", "k", "v"});
    other->Send(gets);
    client->Send(round % 2 == 0 ? EncodeRequest({"FLUSHALL"})
                                : EncodeRequest({"KEYS", "*"}));
    client->Send(EncodeRequest({"DBSIZE"}));
    cluster.world().RunFor(Microseconds(20 * round));
    client->Close();
    cluster.world().RunFor(Milliseconds(100));
  }
  EXPECT_EQ(cluster.server(0).open_connections(), 1u);
  EXPECT_EQ(cluster.Command(*cluster.ConnectResp(0), {"PING"}), "+PONG\r\n");
}

TEST(Keyspace_Commands, InsideATransaction_AreRefused) {
  TestCluster cluster;
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectResp(0);
  EXPECT_EQ(cluster.Command(*client, {"MULTI"}), "+OK\r\n");
  for (const std::vector<std::string_view>& words :
       std::vector<std::vector<std::string_view>>{
           {"DBSIZE"},
           {"INFO"},
           {"COMMAND"},
           {"CONFIG", "GET", "*"},
           {"CLIENT", "KILL", "ID", "77"},
           {"CLUSTER", "NODES"}}) {
    EXPECT_EQ(cluster.Command(*client, words),
              "-ERR Command not allowed inside a transaction\r\n")
        << words[0];
  }
  EXPECT_EQ(cluster.Command(*client, {"EXEC"}),
            "-EXECABORT Transaction discarded because of previous errors.\r\n");
}

}  // namespace
}  // namespace quorate::node

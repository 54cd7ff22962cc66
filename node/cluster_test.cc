// Several servers in the simulated world: routing, redirects, forwarding,
// failures. The order of commands is in pipeline_order_test.cc.
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "node/base/text.h"
#include "node/connections/metrics.h"
#include "node/routing/group_leadership.h"
#include "node/testing/test_cluster.h"

namespace quorate::node {
namespace {

// Keys of the three even groups: foo has slot 12182, bar 5061, hello 866.
constexpr std::string_view kThird = "foo";
constexpr std::string_view kFirst = "bar";

TEST(Cluster_Pipeline, AcrossGroups_RepliesAreInOrder) {
  TestCluster cluster({.nodes = 3, .groups = 3});
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectResp(0);
  std::string requests;
  std::string expected;
  for (int i = 0; i < 200; ++i) {
    const std::string key = Concat("key", i % 17);
    const std::string value = Concat("v", i);
    requests += EncodeRequest({"SET", key, value});
    expected += "+OK\r\n";
    requests += EncodeRequest({"GET", key});
    expected += Concat("$", value.size(), "\r\n", value, "\r\n");
    requests += EncodeRequest({"PING"});
    expected += "+PONG\r\n";
  }
  EXPECT_EQ(cluster.Call(*client, requests, 600), expected);
}

TEST(Cluster_Pipeline, ReadsBeforeAWrite_DoNotSeeIt) {
  TestCluster cluster;
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectResp(0);
  std::string requests;
  std::string expected;
  std::string last = "$-1\r\n";
  for (int i = 0; i < 100; ++i) {
    const std::string value = Concat("v", i);
    requests += EncodeRequest({"GET", "k"}) + EncodeRequest({"GET", "k"}) +
                EncodeRequest({"SET", "k", value});
    expected += last + last + "+OK\r\n";
    last = Concat("$", value.size(), "\r\n", value, "\r\n");
  }
  // The pieces end at arbitrary bytes, so turns end there too.
  std::string received;
  for (size_t i = 0; i < requests.size(); i += 97) {
    client->Send(std::string_view(requests).substr(i, 97));
    if (i % 5 == 0) cluster.world().RunFor(Microseconds(150));
  }
  cluster.world().RunFor(Seconds(1));
  EXPECT_EQ(client->Take(), expected);
}

TEST(Cluster_Proxy, AnyNode_ReadsAndWrites) {
  TestCluster cluster({.nodes = 3, .groups = 3});
  ASSERT_TRUE(cluster.AwaitLeaders());
  for (size_t node = 0; node < 3; ++node) {
    auto client = cluster.ConnectResp(node);
    const std::string value = Concat("from", node);
    for (const std::string_view key : {kThird, kFirst}) {
      EXPECT_EQ(cluster.Command(*client, {"SET", key, value}), "+OK\r\n");
      EXPECT_EQ(cluster.Command(*client, {"GET", key}),
                "$5\r\n" + value + "\r\n");
    }
    EXPECT_EQ(cluster.Command(*client, {"MULTI"}), "+OK\r\n");
    EXPECT_EQ(cluster.Command(*client, {"INCR", "{foo}n"}), "+QUEUED\r\n");
    EXPECT_EQ(cluster.Command(*client, {"EXEC"}),
              Concat("*1\r\n:", node + 1, "\r\n"));
  }
}

// At the address for plain clients a node behaves as one Redis.
TEST(Cluster_Plain, ClusterCommands_AnswerAsRedisWithoutClusterMode) {
  TestCluster cluster({.nodes = 3, .read_only_nodes = 1, .groups = 3});
  ASSERT_TRUE(cluster.AwaitLeaders());
  constexpr std::string_view kDisabled =
      "-ERR This instance has cluster support disabled\r\n";
  for (size_t node = 0; node < 4; ++node) {
    auto client = cluster.ConnectResp(node);
    for (const std::vector<std::string_view>& command :
         {std::vector<std::string_view>{"CLUSTER", "SLOTS"},
          {"CLUSTER", "INFO"},
          {"CLUSTER", "NODES"},
          {"CLUSTER", "KEYSLOT", "foo"},
          {"CLUSTER", "HELP"},
          {"CLUSTER", "GETKEYSINSLOT", "1", "1"},
          {"READONLY"},
          {"READWRITE"},
          {"ASKING"}}) {
      EXPECT_EQ(cluster.Command(*client, command), kDisabled) << command.back();
    }
    EXPECT_EQ(cluster.Command(*client, {"SELECT", "0"}), "+OK\r\n");
    EXPECT_EQ(cluster.Command(*client, {"SELECT", "1"}),
              "-ERR DB index is out of range: this store has one database, 0. "
              "Give the keys of each application a prefix, or run another "
              "cluster\r\n");
    EXPECT_EQ(cluster.Command(*client, {"MGET", kThird, kFirst}),
              "*2\r\n$-1\r\n$-1\r\n");
    const std::string hello = cluster.Command(*client, {"HELLO"});
    EXPECT_NE(hello.find("standalone"), std::string::npos) << hello;
    EXPECT_NE(hello.find(node < 3 ? "master" : "replica"), std::string::npos);
    const std::string info = cluster.Command(*client, {"INFO"});
    for (const std::string_view line :
         {"redis_mode:standalone\r\n", "cluster_enabled:0\r\n",
          "tcp_port:7001\r\n", node < 3 ? "role:master\r\n" : "role:slave\r\n",
          node < 3 ? "connected_slaves:0\r\n" : "master_port:7001\r\n"}) {
      EXPECT_NE(info.find(line), std::string::npos) << line << info;
    }
    const std::string role = cluster.Command(*client, {"ROLE"});
    EXPECT_TRUE(role.starts_with(node < 3 ? "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"
                                          : "*5\r\n$5\r\nslave\r\n"))
        << role;
    EXPECT_NE(cluster.Command(*client, {"CONFIG", "GET", "cluster-enabled"})
                  .find("no"),
              std::string::npos);
  }
}

TEST(Cluster_Addresses, ClusterAddress_NamesOnlyClusterAddresses) {
  TestCluster cluster({.nodes = 3, .read_only_nodes = 1, .groups = 3});
  ASSERT_TRUE(cluster.AwaitLeaders());
  cluster.world().RunFor(Seconds(5));
  for (size_t node = 0; node < 4; ++node) {
    auto client = cluster.ConnectRespCluster(node);
    std::string text = cluster.Command(*client, {"INFO"});
    EXPECT_NE(text.find("redis_mode:cluster\r\n"), std::string::npos);
    EXPECT_NE(text.find("cluster_enabled:1\r\n"), std::string::npos);
    EXPECT_NE(text.find("tcp_port:7101\r\n"), std::string::npos);
    for (const std::string_view what : {"SLOTS", "SHARDS", "NODES"}) {
      const std::string reply = cluster.Command(*client, {"CLUSTER", what});
      EXPECT_NE(reply.find("7101"), std::string::npos) << reply;
      text += reply;
    }
    text += cluster.Command(*client, {"ROLE"});
    for (const std::string_view key : {"foo", "bar", "hello"}) {
      text += cluster.Command(*client, {"GET", key});
    }
    EXPECT_EQ(text.find("7001"), std::string::npos) << text;
    EXPECT_NE(text.find("-MOVED "), std::string::npos) << text;
  }
}

// The plain address of a read-only node forwards reads, which are never stale,
// and refuses writes.
TEST(Cluster_ReadOnlyNode, PlainAddress_ForwardsReadsAndRefusesWrites) {
  TestCluster cluster({.nodes = 3, .read_only_nodes = 1});
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectResp(0);
  auto replica = cluster.ConnectResp(3);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(cluster.Command(*client, {"SET", "foo", Concat(i % 10)}),
              "+OK\r\n");
    EXPECT_EQ(cluster.Command(*replica, {"GET", "foo"}),
              Concat("$1\r\n", i % 10, "\r\n"));
  }
  EXPECT_EQ(cluster.Command(*replica, {"SET", "foo", "x"}),
            "-READONLY You can't write against a read only replica.\r\n");
  EXPECT_EQ(cluster.Command(*replica, {"FLUSHALL"}),
            "-READONLY You can't write against a read only replica.\r\n");
  EXPECT_EQ(cluster.Metric(3, "quorate_stale_reads_total"), 0);
}

// Cluster clients follow MOVED, and take READONLY for the answer.
TEST(Cluster_ReadOnlyNode, ClusterAddress_RedirectsWrites) {
  TestCluster cluster({.nodes = 3, .read_only_nodes = 1});
  ASSERT_TRUE(cluster.AwaitLeaders());
  cluster.world().RunFor(Seconds(2));
  auto replica = cluster.ConnectRespCluster(3);
  const std::string moved = cluster.Command(*replica, {"GET", "foo"});
  ASSERT_TRUE(moved.starts_with("-MOVED ")) << moved;
  EXPECT_EQ(cluster.Command(*replica, {"SET", "foo", "x"}), moved);
  EXPECT_EQ(cluster.Command(*replica, {"READONLY"}), "+OK\r\n");
  EXPECT_EQ(cluster.Command(*replica, {"SET", "foo", "x"}), moved);
  EXPECT_EQ(cluster.Command(*replica, {"MULTI"}), "+OK\r\n");
  EXPECT_EQ(cluster.Command(*replica, {"SET", "foo", "x"}), moved);
  EXPECT_EQ(cluster.Command(*replica, {"DISCARD"}), "+OK\r\n");
  EXPECT_TRUE(
      cluster.Command(*replica, {"FLUSHALL"}).starts_with("-READONLY "));
}

// As Redis writes them. Clients find the port behind the last colon.
TEST(Cluster_Moved, Ipv6Addresses_HaveNoBrackets) {
  TestCluster cluster({.nodes = 3, .adjust = [](Config& config) {
                         for (NodeConfig& node : config.nodes) {
                           node.resp = Concat("[fd00::", node.id, "]:7001");
                         }
                       }});
  ASSERT_TRUE(cluster.AwaitLeaders());
  cluster.world().RunFor(kForwardNew);
  const size_t leader = cluster.LeaderOf(GroupId(1));
  auto client = cluster.ConnectRespCluster((leader + 1) % 3);
  EXPECT_EQ(cluster.Command(*client, {"GET", "foo"}),
            Concat("-MOVED 12182 fd00::", leader + 1, ":7101\r\n"));
  const std::string slots = cluster.Command(*client, {"CLUSTER", "SLOTS"});
  EXPECT_NE(slots.find("\r\n$7\r\nfd00::1\r\n:7101\r\n"), std::string::npos)
      << slots;
  const std::string nodes = cluster.Command(*client, {"CLUSTER", "NODES"});
  EXPECT_NE(nodes.find(" fd00::1:7101@9001 "), std::string::npos) << nodes;
}

// Lets the leader of the group give its role to the node behind it. Returns the
// position of that node.
size_t TransferLeadership(TestCluster& cluster, GroupId group) {
  const size_t leader = cluster.LeaderOf(group);
  const size_t next = (leader + 1) % cluster.size();
  raft::Host& host = cluster.server(leader).host();
  host.TransferLeadership(
      group, raft::ReplicaOn(host.core(group)->configuration(),
                             NodeId(static_cast<uint32_t>(next + 1))));
  return next;
}

// A client that wants MOVED and came from another node would be sent on. DBSIZE
// is of the groups that the node leads, whatever the client wants.
TEST(Cluster_Moved, LeaderThatIsNew_IsForwardedTo) {
  TestCluster cluster({.nodes = 3});
  ASSERT_TRUE(cluster.AwaitLeaders());
  cluster.world().RunFor(kForwardNew);
  const GroupId group(1);
  const size_t leader = cluster.LeaderOf(group);
  auto client = cluster.ConnectRespCluster(leader);
  EXPECT_EQ(cluster.Command(*client, {"SET", "foo", "1"}), "+OK\r\n");
  const size_t next = TransferLeadership(cluster, group);
  cluster.world().RunFor(Milliseconds(200));
  ASSERT_EQ(cluster.LeaderOf(group), next);
  EXPECT_EQ(cluster.Command(*client, {"SET", "foo", "2"}), "+OK\r\n");
  EXPECT_EQ(cluster.Command(*client, {"GET", "foo"}), "$1\r\n2\r\n");
  EXPECT_EQ(cluster.Command(*client, {"DBSIZE"}), ":0\r\n");
  // The preferred leader is back.
  cluster.world().RunFor(kForwardNew * 3);
  ASSERT_EQ(cluster.LeaderOf(group), leader);
  auto follower = cluster.ConnectRespCluster(next);
  EXPECT_TRUE(
      cluster.Command(*follower, {"GET", "foo"}).starts_with("-MOVED 12182 "));
}

// A command that the former leader accepted is not sent away. Later ones would
// overtake it.
TEST(Cluster_Moved, PipelineOverAChangeOfLeaders_KeepsItsOrder) {
  TestCluster cluster({.nodes = 3});
  ASSERT_TRUE(cluster.AwaitLeaders());
  cluster.world().RunFor(kForwardNew);
  const GroupId group(1);
  const size_t leader = cluster.LeaderOf(group);
  auto client = cluster.ConnectRespCluster(leader);
  std::string expected;
  for (int i = 0; i < 400; ++i) {
    const std::string value = Concat(i);
    client->Send(EncodeRequest({"SET", "foo", value}) +
                 EncodeRequest({"GET", "foo"}));
    expected += Concat("+OK\r\n$", value.size(), "\r\n", value, "\r\n");
    if (i == 100) TransferLeadership(cluster, group);
    cluster.world().RunFor(Microseconds(300));
  }
  ASSERT_NE(cluster.LeaderOf(group), leader);
  cluster.world().RunFor(Milliseconds(100));
  EXPECT_EQ(client->Take(), expected);
}

TEST(Cluster_Moved, InsideMulti_AbortsExec) {
  TestCluster cluster({.nodes = 3});
  ASSERT_TRUE(cluster.AwaitLeaders());
  const size_t leader = cluster.LeaderOf(GroupId(1));
  auto client = cluster.ConnectRespCluster((leader + 1) % 3);
  EXPECT_EQ(cluster.Command(*client, {"MULTI"}), "+OK\r\n");
  EXPECT_EQ(
      cluster.Command(*client, {"SET", "foo", "1"}),
      "-MOVED 12182 " + cluster.config(leader).listen.resp_cluster + "\r\n");
  EXPECT_EQ(cluster.Command(*client, {"EXEC"}),
            "-EXECABORT Transaction discarded because of previous errors.\r\n");
}

TEST(Cluster_Readonly, Follower_ServesStaleReadsAndRedirectsWrites) {
  TestCluster cluster({.nodes = 3});
  ASSERT_TRUE(cluster.AwaitLeaders());
  const size_t leader = cluster.LeaderOf(GroupId(1));
  auto client = cluster.ConnectRespCluster(leader);
  auto follower = cluster.ConnectRespCluster((leader + 1) % 3);
  EXPECT_EQ(cluster.Command(*client, {"SET", "foo", "bar"}), "+OK\r\n");
  cluster.world().RunFor(Seconds(1));
  EXPECT_EQ(cluster.Command(*follower, {"READONLY"}), "+OK\r\n");
  EXPECT_EQ(cluster.Command(*follower, {"GET", "foo"}), "$3\r\nbar\r\n");
  EXPECT_TRUE(cluster.Command(*follower, {"SET", "foo", "x"})
                  .starts_with("-MOVED 12182 "));
  EXPECT_EQ(cluster.Command(*follower, {"READWRITE"}), "+OK\r\n");
  EXPECT_TRUE(
      cluster.Command(*follower, {"GET", "foo"}).starts_with("-MOVED 12182 "));
}

// The leader is asked once in each bound, and the group's loss ends the reads.
TEST(Cluster_Consistency, BoundedReads_AskTheLeaderOnceTheBoundIsOver) {
  TestCluster cluster({.nodes = 3});
  ASSERT_TRUE(cluster.AwaitLeaders());
  const size_t leader = cluster.LeaderOf(GroupId(1));
  const size_t other = (leader + 1) % 3;
  auto client = cluster.ConnectRespCluster(leader);
  auto follower = cluster.ConnectRespCluster(other);
  auto http = cluster.ConnectHttp(other);
  const auto set = [&](const char* value) {
    EXPECT_EQ(cluster.Command(*client, {"SET", "foo", value}), "+OK\r\n");
  };
  const auto get = [&] { return cluster.Command(*follower, {"GET", "foo"}); };
  const auto get_by_http = [&] {
    return cluster.CallHttp(
        *http,
        "GET /v1/kv/foo?consistency=bounded&staleness=300ms "
        "HTTP/1.1\r\nHost: h\r\n\r\n");
  };
  const auto rounds = [&] {
    return cluster.Metric(other, "quorate_read_rounds_total{group=\"1\"}");
  };
  EXPECT_EQ(cluster.Command(*follower, {"QUORATE.CONSISTENCY", "BOUNDED", "0"}),
            "-ERR the bound is 1 to 86400000 milliseconds\r\n");
  EXPECT_TRUE(cluster.Command(*follower, {"QUORATE.CONSISTENCY", "STRONG"})
                  .starts_with("-ERR use QUORATE.CONSISTENCY "));
  EXPECT_EQ(
      cluster.Command(*follower, {"QUORATE.CONSISTENCY", "BOUNDED", "300"}),
      "+OK\r\n");
  set("a");
  const int64_t before = rounds();
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(get(), "$1\r\na\r\n");
    EXPECT_TRUE(get_by_http().ends_with("\r\n\r\na"));
  }
  EXPECT_EQ(rounds(), before + 1);
  set("b");
  cluster.world().RunFor(Milliseconds(301));
  EXPECT_EQ(get(), "$1\r\nb\r\n");
  EXPECT_EQ(rounds(), before + 2);
  for (size_t node = 0; node < 3; ++node) {
    if (node != other) cluster.Crash(node);
  }
  EXPECT_EQ(get(), "$1\r\nb\r\n");
  cluster.world().RunFor(Milliseconds(301));
  // It waits for a leader. Then the majority is known to be gone.
  EXPECT_EQ(get(), "");
  cluster.world().RunFor(Seconds(5));
  EXPECT_TRUE(follower->Take().starts_with("-CLUSTERDOWN "));
  EXPECT_EQ(cluster.Command(*follower, {"QUORATE.CONSISTENCY", "EVENTUAL"}),
            "+OK\r\n");
  EXPECT_EQ(get(), "$1\r\nb\r\n");
}

TEST(Cluster_ReadOnlyNode, ServesReads_RefusesWrites) {
  TestCluster cluster({.nodes = 3, .read_only_nodes = 1});
  ASSERT_TRUE(cluster.AwaitLeaders());
  const size_t leader = cluster.LeaderOf(GroupId(1));
  auto client = cluster.ConnectRespCluster(leader);
  EXPECT_EQ(cluster.Command(*client, {"SET", "foo", "bar"}), "+OK\r\n");
  cluster.world().RunFor(Seconds(1));
  auto replica = cluster.ConnectRespCluster(3);
  EXPECT_EQ(cluster.Command(*replica, {"READONLY"}), "+OK\r\n");
  EXPECT_EQ(cluster.Command(*replica, {"GET", "foo"}), "$3\r\nbar\r\n");
  EXPECT_TRUE(
      cluster.Command(*replica, {"SET", "foo", "x"}).starts_with("-MOVED "));
  EXPECT_TRUE(cluster.Command(*replica, {"ROLE"}).find("slave") !=
              std::string::npos);
  auto http = cluster.ConnectHttp(3);
  const std::string put = cluster.CallHttp(
      *http,
      "PUT /v1/kv/foo HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx");
  EXPECT_TRUE(put.starts_with("HTTP/1.1 403 Forbidden\r\n")) << put;
  EXPECT_NE(put.find("\"code\":\"READ_ONLY_NODE\""), std::string::npos) << put;
  const std::string get =
      cluster.CallHttp(*http, "GET /v1/kv/foo HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(get.ends_with("\r\n\r\nbar")) << get;
}

TEST(Cluster_NoQuorum, RequestsAreHeldThenRefused) {
  TestCluster cluster({.nodes = 3});
  ASSERT_TRUE(cluster.AwaitLeaders());
  const size_t leader = cluster.LeaderOf(GroupId(1));
  const size_t other = (leader + 1) % 3;
  auto client = cluster.ConnectResp(other);
  cluster.Crash(leader);
  cluster.Crash((leader + 2) % 3);
  // Until the last node notices the failure, it redirects clients to the dead
  // leader.
  cluster.world().RunFor(Seconds(3));
  const auto begun = cluster.world().now();
  client->Send(EncodeRequest({"SET", "foo", "1"}) +
               EncodeRequest({"GET", "foo"}));
  cluster.world().RunFor(Milliseconds(1900));
  EXPECT_EQ(client->received(), "");
  cluster.world().RunFor(Milliseconds(300));
  EXPECT_EQ(client->Take(),
            "-CLUSTERDOWN Hash slot not served\r\n"
            "-CLUSTERDOWN Hash slot not served\r\n");
  (void)begun;
}

// A client may repeat such a transaction as it likes.
TEST(Cluster_LeaderDies, LostTransactionThatReads_IsSaidToHaveChangedNothing) {
  TestCluster cluster({.nodes = 3});
  ASSERT_TRUE(cluster.AwaitLeaders());
  const size_t leader = cluster.LeaderOf(GroupId(1));
  auto reads = cluster.ConnectResp((leader + 1) % 3);
  auto writes = cluster.ConnectResp((leader + 1) % 3);
  EXPECT_EQ(cluster.Command(*reads, {"SET", "{k}a", "1"}), "+OK\r\n");
  EXPECT_EQ(cluster.Command(*reads, {"WATCH", "{k}b"}), "+OK\r\n");
  for (TestClient* client : {reads.get(), writes.get()}) {
    cluster.Call(*client,
                 EncodeRequest({"MULTI"}) + EncodeRequest({"GET", "{k}a"}) +
                     EncodeRequest({"EXISTS", "{k}b"}),
                 3);
  }
  cluster.Command(*writes, {"INCR", "{k}a"});
  cluster.Crash(leader);
  cluster.world().RunFor(Milliseconds(5));
  reads->Send(EncodeRequest({"EXEC"}));
  writes->Send(EncodeRequest({"EXEC"}));
  cluster.world().RunFor(Seconds(6));
  const std::string read = reads->Take();
  EXPECT_TRUE(
      read.starts_with("-UNKNOWN the commands only read, so nothing "
                       "was changed; their results are lost: "))
      << read;
  const std::string written = writes->Take();
  EXPECT_TRUE(
      written.starts_with("-UNKNOWN the command may or may not have "
                          "taken effect: "))
      << written;
}

TEST(Cluster_LeaderDies, HeldRequestsAreServedByTheNextLeader) {
  TestCluster cluster({.nodes = 3});
  ASSERT_TRUE(cluster.AwaitLeaders());
  const size_t leader = cluster.LeaderOf(GroupId(1));
  auto client = cluster.ConnectResp((leader + 1) % 3);
  EXPECT_EQ(cluster.Command(*client, {"SET", "foo", "1"}), "+OK\r\n");
  cluster.Crash(leader);
  cluster.world().RunFor(Milliseconds(5));
  // The first request is sent to the dead leader. The second one is held, and
  // sent to the next leader.
  client->Send(EncodeRequest({"SET", "lost", "1"}));
  ASSERT_TRUE(cluster.world().RunUntilTrue(
      [&] {
        return cluster.server((leader + 1) % 3).host().leader(GroupId(1)) ==
               NodeId();
      },
      Seconds(2)));
  auto other = cluster.ConnectResp((leader + 1) % 3);
  other->Send(EncodeRequest({"INCR", "foo"}));
  cluster.world().RunFor(Seconds(6));
  EXPECT_TRUE(client->Take().starts_with("-UNKNOWN "));
  EXPECT_EQ(other->Take(), ":2\r\n");
  cluster.Restart(leader);
  ASSERT_TRUE(cluster.AwaitLeaders());
  EXPECT_EQ(cluster.Command(*client, {"GET", "foo"}), "$1\r\n2\r\n");
}

// The process that leads again knows nothing of the channel of the earlier one.
TEST(Cluster_LeaderDies, TheRestartedLeader_TakesForwardedBatches) {
  TestCluster cluster({.nodes = 2, .groups = 2, .adjust = [](Config& config) {
                         config.shards = EvenShards(config.nodes, {2, 1});
                       }});
  ASSERT_TRUE(cluster.AwaitLeaders());
  ASSERT_EQ(cluster.LeaderOf(GroupId(2)), 1u);  // The group of "foo".
  auto client = cluster.ConnectResp(0);
  EXPECT_EQ(cluster.Command(*client, {"SET", "foo", "1"}), "+OK\r\n");
  cluster.Crash(1);
  cluster.Restart(1);
  ASSERT_TRUE(cluster.AwaitLeaders());
  cluster.world().RunFor(Seconds(2));
  const std::string first = cluster.Command(*client, {"SET", "foo", "2"});
  EXPECT_TRUE(first == "+OK\r\n" || first.starts_with("-UNKNOWN ")) << first;
  EXPECT_EQ(cluster.Command(*client, {"SET", "foo", "3"}), "+OK\r\n");
}

TEST(Cluster_Sessions, SameSequence_RunsOnce) {
  TestCluster cluster({.nodes = 3});
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectResp(0);
  auto other = cluster.ConnectResp(1);
  const std::string reply = cluster.Command(*client, {"QUORATE.SESSION"});
  const size_t begin = reply.find("\r\n") + 2;
  const std::string token = reply.substr(begin, reply.size() - begin - 2);
  ASSERT_FALSE(token.empty());
  EXPECT_EQ(
      cluster.Command(*client, {"QUORATE.DO", token, "1", "1", "INCR", "n"}),
      ":1\r\n");
  EXPECT_EQ(
      cluster.Command(*other, {"QUORATE.DO", token, "1", "1", "INCR", "n"}),
      ":1\r\n");
  EXPECT_EQ(
      cluster.Command(*other, {"QUORATE.DO", token, "2", "1", "INCR", "n"}),
      ":2\r\n");
  EXPECT_TRUE(
      cluster
          .Command(*other, {"QUORATE.DO", token, "2", "1", "APPEND", "n", "x"})
          .starts_with("-SESSION_REUSED "));
  EXPECT_TRUE(
      cluster.Command(*other, {"QUORATE.DO", "x", "2", "1", "INCR", "n"})
          .starts_with("-ERR not a session"));
  EXPECT_EQ(cluster.Command(*other, {"GET", "n"}), "$1\r\n2\r\n");
}

TEST(Cluster_FlushAll, EmptiesTheLedGroups) {
  TestCluster cluster({.nodes = 1, .groups = 3});
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectResp(0);
  for (int i = 0; i < 50; ++i) {
    cluster.Command(*client, {"SET", Concat("key", i), "v"});
  }
  EXPECT_EQ(cluster.Command(*client, {"DBSIZE"}), ":50\r\n");
  EXPECT_EQ(cluster.Command(*client, {"FLUSHALL"}), "+OK\r\n");
  EXPECT_EQ(cluster.Command(*client, {"DBSIZE"}), ":0\r\n");
  EXPECT_EQ(cluster.Command(*client, {"RANDOMKEY"}), "$-1\r\n");
}

TEST(Cluster_Scan, VisitsEveryKeyOnce) {
  TestCluster cluster({.nodes = 1, .groups = 3});
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectResp(0);
  for (int i = 0; i < 300; ++i) {
    cluster.Command(*client, {"SET", Concat("key", i), "v"});
  }
  size_t keys = 0;
  std::string cursor = "0";
  int steps = 0;
  do {
    const std::string reply =
        cluster.Command(*client, {"SCAN", cursor, "COUNT", "20"});
    const size_t begin = reply.find("\r\n", 5) + 2;
    cursor = reply.substr(begin, reply.find("\r\n", begin) - begin);
    for (size_t at = reply.find("key"); at != std::string::npos;
         at = reply.find("key", at + 1)) {
      ++keys;
    }
    ASSERT_LT(++steps, 1000);
  } while (cursor != "0");
  EXPECT_EQ(keys, 300u);
  const std::string all = cluster.Command(*client, {"KEYS", "key1?"});
  EXPECT_TRUE(all.starts_with("*10\r\n")) << all;
}

TEST(Cluster_SlowReader, IsPausedAndThenServed) {
  TestCluster cluster;
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectResp(0);
  const std::string value(200'000, 'x');
  EXPECT_EQ(cluster.Command(*client, {"SET", "big", value}), "+OK\r\n");
  cluster.Command(*client, {"GET", "big"});
  client->PauseReads();
  for (int i = 0; i < 200; ++i) client->Send(EncodeRequest({"GET", "big"}));
  cluster.world().RunFor(Seconds(10));
  // Less than the requested 40 MB were produced.
  EXPECT_LT(cluster.server(0).metrics().output_bytes,
            cluster.config(0).bounds.output_buffer_bytes + (2u << 20));
  EXPECT_FALSE(client->closed());
  cluster.world().RunFor(Seconds(120));
  EXPECT_EQ(cluster.server(0).metrics().connections.closed_stalled, 1u);
}

// A client that reads receives every reply, even if it requests many large ones
// at once. Memory for the replies stays bounded.
TEST(Cluster_Pipeline, OfLargeReplies_IsSentInPortions) {
  TestCluster cluster;
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectResp(0);
  const std::string value(400'000, 'x');
  EXPECT_EQ(cluster.Command(*client, {"SET", "big", value}), "+OK\r\n");
  EXPECT_EQ(cluster.Command(*client, {"SET", "small", "x"}), "+OK\r\n");
  std::string requests;
  for (int i = 0; i < 20; ++i) requests += EncodeRequest({"GET", "small"});
  for (int i = 0; i < 200; ++i) requests += EncodeRequest({"GET", "big"});
  client->PauseReads();
  client->Send(requests);
  cluster.world().RunFor(Seconds(1));
  EXPECT_LT(cluster.server(0).metrics().output_bytes,
            cluster.config(0).bounds.output_buffer_bytes + (2u << 20));
  client->ResumeReads();
  cluster.world().RunFor(Seconds(20));
  EXPECT_EQ(client->Take().size(), 20 * 7 + 200 * (value.size() + 11));
  EXPECT_FALSE(client->closed());
}

TEST(Cluster_Mget, OfMoreThanAReplyMayHold_IsAnError) {
  TestCluster cluster;
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectResp(0);
  EXPECT_EQ(cluster.Command(*client, {"SET", "big", std::string(400'000, 'x')}),
            "+OK\r\n");
  std::vector<std::string_view> words = {"MGET"};
  words.resize(200, "big");
  EXPECT_EQ(cluster.Command(*client, words),
            "-ERR reply is larger than 67108864 bytes\r\n");
}

TEST(Cluster_HalfSentRequest, IsClosedAfterTheStallTime) {
  TestCluster cluster;
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto half = cluster.ConnectResp(0);
  auto idle = cluster.ConnectResp(0);
  half->Send("*2\r\n$3\r\nGET\r\n$5\r\nab");
  cluster.world().RunFor(Seconds(120));
  EXPECT_TRUE(half->closed());
  EXPECT_FALSE(idle->closed());
  EXPECT_EQ(cluster.Command(*idle, {"PING"}), "+PONG\r\n");
}

TEST(Cluster_HalfClosedClient, ReceivesItsLastReplies) {
  TestCluster cluster;
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectResp(0);
  client->Send(EncodeRequest({"SET", "a", "1"}) + EncodeRequest({"GET", "a"}));
  client->End();
  cluster.world().RunFor(Seconds(2));
  EXPECT_EQ(client->Take(), "+OK\r\n$1\r\n1\r\n");
  EXPECT_TRUE(client->closed());
}

// Requests before the end of a connection are answered first; nothing is
// written after the end.
TEST(Cluster_Quit, AfterOutstandingReplies_AnswersThemFirst) {
  TestCluster cluster({.nodes = 3});
  ASSERT_TRUE(cluster.AwaitLeaders());
  const std::string_view kBad = "*1\r\nx\r\n";
  const std::string ping = EncodeRequest({"PING"});
  const std::string set = EncodeRequest({"SET", "a", "1"});
  const std::string quit = EncodeRequest({"QUIT"});
  const std::pair<std::string, std::string> rows[] = {
      {set + quit, "+OK\r\n+OK\r\n"},
      {ping + set + quit + ping, "+PONG\r\n+OK\r\n+OK\r\n"},
      {Concat(ping, set, kBad),
       "+PONG\r\n+OK\r\n-ERR Protocol error: expected '$', got 'x'\r\n"},
  };
  for (const auto& [requests, replies] : rows) {
    auto client = cluster.ConnectResp(0);
    client->Send(requests);
    cluster.world().RunFor(Seconds(1));
    EXPECT_EQ(client->Take(), replies) << requests;
    EXPECT_TRUE(client->closed());
  }
}

// A connection is released when both sides have ended, or shortly after this
// side has ended.
TEST(Cluster_Quit, TheConnectionIsReleased) {
  TestCluster cluster;
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto watcher = cluster.ConnectResp(0);
  const auto count = [&] {
    const std::string info = cluster.Command(*watcher, {"INFO", "clients"});
    const size_t at = info.find("connected_clients:");
    return info.substr(at + 18, info.find('\r', at) - at - 18);
  };
  for (const bool closes : {true, false}) {
    auto client = cluster.ConnectResp(0);
    EXPECT_EQ(count(), "2");
    EXPECT_EQ(cluster.Command(*client, {"QUIT"}), "+OK\r\n");
    cluster.world().RunFor(Milliseconds(10));
    if (closes) {
      client->Close();
      cluster.world().RunFor(Milliseconds(10));
    } else {
      EXPECT_EQ(count(), "2");
      // Later input is dropped.
      client->Send(EncodeRequest({"PING"}));
      cluster.world().RunFor(Seconds(3));
    }
    EXPECT_EQ(count(), "1");
    EXPECT_EQ(client->Take(), "");
  }
  // The client ends first.
  auto client = cluster.ConnectResp(0);
  client->End();
  cluster.world().RunFor(Milliseconds(10));
  EXPECT_EQ(count(), "1");
}

TEST(Cluster_MalformedInput, ClosesThatConnectionAlone) {
  TestCluster cluster;
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto good = cluster.ConnectResp(0);
  for (const std::string_view bytes :
       {"*1\r\nx\r\n", "*abc\r\n", "SET \"a\r\n", "POST / HTTP/1.1\r\n"}) {
    auto bad = cluster.ConnectResp(0);
    bad->Send(bytes);
    cluster.world().RunFor(Seconds(1));
    EXPECT_TRUE(bad->closed()) << bytes;
  }
  EXPECT_EQ(cluster.Command(*good, {"PING"}), "+PONG\r\n");
}

TEST(Cluster_Expiry, FirstReadOfADueKeyInAnIdleGroup_ReturnsNull) {
  for (const uint32_t nodes : {1u, 3u}) {
    TestCluster cluster({.nodes = nodes});
    ASSERT_TRUE(cluster.AwaitLeaders());
    auto client = cluster.ConnectResp(0);
    ASSERT_EQ(cluster.Command(*client, {"SET", "k", "v", "PX", "100"}),
              "+OK\r\n");
    cluster.world().RunFor(Seconds(5));
    EXPECT_EQ(cluster.Command(*client, {"GET", "k"}), "$-1\r\n");
  }
}

TEST(Cluster_Limits, AreAnswered) {
  TestCluster cluster({.adjust = [](Config& config) {
    config.bounds.key_bytes = 10;
    config.bounds.value_bytes = 100;
    config.limits.connections = 2;
  }});
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectResp(0);
  EXPECT_EQ(cluster.Command(*client, {"SET", "a", std::string(101, 'x')}),
            "-ERR string exceeds maximum allowed size "
            "(100 bytes)\r\n");
  EXPECT_EQ(cluster.Command(*client, {"WATCH", "12345678901"}),
            "-ERR key is longer than 10 bytes\r\n");
  EXPECT_EQ(cluster.Command(*client, {"GET", "12345678901"}),
            "-ERR key is longer than 10 bytes\r\n");
  auto second = cluster.ConnectResp(0);
  auto third = cluster.ConnectResp(0);
  cluster.world().RunFor(Seconds(1));
  EXPECT_EQ(third->Take(), "-ERR max number of clients reached\r\n");
  EXPECT_TRUE(third->closed());
  EXPECT_EQ(cluster.Command(*second, {"PING"}), "+PONG\r\n");
}

TEST(Cluster_Leaders, AreSpreadAsPreferred) {
  TestCluster cluster({.nodes = 3, .groups = 3});
  ASSERT_TRUE(cluster.AwaitLeaders());
  cluster.world().RunFor(Seconds(10));
  for (uint32_t group = 1; group <= 3; ++group) {
    EXPECT_EQ(cluster.LeaderOf(GroupId(group)), group - 1);
  }
  auto client = cluster.ConnectRespCluster(0);
  EXPECT_TRUE(
      cluster.Command(*client, {"CLUSTER", "SLOTS"}).starts_with("*3\r\n"));
}

// The node of the clients has no replica. The answers to its requests need not
// come in the order of the requests.
TEST(Cluster_GroupWithoutQuorum, DoesNotDelayAnotherGroupOfItsLeader) {
  // Nodes 2 and 3 lead four groups each, so node 1 leads groups 1 and 2.
  TestCluster cluster({.nodes = 4, .adjust = [](Config& config) {
                         const NodeId n1(1), n2(2), n3(3);
                         config.shards = {{.group = GroupId(1),
                                           .name = "g1",
                                           .slots = {{0, 8191}},
                                           .replicas = {n1, n2}},
                                          {.group = GroupId(2),
                                           .name = "g2",
                                           .slots = {{8192, 16375}},
                                           .replicas = {n1, n3}}};
                         for (uint32_t g = 3; g <= 10; ++g) {
                           const auto slot = static_cast<uint16_t>(16'373 + g);
                           config.shards.push_back(
                               {.group = GroupId(g),
                                .name = Concat("g", g),
                                .slots = {{slot, slot}},
                                .replicas = {g % 2 == 0 ? n2 : n3}});
                         }
                       }});
  ASSERT_TRUE(cluster.AwaitLeaders());
  cluster.world().RunFor(Seconds(10));
  ASSERT_EQ(cluster.LeaderOf(GroupId(1)), 0u);
  ASSERT_EQ(cluster.LeaderOf(GroupId(2)), 0u);
  auto held_back = cluster.ConnectResp(3);
  auto client = cluster.ConnectResp(3);
  // "foo" belongs to group 2, "bar" to group 1. Both have a channel.
  EXPECT_EQ(cluster.Command(*held_back, {"SET", "foo", "1"}), "+OK\r\n");
  EXPECT_EQ(cluster.Command(*client, {"SET", "bar", "1"}), "+OK\r\n");
  cluster.world().BlockLink(cluster.machine(0), cluster.machine(2));
  held_back->Send(EncodeRequest({"SET", "foo", "2"}));
  cluster.world().RunFor(Milliseconds(100));
  EXPECT_EQ(cluster.Command(*client, {"SET", "bar", "2"}), "+OK\r\n");
  EXPECT_EQ(cluster.Command(*client, {"GET", "bar"}), "$1\r\n2\r\n");
  // The leader of group 2 took the first request and still waits for a quorum.
  EXPECT_EQ(cluster.LeaderOf(GroupId(2)), 0u);
  EXPECT_EQ(held_back->received(), "");
  cluster.world().HealNetwork();
  cluster.world().RunFor(Seconds(5));
  EXPECT_EQ(held_back->received(), "+OK\r\n");
}

// Group 1 has two ranges, and group 3 lies beside one of them. Node 3 is a
// replica of node 1, since it leads nothing.
TEST(Cluster_Slots, ListsEachRangeWithTheReplicasOfItsGroup) {
  TestCluster::Options options{.nodes = 2, .read_only_nodes = 1};
  options.adjust = [](Config& config) {
    const NodeId n1(1), n2(2);
    config.shards = {{.group = GroupId(1),
                      .name = "g1",
                      .slots = {{0, 99}, {300, 16383}},
                      .replicas = {n1}},
                     {.group = GroupId(2),
                      .name = "g2",
                      .slots = {{100, 199}},
                      .replicas = {n2, n1}},
                     {.group = GroupId(3),
                      .name = "g3",
                      .slots = {{200, 299}},
                      .replicas = {n1}}};
  };
  TestCluster cluster(options);
  ASSERT_TRUE(cluster.AwaitLeaders());
  cluster.world().RunFor(Seconds(10));
  auto client = cluster.ConnectRespCluster(0);
  const auto node = [](int n) { return Concat("n", n, "\r\n:7101\r\n"); };
  std::string slots = cluster.Command(*client, {"CLUSTER", "SLOTS"});
  ASSERT_TRUE(slots.starts_with("*3\r\n")) << slots;
  const size_t second = slots.find("*3\r\n:100\r\n:199\r\n");
  const size_t third = slots.find("*4\r\n:200\r\n:16383\r\n");
  ASSERT_NE(second, std::string::npos) << slots;
  ASSERT_NE(third, std::string::npos) << slots;
  const std::string row = slots.substr(third);
  EXPECT_LT(row.find(node(1)), row.find(node(3))) << slots;
  EXPECT_NE(row.find(node(3)), std::string::npos) << slots;
  EXPECT_EQ(slots.find("*4\r\n:0\r\n:99\r\n"), 4u) << slots;
  EXPECT_NE(slots.substr(second, third - second).find(node(2)),
            std::string::npos);
}

// Node 4 has no replica: it learns of leaders from other nodes only.
TEST(Cluster_NodeWithoutReplica, PreferredLeaderIsDead_UsesTheNextLeader) {
  TestCluster cluster({.nodes = 4, .adjust = [](Config& config) {
                         config.shards.push_back(
                             {.group = GroupId(1),
                              .name = "g1",
                              .slots = {{0, 16383}},
                              .replicas = {NodeId(1), NodeId(2), NodeId(3)}});
                       }});
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectResp(3);
  EXPECT_EQ(cluster.Command(*client, {"SET", "foo", "1"}), "+OK\r\n");
  for (const size_t node : {size_t{0}, cluster.LeaderOf(GroupId(1))}) {
    cluster.Crash(node);
    cluster.world().RunFor(Seconds(4));
    client->Send(EncodeRequest({"SET", "foo", "2"}));
    cluster.world().RunFor(Seconds(4));
    client->Take();
    client->Send(EncodeRequest({"SET", "foo", "3"}));
    cluster.world().RunFor(Seconds(4));
    EXPECT_EQ(client->Take(), "+OK\r\n") << "node " << node;
    cluster.Restart(node);
    cluster.world().RunFor(Seconds(4));
  }
}

// This node redirects clients, so it never learns of a new leader from
// forwarded batches.
TEST(Cluster_NodeWithoutReplica, Redirecting_LearnsTheLeader) {
  TestCluster cluster({.nodes = 4, .adjust = [](Config& config) {
                         config.shards.push_back(
                             {.group = GroupId(1),
                              .name = "g1",
                              .slots = {{0, 16383}},
                              .replicas = {NodeId(1), NodeId(2), NodeId(3)}});
                       }});
  ASSERT_TRUE(cluster.AwaitLeaders());
  cluster.world().RunFor(Seconds(5));
  auto client = cluster.ConnectRespCluster(3);
  const auto expect_leader = [&](size_t leader) {
    ASSERT_LT(leader, 3u);
    const std::string address = cluster.config(leader).listen.resp_cluster;
    EXPECT_EQ(cluster.Command(*client, {"GET", "foo"}),
              Concat("-MOVED 12182 ", address, "\r\n"));
    const std::string slots = cluster.Command(*client, {"CLUSTER", "SLOTS"});
    // The first node of the only range.
    EXPECT_EQ(slots.find(Concat("$2\r\nn", leader + 1)), slots.find("$2\r\nn"))
        << slots;
  };
  expect_leader(0);
  cluster.Crash(0);
  cluster.world().RunFor(Seconds(6));
  expect_leader(cluster.LeaderOf(GroupId(1)));
  // The leader's machine sends nothing at all: no refusal, no reset.
  cluster.Restart(0);
  cluster.world().RunFor(Seconds(5));
  cluster.Crash(cluster.LeaderOf(GroupId(1)), sim::CrashKind::kMachine);
  cluster.world().RunFor(Seconds(10));
  expect_leader(cluster.LeaderOf(GroupId(1)));
}

// The disk of the leader failed: it does not serve, and the node must stop
// sending requests to it.
TEST(Cluster_NodeWithoutReplica, LeaderStopped_UsesTheNextLeader) {
  TestCluster cluster({.nodes = 4, .adjust = [](Config& config) {
                         config.shards.push_back(
                             {.group = GroupId(1),
                              .name = "g1",
                              .slots = {{0, 16383}},
                              .replicas = {NodeId(1), NodeId(2), NodeId(3)}});
                       }});
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectResp(3);
  EXPECT_EQ(cluster.Command(*client, {"SET", "foo", "1"}), "+OK\r\n");
  const size_t leader = cluster.LeaderOf(GroupId(1));
  cluster.world().FailDiskOperation(cluster.machine(leader),
                                    sim::World::DiskOperation::kWrite, 1,
                                    /*persistent=*/true);
  cluster.Command(*client, {"SET", "foo", "2"});
  cluster.world().RunFor(Seconds(6));
  client->Take();
  client->Send(EncodeRequest({"SET", "foo", "3"}));
  cluster.world().RunFor(Seconds(4));
  EXPECT_EQ(client->Take(), "+OK\r\n");
}

TEST(Cluster_Watch, MoreThanOneEntryHolds_IsAnErrorAtOnce) {
  TestCluster cluster;
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectResp(0);
  std::vector<std::string> keys;
  for (int i = 0; i < 12'000; ++i) {
    keys.push_back(Concat("{a}", std::string(40, 'x'), i));
  }
  std::vector<std::string_view> words = {"WATCH"};
  words.insert(words.end(), keys.begin(), keys.end());
  EXPECT_TRUE(cluster.Command(*client, words).starts_with("-ERR "));
  // A connection also has a limit on watched keys.
  words.resize(4'000);
  std::string reply = "+OK\r\n";
  for (int i = 0; i < 20 && reply == "+OK\r\n"; ++i) {
    reply = cluster.Command(*client, words);
  }
  EXPECT_TRUE(reply.starts_with("-ERR ")) << reply;
  EXPECT_EQ(cluster.Command(*client, {"UNWATCH"}), "+OK\r\n");
  words.resize(100);
  EXPECT_EQ(cluster.Command(*client, words), "+OK\r\n");
  EXPECT_EQ(cluster.Command(*client, {"MULTI"}), "+OK\r\n");
  EXPECT_EQ(cluster.Command(*client, {"SET", "{a}", "1"}), "+QUEUED\r\n");
  EXPECT_EQ(cluster.Command(*client, {"EXEC"}), "*1\r\n+OK\r\n");
}

}  // namespace
}  // namespace quorate::node

// The protocol of one connection: requests that change later replies, and the
// contents of INFO.
#include <algorithm>
#include <string>

#include "env/random.h"
#include "gtest/gtest.h"
#include "node/base/text.h"
#include "node/base/version.h"
#include "node/connections/metrics.h"
#include "node/routing/group_leadership.h"
#include "node/testing/test_cluster.h"

namespace quorate::node {
namespace {

struct Single {
  Single() {
    EXPECT_TRUE(cluster.AwaitLeaders());
    client = cluster.ConnectResp(0);
  }
  std::string Pipeline(const std::vector<std::vector<std::string_view>>& all,
                       size_t replies) {
    std::string bytes;
    for (const auto& words : all) bytes += EncodeRequest(words);
    return cluster.Call(*client, bytes, replies);
  }
  TestCluster cluster;
  std::unique_ptr<TestClient> client;
};

// The number after "name:" in INFO's text.
double Field(const std::string& info, const std::string& name) {
  const size_t at = info.find("\r\n" + name + ":");
  if (at == std::string::npos) return -1;
  return std::stod(info.substr(at + name.size() + 3));
}

// Redis's fields in its order. The request itself is still in the client's
// query buffer.
TEST(Protocol_ClientList, Line_HasTheFieldsOfRedis) {
  Single one;
  auto idle = one.cluster.ConnectResp(0);
  EXPECT_EQ(one.cluster.Command(*idle, {"MULTI"}), "+OK\r\n");
  EXPECT_EQ(one.cluster.Command(*idle, {"SET", "key", "value"}), "+QUEUED\r\n");
  idle->Send("*2\r\n$3\r\nGET\r\n$10\r\nab");
  one.cluster.world().RunFor(Milliseconds(1));
  const std::string list = one.cluster.Command(*one.client, {"CLIENT", "LIST"});
  EXPECT_NE(list.find(" flags=N db=0 sub=0 psub=0 ssub=0 multi=-1 qbuf=26 "
                      "qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 "
                      "oll=0 omem=0 tot-mem=26 events=r cmd=client|list "
                      "user=default redir=-1 resp=2 "),
            std::string::npos)
      << list;
  EXPECT_NE(list.find(" multi=1 qbuf=20 qbuf-free=0 argv-mem=0 multi-mem=115 "),
            std::string::npos)
      << list;
  const std::string info = one.cluster.Command(*one.client, {"CLIENT", "INFO"});
  EXPECT_NE(info.find(" qbuf=26 "), std::string::npos) << info;
}

TEST(Protocol_Info, FieldsThatToolsRead_ArePresent) {
  Single one;
  const std::string info = one.cluster.Command(*one.client, {"INFO"});
  EXPECT_EQ(Field(info, "lazyfree_pending_objects"), 0);
  EXPECT_EQ(Field(info, "lazyfreed_objects"), 0);
  EXPECT_EQ(Field(info, "migrate_cached_sockets"), 0);
  EXPECT_EQ(one.cluster.Command(*one.client,
                                {"CONFIG", "GET", "replicaof", "slaveof"}),
            "*4\r\n$9\r\nreplicaof\r\n$0\r\n\r\n$7\r\nslaveof\r\n$0\r\n\r\n");
}

TEST(Protocol_Info, CommandStatistics_AreShownWhereTheyAreAskedFor) {
  Single one;
  const auto shown = [&one](const std::vector<std::string_view>& command) {
    return one.cluster.Command(*one.client, command).find("# Commandstats") !=
           std::string::npos;
  };
  EXPECT_FALSE(shown({"INFO"}));
  EXPECT_FALSE(shown({"INFO", "default"}));
  EXPECT_TRUE(shown({"INFO", "commandstats"}));
  EXPECT_TRUE(shown({"INFO", "ALL"}));
  EXPECT_TRUE(shown({"INFO", "everything"}));
}

// Nodes query each other's state and forward requests over the connections
// between peers.
TEST(Protocol_Clients, LinksOfOtherNodes_AreNotCounted) {
  TestCluster cluster({.nodes = 3});
  ASSERT_TRUE(cluster.AwaitLeaders());
  const size_t leader = cluster.LeaderOf(GroupId(1));
  auto client = cluster.ConnectResp(leader);
  auto other = cluster.ConnectResp((leader + 1) % 3);
  EXPECT_EQ(cluster.Command(*other, {"SET", "k", "1"}), "+OK\r\n");
  cluster.world().RunFor(Seconds(2));
  const std::string list = cluster.Command(*client, {"CLIENT", "LIST"});
  EXPECT_EQ(std::count(list.begin(), list.end(), '\n') - 2, 1) << list;
  const std::string info = cluster.Command(*client, {"INFO", "clients"});
  EXPECT_EQ(Field(info, "connected_clients"), 1) << info;
  EXPECT_GE(Field(info, "cluster_connections"), 2) << info;
  EXPECT_NE(cluster.server(leader).MetricsText().find(
                "quorate_connected_clients{protocol=\"resp\"} 1\n"),
            std::string::npos);
  EXPECT_EQ(cluster.Command(*client, {"CLIENT", "KILL", "SKIPME", "yes"}),
            ":0\r\n");
  EXPECT_EQ(cluster.Command(*other, {"SET", "k", "2"}), "+OK\r\n");
  EXPECT_GE(Field(cluster.Command(*client, {"INFO", "clients"}),
                  "cluster_connections"),
            2);
  cluster.Crash((leader + 1) % 3);
  cluster.Crash((leader + 2) % 3);
  cluster.world().RunFor(Seconds(1));
  EXPECT_EQ(Field(cluster.Command(*client, {"INFO", "clients"}),
                  "cluster_connections"),
            0);
}

// The value of a sample in the text of metrics.
double Sample(const std::string& metrics, const std::string& name) {
  const size_t at = metrics.find("\n" + name + " ");
  if (at == std::string::npos) return -1;
  return std::stod(metrics.substr(at + name.size() + 2));
}

// One connection has a reply that is due, the other has replies that wait for
// room.
TEST(Protocol_ClientKill, OfOthers_ClosesThemAtOnce) {
  TestCluster cluster({.nodes = 3, .stream_buffer_bytes = 4 << 10});
  ASSERT_TRUE(cluster.AwaitLeaders());
  const size_t leader = cluster.LeaderOf(GroupId(1));
  auto killer = cluster.ConnectResp(leader);
  auto waiting = cluster.ConnectResp(leader);
  auto slow = cluster.ConnectResp(leader);
  const std::string value(400'000, 'v');
  EXPECT_EQ(cluster.Command(*killer, {"SET", "big", value}), "+OK\r\n");
  slow->PauseReads();
  std::string reads;
  for (int i = 0; i < 20; ++i) reads += EncodeRequest({"GET", "big"});
  slow->Send(reads);
  cluster.world().RunFor(Seconds(1));
  for (size_t node = 0; node < 3; ++node) {
    if (node != leader) cluster.Crash(node);
  }
  waiting->Send(EncodeRequest({"SET", "k", "v"}));
  cluster.world().RunFor(Milliseconds(100));
  EXPECT_EQ(waiting->received(), "");
  const auto metrics = [&] { return cluster.server(leader).MetricsText(); };
  const std::string without_room =
      "quorate_clients_without_room{protocol=\"resp\"}";
  EXPECT_EQ(Sample(metrics(), without_room), 1);
  EXPECT_GT(Sample(metrics(), "quorate_output_held_bytes"), 400'000);

  const std::string replies =
      cluster.Call(*killer,
                   EncodeRequest({"CLIENT", "KILL", "SKIPME", "yes"}) +
                       EncodeRequest({"INFO", "clients"}) +
                       EncodeRequest({"CLIENT", "LIST"}) +
                       EncodeRequest({"CLIENT", "KILL", "SKIPME", "yes"}),
                   4);
  EXPECT_TRUE(replies.starts_with(":2\r\n")) << replies;
  EXPECT_TRUE(replies.ends_with("\r\n:0\r\n")) << replies;
  EXPECT_EQ(Field(replies, "connected_clients"), 1) << replies;
  EXPECT_EQ(replies.find(" cmd=set "), std::string::npos) << replies;
  EXPECT_EQ(replies.find(" cmd=get "), std::string::npos) << replies;
  EXPECT_EQ(Sample(metrics(), without_room), 0);
  EXPECT_EQ(Sample(metrics(), "quorate_output_held_bytes"), 0);
  slow->ResumeReads();
  cluster.world().RunFor(Milliseconds(100));
  EXPECT_TRUE(waiting->closed());
  EXPECT_TRUE(slow->closed());
  // The answer that the killed connection waited for reaches no connection.
  cluster.world().RunFor(Seconds(5));
  EXPECT_EQ(waiting->received(), "");
  // Bytes that the stream had before the kill may arrive.
  EXPECT_LT(slow->received().size(), 4 * value.size());
  EXPECT_EQ(cluster.Command(*killer, {"PING"}), "+PONG\r\n");
}

TEST(Protocol_ClientKill, OfItself_AnswersFirst) {
  Single one;
  EXPECT_EQ(one.Pipeline({{"SET", "k", "v"},
                          {"GET", "k"},
                          {"CLIENT", "KILL", "SKIPME", "no"},
                          {"PING"}},
                         4),
            "+OK\r\n$1\r\nv\r\n:1\r\n");
  EXPECT_TRUE(one.client->closed());
  auto by_address = one.cluster.ConnectResp(0);
  const std::string line = one.cluster.Command(*by_address, {"CLIENT", "INFO"});
  const size_t at = line.find(" addr=") + 6;
  const std::string address = line.substr(at, line.find(' ', at) - at);
  EXPECT_EQ(one.cluster.Command(*by_address, {"CLIENT", "KILL", address}),
            "+OK\r\n");
  one.cluster.world().RunFor(Milliseconds(10));
  EXPECT_TRUE(by_address->closed());
}

// The keys and their use are those of the wrapped command.
TEST(Protocol_CommandGetKeys, OfQuorateDo_ReportsTheWrappedCommand) {
  Single one;
  const auto flags = [&](std::vector<std::string_view> wrapped) {
    std::vector<std::string_view> words = {
        "COMMAND", "GETKEYSANDFLAGS", "QUORATE.DO", "session", "1", "1"};
    words.insert(words.end(), wrapped.begin(), wrapped.end());
    return one.cluster.Command(*one.client, words);
  };
  EXPECT_EQ(flags({"GET", "k"}),
            "*1\r\n*2\r\n$1\r\nk\r\n*2\r\n+RO\r\n+access\r\n");
  EXPECT_EQ(flags({"set", "k", "v"}),
            "*1\r\n*2\r\n$1\r\nk\r\n*2\r\n+OW\r\n+update\r\n");
  EXPECT_EQ(flags({"SET", "k", "v", "GET"}),
            "*1\r\n*2\r\n$1\r\nk\r\n*3\r\n+RW\r\n+access\r\n+update\r\n");
  EXPECT_EQ(flags({"OBJECT", "ENCODING", "k"}),
            "*1\r\n*2\r\n$1\r\nk\r\n*1\r\n+RO\r\n");
  const std::string error = "-ERR Invalid arguments specified for command\r\n";
  EXPECT_EQ(flags({"PING"}), error);
  EXPECT_EQ(flags({"GET"}), error);
  EXPECT_EQ(flags({"QUORATE.DO", "session", "1", "1", "GET", "k"}), error);
}

TEST(Protocol_HelloAuth, DefaultUser_IsAcceptedWithAnyPassword) {
  Single one;
  const std::string reply = one.cluster.Command(
      *one.client, {"HELLO", "3", "AUTH", "default", "x", "SETNAME", "me"});
  EXPECT_TRUE(reply.starts_with("%7\r\n")) << reply;
  EXPECT_EQ(one.cluster.Command(*one.client, {"CLIENT", "GETNAME"}),
            "$2\r\nme\r\n");
}

TEST(Protocol_HelloAuth, OtherUser_ChangesNothing) {
  Single one;
  const std::string reply = one.cluster.Command(
      *one.client, {"HELLO", "3", "SETNAME", "me", "AUTH", "root", "x"});
  EXPECT_TRUE(reply.starts_with("-WRONGPASS ")) << reply;
  EXPECT_EQ(one.cluster.Command(*one.client, {"CLIENT", "GETNAME"}), "$-1\r\n");
}

TEST(Protocol_Hello, BehindAPendingReply_LeavesThatReplyInTheOldVersion) {
  Single one;
  const std::string replies =
      one.Pipeline({{"GET", "none"}, {"HELLO", "3"}, {"GET", "none"}}, 3);
  EXPECT_TRUE(replies.starts_with("$-1\r\n%7\r\n")) << replies;
  EXPECT_TRUE(replies.ends_with("\r\n_\r\n")) << replies;
}

TEST(Protocol_Reset, BehindAPendingReply_LeavesThatReplyInTheOldVersion) {
  Single one;
  one.cluster.Command(*one.client, {"HELLO", "3"});
  EXPECT_EQ(one.Pipeline({{"GET", "none"}, {"RESET"}, {"GET", "none"}}, 3),
            "_\r\n+RESET\r\n$-1\r\n");
}

TEST(Protocol_ClientReply, On_AnswersOkAlsoAfterOffAndSkip) {
  Single one;
  EXPECT_EQ(one.Pipeline({{"CLIENT", "REPLY", "OFF"},
                          {"SET", "k", "v"},
                          {"GET", "k"},
                          {"CLIENT", "REPLY", "ON"},
                          {"GET", "k"}},
                         2),
            "+OK\r\n$1\r\nv\r\n");
  EXPECT_EQ(
      one.Pipeline(
          {{"CLIENT", "REPLY", "SKIP"}, {"CLIENT", "REPLY", "ON"}, {"PING"}},
          2),
      "+OK\r\n+PONG\r\n");
  EXPECT_EQ(one.Pipeline({{"CLIENT", "REPLY", "OFF"},
                          {"CLIENT", "REPLY", "bogus"},
                          {"CLIENT", "REPLY", "ON"}},
                         1),
            "+OK\r\n");
}

// RESET ends OFF before its reply. SKIP covers the reply to any next command.
TEST(Protocol_ClientReply, Reset_AnswersAfterOffAndNotAfterSkip) {
  Single one;
  EXPECT_EQ(
      one.Pipeline(
          {{"CLIENT", "REPLY", "OFF"}, {"SET", "k", "v"}, {"RESET"}, {"PING"}},
          2),
      "+RESET\r\n+PONG\r\n");
  EXPECT_EQ(one.Pipeline({{"CLIENT", "REPLY", "SKIP"}, {"RESET"}, {"PING"}}, 1),
            "+PONG\r\n");
  EXPECT_EQ(one.Pipeline({{"CLIENT", "REPLY", "OFF"},
                          {"GET", "k"},
                          {"RESET", "x"},
                          {"CLIENT", "REPLY", "ON"}},
                         1),
            "+OK\r\n");
}

TEST(Protocol_Metrics, UnknownAndMalformedCommands_CountAsErrorsOfNoCommand) {
  Single one;
  one.cluster.Command(*one.client, {"BOGUS"});
  one.cluster.Command(*one.client, {"GET"});
  auto other = one.cluster.ConnectResp(0);
  EXPECT_TRUE(one.cluster.Call(*other, "*1\r\n!\r\n").starts_with("-ERR "));
  const Metrics& metrics = one.cluster.server(0).metrics();
  EXPECT_EQ(metrics.command(CommandId::kQuit).calls, 0u);
  EXPECT_EQ(metrics.total_errors(), 3u);
  EXPECT_EQ(metrics.total_commands(), 0u);
}

TEST(Protocol_Info, Cpu_RisesWithTheMachinesTurns) {
  Single one;
  const std::string before = one.cluster.Command(*one.client, {"INFO", "cpu"});
  EXPECT_NE(before.find("# CPU\r\nused_cpu_sys:0.000000\r\nused_cpu_user:"),
            std::string::npos)
      << before;
  one.cluster.world().RunFor(Seconds(10));
  const std::string after = one.cluster.Command(*one.client, {"INFO", "cpu"});
  EXPECT_GE(Field(before, "used_cpu_user"), 0);
  EXPECT_GT(Field(after, "used_cpu_user"), Field(before, "used_cpu_user"));
}

TEST(Protocol_Version, InfoAndHello_Agree) {
  Single one;
  const std::string line =
      Concat("redis_version:", kRedisVersion,
             "\r\nredis_git_sha1:00000000\r\nredis_git_dirty:0\r\n");
  EXPECT_NE(one.cluster.Command(*one.client, {"INFO", "server"}).find(line),
            std::string::npos);
  const std::string bulk = Concat("version\r\n$", kRedisVersion.size(), "\r\n",
                                  kRedisVersion, "\r\n");
  EXPECT_NE(one.cluster.Command(*one.client, {"HELLO"}).find(bulk),
            std::string::npos);
}

void HoldOne(Config& config) { config.bounds.held_requests = 1; }

TEST(Protocol_HeldRequests, OfOne_StillAnswersAPipeline) {
  TestCluster cluster({.nodes = 3, .adjust = HoldOne});
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectResp(cluster.LeaderOf(GroupId(1)));
  std::string requests;
  std::string expected;
  for (int i = 0; i < 20; ++i) {
    requests += EncodeRequest({"SET", "k", "v"}) + EncodeRequest({"GET", "k"});
    expected += "+OK\r\n$1\r\nv\r\n";
  }
  EXPECT_EQ(cluster.Call(*client, requests, 40), expected);
}

// The first write takes the only place, so the second one is handled twice.
TEST(Protocol_HeldRequests, CommandThatIsHandledAgain_IsStillSkipped) {
  TestCluster cluster({.adjust = HoldOne});
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectResp(0);
  for (const std::vector<std::string_view>& skipped :
       {std::vector<std::string_view>{"SET", "k", "2"},
        {"GET", "k"},
        {"MSET", "{k}1", "v", "{k}2", "v"}}) {
    EXPECT_EQ(cluster.Call(*client,
                           EncodeRequest({"SET", "k", "1"}) +
                               EncodeRequest({"CLIENT", "REPLY", "SKIP"}) +
                               EncodeRequest(skipped) + EncodeRequest({"PING"}),
                           2),
              "+OK\r\n+PONG\r\n")
        << skipped[0];
  }
}

// Keys of the three even groups: foo is of slot 12182, bar of 5061, hello of
// 866.
TEST(Protocol_Watch, AnsweredMoved_WatchesNothing) {
  TestCluster cluster({.nodes = 3, .groups = 3});
  ASSERT_TRUE(cluster.AwaitLeaders());
  cluster.world().RunFor(kForwardNew);
  auto client = cluster.ConnectRespCluster(cluster.LeaderOf(GroupId(1)));
  const std::string moved = cluster.Command(*client, {"WATCH", "foo"});
  EXPECT_TRUE(moved.starts_with("-MOVED 12182 ")) << moved;
  EXPECT_EQ(cluster.Call(*client,
                         EncodeRequest({"MULTI"}) +
                             EncodeRequest({"SET", "bar", "v"}) +
                             EncodeRequest({"EXEC"}),
                         3),
            "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n");
}

TEST(Protocol_Watch, AnsweredClusterDown_WatchesNothing) {
  TestCluster cluster({.nodes = 3});
  // The first node is preferred, so it leads again in the end.
  const auto first_leads = [&] {
    return cluster.world().RunUntilTrue(
        [&] { return cluster.LeaderOf(GroupId(1)) == 0; }, Seconds(60));
  };
  ASSERT_TRUE(first_leads());
  auto client = cluster.ConnectResp(0);
  for (const size_t node : {1u, 2u}) cluster.Crash(node);
  cluster.world().RunFor(Seconds(2));
  client->Send(EncodeRequest({"WATCH", "k"}));
  cluster.world().RunFor(Seconds(5));
  const std::string down = client->Take();
  EXPECT_TRUE(down.starts_with("-CLUSTERDOWN ")) << down;
  for (const size_t node : {1u, 2u}) cluster.Restart(node);
  ASSERT_TRUE(cluster.AwaitLeaders());
  ASSERT_TRUE(first_leads());
  auto writer = cluster.ConnectResp(0);
  EXPECT_EQ(cluster.Command(*writer, {"SET", "k", "1"}), "+OK\r\n");
  EXPECT_EQ(
      cluster.Call(*client,
                   EncodeRequest({"MULTI"}) + EncodeRequest({"GET", "k"}) +
                       EncodeRequest({"EXEC"}),
                   3),
      "+OK\r\n+QUEUED\r\n*1\r\n$1\r\n1\r\n");
}

TEST(Protocol_Watch, AbsentKeySetAndDeleted_Aborts) {
  Single one;
  auto other = one.cluster.ConnectResp(0);
  const auto run = [&] {
    return one.Pipeline({{"MULTI"}, {"SET", "k", "mine"}, {"EXEC"}}, 3);
  };
  EXPECT_EQ(one.cluster.Command(*one.client, {"WATCH", "k"}), "+OK\r\n");
  EXPECT_EQ(run(), "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n");
  one.cluster.Command(*other, {"DEL", "k"});
  EXPECT_EQ(one.cluster.Command(*one.client, {"WATCH", "k"}), "+OK\r\n");
  one.cluster.Command(*other, {"SET", "k", "theirs"});
  one.cluster.Command(*other, {"DEL", "k"});
  EXPECT_EQ(run(), "+OK\r\n+QUEUED\r\n*-1\r\n");
  EXPECT_EQ(one.cluster.Command(*one.client, {"GET", "k"}), "$-1\r\n");
}

// As Redis 7.0.15 does.
TEST(Protocol_Watch, CommandThatChangesNothing_AbortsWhereRedisDoes) {
  Single one;
  auto other = one.cluster.ConnectResp(0);
  const std::pair<std::vector<std::string_view>, bool> commands[] = {
      {{"SETBIT", "k", "7", "1"}, false},
      {{"SETBIT", "k", "0", "0"}, false},
      {{"SETBIT", "k", "15", "0"}, true},
      {{"SETBIT", "k", "7", "0"}, true},
      {{"APPEND", "k", ""}, true},
      {{"SETRANGE", "k", "0", ""}, false},
      {{"SETRANGE", "k", "0", "a"}, true},
      {{"SET", "k", "a"}, true},
      {{"PERSIST", "k"}, false},
      {{"GETEX", "k"}, false},
      {{"TOUCH", "k"}, false},
      {{"SET", "k", "b", "NX"}, false},
  };
  for (const auto& [command, aborts] : commands) {
    one.cluster.Command(*other, {"SET", "k", "a"});
    EXPECT_EQ(one.cluster.Command(*one.client, {"WATCH", "k"}), "+OK\r\n");
    one.cluster.Command(*other, command);
    EXPECT_EQ(one.Pipeline({{"MULTI"}, {"PING"}, {"EXEC"}}, 3),
              aborts ? "+OK\r\n+QUEUED\r\n*-1\r\n"
                     : "+OK\r\n+QUEUED\r\n*1\r\n+PONG\r\n")
        << command[0] << " " << command.back();
  }
}

TEST(Protocol_Watch, BeforeReset_WatchesNothingAfterIt) {
  Single one;
  auto other = one.cluster.ConnectResp(0);
  EXPECT_EQ(one.Pipeline({{"WATCH", "k"}, {"RESET"}}, 2), "+OK\r\n+RESET\r\n");
  one.cluster.Command(*other, {"SET", "k", "theirs"});
  EXPECT_EQ(one.Pipeline({{"MULTI"}, {"GET", "k"}, {"EXEC"}}, 3),
            "+OK\r\n+QUEUED\r\n*1\r\n$6\r\ntheirs\r\n");
}

// The field of INFO's section Stats on each node, summed up.
int64_t SumOfStats(TestCluster& cluster, std::string_view field) {
  int64_t sum = 0;
  for (size_t node = 0; node < cluster.size(); ++node) {
    auto client = cluster.ConnectResp(node);
    const std::string info = cluster.Command(*client, {"INFO", "stats"});
    sum += static_cast<int64_t>(Field(info, std::string(field)));
  }
  return sum;
}

// The counts are those of Redis 7.0.15, but for MEMORY USAGE. Each command is
// sent alone, behind a write of its connection, and inside MULTI.
TEST(Protocol_Info, KeyspaceHitsAndMisses_CountAsInRedis) {
  TestCluster cluster({.nodes = 3});
  ASSERT_TRUE(cluster.AwaitLeaders());
  struct Row {
    std::string_view command;
    int64_t hits;
    int64_t misses;
  };
  // {t}k and {t}x exist, {t}n does not.
  const Row rows[] = {
      {"GET {t}k", 1, 0},
      {"GET {t}n", 0, 1},
      {"MGET {t}k {t}n {t}k", 2, 1},
      {"EXISTS {t}k {t}n {t}k", 2, 1},
      {"TOUCH {t}k {t}n", 1, 1},
      {"TYPE {t}k", 1, 0},
      {"TYPE {t}n", 0, 1},
      {"TTL {t}k", 1, 0},
      {"TTL {t}n", 0, 1},
      {"PTTL {t}x", 1, 0},
      {"EXPIRETIME {t}n", 0, 1},
      {"STRLEN {t}k", 1, 0},
      {"STRLEN {t}n", 0, 1},
      {"GETRANGE {t}k 0 1", 1, 0},
      {"GETRANGE {t}n 0 1", 0, 1},
      {"GETBIT {t}k 1", 1, 0},
      {"GETBIT {t}n 1", 0, 1},
      {"OBJECT ENCODING {t}k", 1, 0},
      {"OBJECT REFCOUNT {t}n", 0, 1},
      {"GETDEL {t}k", 1, 0},
      {"GETDEL {t}n", 0, 1},
      {"GETEX {t}k", 1, 0},
      {"GETEX {t}n EX 10", 0, 1},
      {"GETEX {t}k PERSIST", 1, 0},
      {"GETSET {t}k 1", 1, 0},
      {"GETSET {t}n 1", 0, 1},
      {"SET {t}k 1", 0, 0},
      {"SET {t}k 1 GET", 1, 0},
      {"SET {t}n 1 GET", 0, 1},
      {"SET {t}k 1 NX", 0, 0},
      {"SETNX {t}n 1", 0, 0},
      {"INCR {t}k", 0, 0},
      {"INCRBYFLOAT {t}k 1", 0, 0},
      {"APPEND {t}n 1", 0, 0},
      {"SETRANGE {t}k 0 1", 0, 0},
      {"SETBIT {t}k 0 1", 0, 0},
      {"EXPIRE {t}k 10", 0, 0},
      {"PERSIST {t}x", 0, 0},
      {"DEL {t}k {t}n", 0, 0},
      {"MSETNX {t}k 1 {t}n 1", 0, 0},
      {"WATCH {t}k", 0, 0},
      {"DBSIZE", 0, 0},
      {"KEYS *", 0, 0},
      {"SCAN 0", 0, 0},
  };
  for (const Row& row : rows) {
    for (const std::string_view way : {"alone", "written", "multi"}) {
      const bool queued = row.command.find("{t}") != std::string_view::npos &&
                          !row.command.starts_with("WATCH");
      if (way == "multi" && !queued) continue;
      const size_t node = (cluster.LeaderOf(GroupId(1)) + 1) % 3;
      auto client = cluster.ConnectResp(node);
      cluster.Call(*client,
                   "MSET {t}k 12 {t}x abc\r\nDEL {t}n\r\n"
                   "EXPIRE {t}x 100\r\nCONFIG RESETSTAT\r\n",
                   4);
      const int64_t hits = SumOfStats(cluster, "keyspace_hits");
      const int64_t misses = SumOfStats(cluster, "keyspace_misses");
      std::string bytes = Concat(row.command, "\r\n");
      size_t replies = 1;
      if (way == "written") {
        bytes = Concat("SET {t}other 1\r\n", bytes);
        replies = 2;
      } else if (way == "multi") {
        bytes = Concat("MULTI\r\n", bytes, "EXEC\r\n");
        replies = 3;
      }
      const std::string answer = cluster.Call(*client, bytes, replies);
      EXPECT_EQ(answer.find("-ERR"), std::string::npos) << answer;
      EXPECT_EQ(SumOfStats(cluster, "keyspace_hits") - hits, row.hits)
          << row.command << ", " << way;
      EXPECT_EQ(SumOfStats(cluster, "keyspace_misses") - misses, row.misses)
          << row.command << ", " << way;
    }
  }
}

// More keys than one turn looks up.
TEST(Protocol_Info, ReadInPieces_CountsEachKeyOnce) {
  Single one;
  one.cluster.Command(*one.client, {"SET", "k", "v"});
  std::vector<std::string_view> words(100'001, "k");
  words[0] = "EXISTS";
  words[1] = "{k}none";
  EXPECT_EQ(one.cluster.Command(*one.client, words), ":99999\r\n");
  EXPECT_EQ(SumOfStats(one.cluster, "keyspace_hits"), 99'999);
  EXPECT_EQ(SumOfStats(one.cluster, "keyspace_misses"), 1);
  one.cluster.Command(*one.client, {"CONFIG", "RESETSTAT"});
  EXPECT_EQ(SumOfStats(one.cluster, "keyspace_hits"), 0);
}

TEST(Protocol_Growth, HasTheLimitOfSet) {
  Single one;
  const size_t longest = one.cluster.config(0).bounds.value_bytes;
  const std::string too_long = Concat(
      "-ERR string exceeds maximum allowed size (", longest, " bytes)\r\n");
  const std::string value(longest, 'x');
  EXPECT_EQ(one.cluster.Command(*one.client, {"SET", "k", value}), "+OK\r\n");
  EXPECT_EQ(one.cluster.Command(*one.client, {"APPEND", "k", "y"}), too_long);
  EXPECT_EQ(
      one.cluster.Command(*one.client, {"SETRANGE", "k", Concat(longest), "y"}),
      too_long);
  EXPECT_EQ(one.cluster.Command(*one.client,
                                {"SETRANGE", "k", Concat(longest - 1), "y"}),
            Concat(":", longest, "\r\n"));
  EXPECT_EQ(one.cluster.Command(*one.client, {"SET", "k", value + "x"}),
            too_long);
}

void ShortValues(Config& config) { config.bounds.value_bytes = 20; }

TEST(Protocol_Growth, OfADecimal_HasTheLimitOfSet) {
  TestCluster cluster({.adjust = ShortValues});
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectResp(0);
  EXPECT_EQ(cluster.Command(*client, {"INCRBYFLOAT", "f", "1e19"}),
            "$20\r\n10000000000000000000\r\n");
  EXPECT_EQ(cluster.Command(*client, {"INCRBYFLOAT", "f", "0.5"}),
            "-ERR string exceeds maximum allowed size (20 "
            "bytes)\r\n");
}

TEST(Protocol_IncrByFloat, ReadsItsOwnResults) {
  Single one;
  const std::string million = "1" + std::string(300, '0');
  const auto add = [&](std::string_view increment) {
    return one.cluster.Command(*one.client, {"INCRBYFLOAT", "f", increment});
  };
  EXPECT_EQ(add("1e300"), Concat("$301\r\n", million, "\r\n"));
  EXPECT_EQ(add("0"), Concat("$301\r\n", million, "\r\n"));
  EXPECT_EQ(add("-1e300"), "$1\r\n0\r\n");
  const std::string big = "9" + std::string(4'932, '0');
  EXPECT_EQ(add("9e4932"), Concat("$4933\r\n", big, "\r\n"));
  EXPECT_EQ(add("9e4932"), "-ERR increment would produce NaN or Infinity\r\n");
  EXPECT_EQ(add("0.00000000000000001"),
            Concat("$4951\r\n", big, ".00000000000000001\r\n"));
  EXPECT_EQ(add("-9e4932"), "$19\r\n0.00000000000000001\r\n");
}

// The inverse of Mix64.
uint64_t Unmix64(uint64_t x) {
  x ^= x >> 31 ^ x >> 62;
  x *= 0x319642b2d24d8ec3ULL;
  x ^= x >> 27 ^ x >> 54;
  x *= 0x96de1b173f119089ULL;
  return x ^ x >> 30 ^ x >> 60;
}

// The seed of a Random of which one draw is known.
uint64_t SeedOf(uint64_t bits, Site site, uint64_t entity, uint64_t counter) {
  constexpr uint64_t kStep = 0x9e3779b97f4a7c15ULL;
  uint64_t x = (Unmix64(bits) - kStep) ^ counter;
  x = (Unmix64(x) - kStep) ^ entity;
  x = (Unmix64(x) - kStep) ^ site.hash();
  return Unmix64(x) - kStep;
}

TEST(Protocol_Sessions, Ids_ShowNoOtherId) {
  ASSERT_EQ(SeedOf(Random(77).Bits("node.session", 3, 4), "node.session", 3, 4),
            77u);
  Single one;
  std::vector<uint64_t> ids;
  for (int i = 0; i < 3; ++i) {
    const std::string reply =
        one.cluster.Command(*one.client, {"QUORATE.SESSION"});
    ids.push_back(std::stoull(reply.substr(5, 16), nullptr, 16));
  }
  for (const Site site : {Site("node.session"), Site("node.session_key")}) {
    for (uint64_t counter = 0; counter < 4; ++counter) {
      const Random guess(SeedOf(ids[0], site, 0, counter));
      for (uint64_t next = 0; next < 8; ++next) {
        EXPECT_NE(guess.Bits(site, 0, next), ids[1]);
        EXPECT_NE(guess.Bits(site, 0, next), ids[2]);
      }
    }
  }
}

}  // namespace
}  // namespace quorate::node

// Replies larger than every buffer, pipelines deeper than every limit, and slow
// readers. Every request is answered, memory stays bounded, and no other client
// waits. The cluster checks the invariants of its client tables after every
// turn.
#include <algorithm>
#include <memory>
#include <numeric>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "env/parse_integer.h"
#include "gtest/gtest.h"
#include "kv/store/store.h"
#include "node/base/text.h"
#include "node/connections/metrics.h"
#include "node/testing/test_cluster.h"

namespace quorate::node {
namespace {

constexpr size_t kMi = size_t{1} << 20;

std::string Repeat(const std::vector<std::string_view>& words, int times) {
  const std::string one = EncodeRequest(words);
  std::string all;
  for (int i = 0; i < times; ++i) all += one;
  return all;
}

std::string BulkReply(std::string_view value) {
  return Concat("$", value.size(), "\r\n", value, "\r\n");
}

// A client of node 0 that has set "{k}" to `value`. All groups have leaders.
std::unique_ptr<TestClient> ConnectAndSet(TestCluster& cluster,
                                          std::string_view value) {
  EXPECT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectResp(0);
  EXPECT_EQ(cluster.Command(*client, {"SET", "{k}", value}), "+OK\r\n");
  return client;
}

// Clients of a node that read nothing and have sent `requests`.
std::vector<std::unique_ptr<TestClient>> ConnectSlowReaders(
    TestCluster& cluster, size_t node, int count, const std::string& requests) {
  std::vector<std::unique_ptr<TestClient>> slow;
  for (int i = 0; i < count; ++i) {
    slow.push_back(cluster.ConnectResp(node));
    slow.back()->PauseReads();
    slow.back()->Send(requests);
  }
  return slow;
}

// Runs until `client` has received `size` bytes, at most a minute.
bool AwaitBytes(TestCluster& cluster, TestClient& client, size_t size) {
  return cluster.world().RunUntilTrue(
      [&] { return client.received().size() >= size || client.closed(); },
      Seconds(60));
}

// Requests `count` replies of `value` at once, more than any buffer holds, and
// sends one more request afterwards.
void ExpectAllReplies(TestCluster& cluster, TestClient& client, int count,
                      const std::string& value) {
  const size_t expected = count * BulkReply(value).size() + 7;
  client.Send(Repeat({"GET", "{k}"}, count) + EncodeRequest({"PING"}));
  ASSERT_TRUE(AwaitBytes(cluster, client, expected));
  const std::string got = client.Take();
  EXPECT_EQ(got.size(), expected);
  EXPECT_TRUE(got.ends_with("\r\n+PONG\r\n"));
  EXPECT_FALSE(client.closed());
}

TEST(Backpressure_Resp,
     RepliesOfOneTurnBeyondOneMiB_AllComeAndTheConnectionGoesOn) {
  TestCluster cluster;
  const std::string value(1'100, 'x');
  auto client = ConnectAndSet(cluster, value);
  ExpectAllReplies(cluster, *client, 2'000, value);
  ExpectAllReplies(cluster, *client, 2'000, value);
}

// A stream that sends everything at the end of the turn never calls OnDrained.
TEST(Backpressure_Resp,
     StreamThatTakesEverythingAtOnce_DoesNotStopTheConnection) {
  TestCluster cluster({.stream_buffer_bytes = size_t{1} << 30});
  const std::string value(100'000, 'x');
  auto client = ConnectAndSet(cluster, value);
  ExpectAllReplies(cluster, *client, 1'500, value);
}

TEST(Backpressure_Resp, StreamThatTakesAFewBytes_DeliversEveryReply) {
  TestCluster cluster({.stream_buffer_bytes = 700});
  const std::string value(1'000, 'x');
  auto client = ConnectAndSet(cluster, value);
  ExpectAllReplies(cluster, *client, 2'500, value);
}

TEST(Backpressure_Resp, WritesThatReturnOldValues_AreBoundedToo) {
  TestCluster cluster;
  const std::string value(400'000, 'x');
  auto client = ConnectAndSet(cluster, value);
  // Each read follows a write of its own connection, so it goes through the
  // log.
  const int count = 300;
  std::string requests;
  for (int i = 0; i < count; ++i) {
    requests += EncodeRequest({"SET", "{k}other", "y"});
    requests += EncodeRequest({"GET", "{k}"});
  }
  const size_t expected = count * (BulkReply(value).size() + 5);
  client->PauseReads();
  client->Send(requests);
  cluster.world().RunFor(Seconds(5));
  const size_t limit = cluster.config(0).bounds.output_buffer_bytes;
  EXPECT_LT(cluster.server(0).metrics().output_bytes, 2 * limit + 2 * kMi);
  client->ResumeReads();
  ASSERT_TRUE(AwaitBytes(cluster, *client, expected));
  EXPECT_EQ(client->Take().size(), expected);
}

// The reads follow a write of their connection, so they go through the log.
TEST(Backpressure_Resp, ReadsInTheLog_AreInEntriesOfBoundedResults) {
  TestCluster cluster({.adjust = [](Config& config) {
    config.bounds.entry_result_bytes = 250'000;
  }});
  const std::string value(100'000, 'x');
  auto client = ConnectAndSet(cluster, value);
  const auto applied = [&] {
    return cluster.server(0).store(GroupId(1))->applied_index().value();
  };
  const uint64_t before = applied();
  constexpr int kReads = 20;
  client->Send(EncodeRequest({"SET", "{k}other", "y"}) +
               Repeat({"GET", "{k}"}, kReads));
  ASSERT_TRUE(
      AwaitBytes(cluster, *client, 5 + kReads * BulkReply(value).size()));
  // Three values are beyond the bound.
  EXPECT_GE(applied() - before, uint64_t{kReads / 2});
}

TEST(Backpressure_Resp, ManyLargeMgets_AreAnsweredOneAfterTheOther) {
  TestCluster cluster;
  const std::string value(400'000, 'x');
  auto client = ConnectAndSet(cluster, value);
  auto other = cluster.ConnectResp(0);
  std::vector<std::string_view> mget = {"MGET"};
  mget.resize(101, "{k}");
  const size_t one = 6 + 100 * BulkReply(value).size();
  client->PauseReads();
  client->Send(Repeat(mget, 6));
  cluster.world().RunFor(Seconds(1));
  EXPECT_LE(cluster.server(0).metrics().output_bytes, one + kMi);
  EXPECT_EQ(cluster.Command(*other, {"PING"}), "+PONG\r\n");
  client->ResumeReads();
  ASSERT_TRUE(AwaitBytes(cluster, *client, 6 * one));
  EXPECT_EQ(client->Take().size(), 6 * one);
  EXPECT_FALSE(client->closed());
}

TEST(Backpressure_Resp, ImmediateReplies_AreBoundedInATurnToo) {
  TestCluster cluster;
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectResp(0);
  client->PauseReads();
  std::string requests;
  for (int i = 0; i < 5'000; ++i) requests += "COMMAND\r\n";
  client->Send(requests);
  cluster.world().RunFor(Seconds(5));
  EXPECT_LT(cluster.server(0).metrics().output_bytes,
            cluster.config(0).bounds.output_buffer_bytes + 2 * kMi);
}

TEST(Backpressure_Resp, HalfClosedAfterMoreThanATurnsShare_GetsEveryReply) {
  TestCluster cluster;
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectResp(0);
  const size_t one = cluster.Command(*client, {"COMMAND"}).size();
  ASSERT_GT(one, 10'000u);
  client->Send(Repeat({"COMMAND"}, 300));
  client->End();
  cluster.world().RunUntilTrue([&] { return client->closed(); }, Seconds(60));
  EXPECT_EQ(client->received().size(), 300 * one);
  cluster.world().RunFor(Seconds(1));
  EXPECT_EQ(cluster.server(0).open_connections(), 0u);
}

// Reads of a group without a leader delay the replies of another group.
TEST(Backpressure_Resp, RepliesBehindAnOutstandingOne_AreBoundedAndArrive) {
  TestCluster cluster({.nodes = 3, .groups = 2});
  ASSERT_TRUE(cluster.AwaitLeaders());
  const std::string value(400'000, 'x');
  const size_t node = cluster.LeaderOf(GroupId(1));
  auto client = cluster.ConnectResp(node);
  // "b" has slot 3300, of the first group; "a" slot 15495, of the second.
  EXPECT_EQ(cluster.Command(*client, {"SET", "b", value}), "+OK\r\n");
  std::string requests = EncodeRequest({"GET", "a"});
  requests += Repeat({"GET", "b"}, 100);
  const size_t least = 100 * BulkReply(value).size();
  client->Send(requests);
  ASSERT_TRUE(AwaitBytes(cluster, *client, least));
  cluster.world().RunFor(Seconds(1));
  EXPECT_GT(client->Take().size(), least);
}

// A silent reply has no text, however long it waits: the queue of replies
// checks that. Errors are counted.
TEST(Backpressure_Silent, RepliesOfManyKinds_TakeNoMemory) {
  TestCluster cluster({.nodes = 3, .groups = 2});
  ASSERT_TRUE(cluster.AwaitLeaders());
  const std::string value(400'000, 'x');
  const size_t node = cluster.LeaderOf(GroupId(1));
  auto client = cluster.ConnectResp(node);
  EXPECT_EQ(cluster.Command(*client, {"SET", "b", value}), "+OK\r\n");
  EXPECT_EQ(cluster.Command(*client, {"SET", "{b}s", "short"}), "+OK\r\n");
  std::vector<std::string_view> mget(1'000, "{b}s");
  mget[0] = "MGET";
  mget.back() = "b";
  const uint64_t sent = cluster.server(node).metrics().output_bytes;
  const uint64_t errors = cluster.server(node).metrics().total_errors();
  // The write to the other group keeps the replies behind it.
  client->Send(EncodeRequest({"CLIENT", "REPLY", "OFF"}) +
               EncodeRequest({"SET", "a", "v"}) + Repeat({"GET", "b"}, 300) +
               Repeat(mget, 3) + Repeat({"INCR", "b"}, 7) +
               EncodeRequest({"MULTI"}) + Repeat({"GET", "b"}, 5) +
               EncodeRequest({"EXEC"}) + Repeat({"GETSET", "b", value}, 20) +
               Repeat({"ECHO", value}, 3) + Repeat({"COMMAND"}, 3) +
               EncodeRequest({"SET", "a", "v"}) + Repeat({"PING"}, 20) +
               EncodeRequest({"KEYS", "*"}) + EncodeRequest({"NONE"}) +
               EncodeRequest({"CLIENT", "REPLY", "ON"}));
  ASSERT_TRUE(AwaitBytes(cluster, *client, 5));
  EXPECT_EQ(client->Take(), "+OK\r\n");
  const Metrics& metrics = cluster.server(node).metrics();
  EXPECT_LT(metrics.output_bytes - sent, 100u);
  EXPECT_EQ(metrics.total_errors() - errors, 8u);
  EXPECT_EQ(metrics.command(CommandId::kGet).calls, 305u);
  EXPECT_EQ(metrics.command(CommandId::kIncr).failed, 7u);
}

// Connections that read everything and wait leave little memory behind.
TEST(Backpressure_Idle, ConnectionsAfterLargeReplies_KeepLittleMemory) {
  TestCluster cluster({.stream_buffer_bytes = size_t{4} << 20});
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto lister = cluster.ConnectResp(0);
  std::vector<std::string> keys;
  std::vector<std::string_view> mget = {"MGET"};
  for (int i = 0; i < 66; ++i) keys.push_back(Concat("{k}", i));
  for (const std::string& key : keys) {
    mget.push_back(key);
    cluster.Command(*lister, {"SET", key, std::string(15'000, 'x')});
  }
  cluster.Command(*lister, {"SET", "{k}shared", std::string(20'000, 'x')});
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < 10; ++i) {
    clients.push_back(cluster.ConnectResp(0));
    const std::string replies = cluster.Call(
        *clients.back(),
        EncodeRequest(mget) + Repeat({"GET", "{k}shared"}, 500), 501);
    EXPECT_GT(replies.size(), size_t{10} << 20);
  }
  size_t lines = 0;
  const std::string reply = cluster.Command(*lister, {"CLIENT", "LIST"});
  for (size_t at = 0; (at = reply.find(" rbs=", at)) != std::string::npos;) {
    at += 5;
    size_t bytes = 0;
    EXPECT_TRUE(ParseInteger(
        std::string_view(reply).substr(at, reply.find(' ', at) - at), &bytes));
    EXPECT_LE(bytes, size_t{32} << 10);
    ++lines;
  }
  EXPECT_EQ(lines, 11u);
}

TEST(Backpressure_Resp, ClosedWhileResultsWaitForRoom_LeavesNothingBehind) {
  TestCluster cluster;
  const std::string value(400'000, 'x');
  auto client = ConnectAndSet(cluster, value);
  client->PauseReads();
  client->Send(Repeat({"GET", "{k}"}, 1'000));
  cluster.world().RunFor(Seconds(1));
  client->Close();
  cluster.world().RunFor(Seconds(1));
  EXPECT_EQ(cluster.server(0).open_connections(), 0u);
  auto next = cluster.ConnectResp(0);
  EXPECT_EQ(cluster.Command(*next, {"PING"}), "+PONG\r\n");
}

TEST(Backpressure_Resp, QuitAfterRepliesWithoutRoom_SendsThemFirst) {
  TestCluster cluster;
  const std::string value(400'000, 'x');
  auto client = ConnectAndSet(cluster, value);
  client->Send(Repeat({"GET", "{k}"}, 100) + EncodeRequest({"QUIT"}));
  const size_t expected = 100 * BulkReply(value).size() + 5;
  ASSERT_TRUE(AwaitBytes(cluster, *client, expected));
  EXPECT_EQ(client->received().size(), expected);
  cluster.world().RunFor(Seconds(5));
  EXPECT_TRUE(client->closed());
  EXPECT_EQ(cluster.server(0).open_connections(), 0u);
}

TEST(Backpressure_Http, PipelinedLargeValues_AllArriveWithinTheBound) {
  TestCluster cluster;
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto writer = cluster.ConnectResp(0);
  const std::string value(400'000, 'x');
  EXPECT_EQ(cluster.Command(*writer, {"SET", "k", value}), "+OK\r\n");
  const uint64_t before = cluster.server(0).metrics().output_bytes;
  auto client = cluster.ConnectHttp(0);
  std::string requests;
  const int count = 1'024;
  for (int i = 0; i < count; ++i) {
    requests += "GET /v1/kv/k HTTP/1.1\r\nHost: n1\r\n\r\n";
  }
  client->PauseReads();
  client->Send(requests);
  cluster.world().RunFor(Seconds(2));
  EXPECT_LT(cluster.server(0).metrics().output_bytes - before,
            cluster.config(0).bounds.output_buffer_bytes + 2 * kMi);
  client->ResumeReads();
  ASSERT_TRUE(AwaitBytes(cluster, *client, count * value.size()));
  client->Send("GET /livez HTTP/1.1\r\nHost: n1\r\nConnection: close\r\n\r\n");
  cluster.world().RunUntilTrue([&] { return client->closed(); }, Seconds(60));
  EXPECT_TRUE(client->received().ends_with("ok\n"));
}

TEST(Backpressure_SlowReaders, HoldABoundedSumAndDelayNoOtherClient) {
  TestCluster cluster({.adjust = [](Config& config) {
    config.limits.output_total_bytes = 8 << 20;
  }});
  const std::string value(400'000, 'x');
  auto other = ConnectAndSet(cluster, value);
  auto slow = ConnectSlowReaders(cluster, 0, 30, Repeat({"GET", "{k}"}, 1000));
  cluster.world().RunFor(Seconds(2));
  // Beyond the limit each connection may make one reply more.
  const size_t bound = cluster.config(0).limits.output_total_bytes + 30 * kMi;
  EXPECT_LT(cluster.server(0).metrics().output_bytes, bound);
  // A client that reads is served, even with many requests at once.
  ExpectAllReplies(cluster, *other, 100, value);
  EXPECT_EQ(cluster.Command(*other, {"SET", "x", "1"}), "+OK\r\n");
  // Clients that begin to read receive everything.
  for (auto& client : slow) client->ResumeReads();
  for (auto& client : slow) {
    ASSERT_TRUE(AwaitBytes(cluster, *client, 40 * BulkReply(value).size()));
    EXPECT_FALSE(client->closed());
  }
}

// The reads share a read point, so all results arrive in one turn.
TEST(Backpressure_SlowReaders, WithRequestsAtOnce_HoldABoundedSum) {
  TestCluster cluster({.adjust = [](Config& config) {
    config.limits.output_total_bytes = 8 << 20;
  }});
  const std::string value(400'000, 'x');
  auto writer = ConnectAndSet(cluster, value);
  std::vector<std::unique_ptr<TestClient>> slow;
  for (int i = 0; i < 30; ++i) {
    slow.push_back(cluster.ConnectResp(0));
    slow.back()->PauseReads();
  }
  std::vector<std::string_view> mget = {"MGET"};
  mget.resize(11, "{k}");
  for (auto& client : slow) client->Send(EncodeRequest(mget));
  cluster.world().RunFor(Seconds(2));
  // The reply that reaches the limit may exceed it.
  const size_t one = 5 + 10 * BulkReply(value).size();
  EXPECT_LT(cluster.server(0).metrics().output_bytes,
            cluster.config(0).limits.output_total_bytes + one + kMi);
  for (auto& client : slow) client->ResumeReads();
  for (auto& client : slow) {
    ASSERT_TRUE(AwaitBytes(cluster, *client, one));
  }
}

// The other client has read a sixty-fourth of the size of its request; the slow
// readers have read nothing.
TEST(Backpressure_SlowReaders, OfLargeRepliesDelayNoLargeReplyToAReader) {
  TestCluster cluster({.adjust = [](Config& config) {
    config.limits.output_total_bytes = 16 << 20;
  }});
  const std::string value(400'000, 'x');
  auto other = ConnectAndSet(cluster, value);
  EXPECT_EQ(cluster.Command(*other, {"GET", "{k}"}), BulkReply(value));
  std::vector<std::string_view> mget(11, "{k}");
  mget[0] = "MGET";
  auto slow = ConnectSlowReaders(cluster, 0, 20,
                                 Repeat({"PING"}, 20) + EncodeRequest(mget));
  cluster.world().RunFor(Seconds(2));
  EXPECT_GT(cluster.server(0).metrics().output_bytes, 12u << 20);
  const size_t one = 5 + 10 * BulkReply(value).size();
  for (int i = 0; i < 10; ++i) {
    other->Send(EncodeRequest(mget));
    ASSERT_TRUE(AwaitBytes(cluster, *other, one));
    EXPECT_EQ(other->Take().size(), one);
  }
  for (auto& client : slow) client->ResumeReads();
  for (auto& client : slow) {
    ASSERT_TRUE(AwaitBytes(cluster, *client, 20 * 7 + one));
  }
}

// When the node holds enough, results from the log are made for a connection
// only after it has taken its earlier ones.
TEST(Backpressure_SlowReaders, OfResultsFromTheLog_HoldABoundedSumToo) {
  TestCluster cluster({.nodes = 3, .groups = 3, .adjust = [](Config& config) {
                         config.limits.output_total_bytes = 8 << 20;
                         config.shards = EvenShards(config.nodes, {3, 1});
                       }});
  ASSERT_TRUE(cluster.AwaitLeaders());
  const std::string value(400'000, 'x');
  size_t node = 0;
  while (cluster.server(node).store(GroupId(2)) != nullptr) ++node;
  auto other = cluster.ConnectResp(node);
  // "a" has slot 15495, of the third group; "foo" slot 12182; "user" slot 5474,
  // of the second.
  EXPECT_EQ(cluster.Command(*other, {"SET", "user", value}), "+OK\r\n");
  auto slow =
      ConnectSlowReaders(cluster, node, 40, Repeat({"GET", "user"}, 40));
  cluster.world().RunFor(Seconds(5));
  EXPECT_LT(cluster.server(node).metrics().output_bytes,
            (8u << 20) + 40 * (2u << 20));
  EXPECT_EQ(cluster.Command(*other, {"SET", "x", "1"}), "+OK\r\n");
  for (auto& client : slow) client->ResumeReads();
  for (auto& client : slow) {
    ASSERT_TRUE(AwaitBytes(cluster, *client, 40 * BulkReply(value).size()));
  }
}

TEST(Backpressure_SlowReaders,
     OfTransactionsAndReadsBehindWrites_HoldABoundedSum) {
  TestCluster cluster({.adjust = [](Config& config) {
    config.limits.output_total_bytes = 8 << 20;
    config.limits.transaction_bytes = 4 << 20;
  }});
  const std::string value(400'000, 'x');
  auto other = ConnectAndSet(cluster, value);
  std::vector<std::string_view> mget(11, "{k}");
  mget[0] = "MGET";
  const std::string transaction =
      EncodeRequest({"MULTI"}) + EncodeRequest(mget) + EncodeRequest({"EXEC"});
  std::string behind_writes;
  for (int i = 0; i < 40; ++i) {
    behind_writes += EncodeRequest({"SET", "{k}2", "y"});
    behind_writes += EncodeRequest({"GET", "{k}"});
  }
  std::vector<std::unique_ptr<TestClient>> slow;
  for (int i = 0; i < 60; ++i) {
    slow.push_back(cluster.ConnectResp(0));
    slow.back()->PauseReads();
    slow.back()->Send(i % 2 == 0 ? transaction : behind_writes);
  }
  cluster.world().RunFor(Seconds(5));
  // The limit, one large reply beyond it, and one value for each connection;
  // streams buffer 64 KiB.
  EXPECT_LT(cluster.server(0).metrics().output_bytes,
            (8u << 20) + (5u << 20) + 60 * 500'000);
  EXPECT_EQ(cluster.Command(*other, {"SET", "x", "1"}), "+OK\r\n");
  for (auto& client : slow) client->ResumeReads();
  for (size_t i = 0; i < slow.size(); ++i) {
    ASSERT_TRUE(AwaitBytes(cluster, *slow[i],
                           (i % 2 == 0 ? 10 : 40) * BulkReply(value).size()));
  }
}

// The client takes far longer than bounds.stall for each reply, but it
// reads.
TEST(Backpressure_SlowReaders, ThatReadAFewBytesAtATime_AreNotClosed) {
  TestCluster cluster(
      {.adjust = [](Config& config) { config.bounds.stall = Seconds(10); }});
  const std::string value(400'000, 'x');
  auto client = ConnectAndSet(cluster, value);
  client->PauseReads();
  client->Send(Repeat({"GET", "{k}"}, 3));
  const size_t expected = 3 * BulkReply(value).size();
  for (int i = 0; i < 60 && client->received().size() < expected; ++i) {
    cluster.world().RunFor(Seconds(8));
    // One buffer of the stream.
    const size_t before = client->received().size();
    client->ResumeReads();
    cluster.world().RunUntilTrue(
        [&] { return client->received().size() > before; }, Seconds(1));
    client->PauseReads();
    ASSERT_FALSE(client->closed()) << "after " << before << " bytes";
  }
  EXPECT_EQ(client->received().size(), expected);
  client->Send(Repeat({"GET", "{k}"}, 3));
  cluster.world().RunFor(Seconds(30));
  EXPECT_EQ(cluster.server(0).metrics().connections.closed_stalled, 1u);
}

// The values of a metric that each group has.
std::vector<int64_t> SamplesOf(const Server& server, std::string_view metric) {
  std::vector<int64_t> samples;
  const std::string text = server.MetricsText();
  const std::string line = Concat("\n", metric, "{");
  for (size_t at = text.find(line); at != std::string::npos;
       at = text.find(line, at + 1)) {
    const size_t value = text.find("} ", at) + 2;
    EXPECT_TRUE(ParseInteger(
        std::string_view(text).substr(value, text.find('\n', value) - value),
        &samples.emplace_back()));
  }
  return samples;
}

int64_t LargestOf(const Server& server, std::string_view metric) {
  const std::vector<int64_t> samples = SamplesOf(server, metric);
  return samples.empty() ? 0
                         : *std::max_element(samples.begin(), samples.end());
}

void HoldFewBytes(Config& config) {
  config.bounds.held_bytes = 64 << 10;
  config.host.core.uncommitted_bytes_max = 128 << 10;
  config.timeouts.leader_wait = Milliseconds(50);
}

// Each client pipelines more than the group may hold. The node stops reading
// from the client. No request is refused, although each waits longer than a
// request waits for a leader, because the group makes progress.
TEST(Backpressure_Requests, LargeWrites_AreHeldWithinTheBoundAndAllSucceed) {
  constexpr int kRequests = 200;
  constexpr int kClients = 6;
  const std::string value(16 << 10, 'x');
  TestCluster cluster({.nodes = 3,
                       .stream_buffer_bytes = size_t{1} << 30,
                       .adjust = HoldFewBytes});
  ASSERT_TRUE(cluster.AwaitLeaders());
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.push_back(cluster.ConnectResp(i % 3));
    clients.back()->Send(Repeat({"SET", "{k}", value}, kRequests));
  }
  int64_t most = 0;
  const size_t expected = kRequests * std::string_view("+OK\r\n").size();
  ASSERT_TRUE(cluster.world().RunUntilTrue(
      [&] {
        bool done = true;
        for (const auto& client : clients) {
          done = done && client->received().size() >= expected;
        }
        for (size_t node = 0; node < 3; ++node) {
          most = std::max(most, LargestOf(cluster.server(node),
                                          "quorate_held_request_bytes"));
        }
        return done;
      },
      Seconds(120)));
  for (const auto& client : clients) {
    const std::string got = client->Take();
    EXPECT_EQ(got.find('-'), std::string::npos) << got.substr(0, 200);
    EXPECT_EQ(got.size(), expected);
  }
  EXPECT_GT(most, 16 << 10);
  // One more request per connection may be in hand at the bound, and batches
  // that the leader refused return to the queue.
  EXPECT_LT(most, (64 << 10) + 2 * (128 << 10));
}

void HoldFewBytesInAll(Config& config) {
  config.bounds.held_total_bytes = 64 << 10;
  config.bounds.batch_bytes = 10 << 10;
  config.timeouts.leader_wait = Seconds(1);
}

// No group has a leader. Each may hold about one batch.
TEST(Backpressure_Requests, OfManyGroups_ShareTheBoundOfTheNode) {
  constexpr uint32_t kGroups = 16;
  const std::string value(8 << 10, 'x');
  TestCluster cluster(
      {.nodes = 3, .groups = kGroups, .adjust = HoldFewBytesInAll});
  ASSERT_TRUE(cluster.AwaitLeaders());
  cluster.Crash(1);
  cluster.Crash(2);
  cluster.world().RunFor(Seconds(5));
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < 40; ++i) {
    clients.push_back(cluster.ConnectResp(0));
    std::string requests;
    for (int k = 0; k < 4; ++k) {
      requests += EncodeRequest({"SET", Concat("key", i, "-", k), value});
    }
    clients.back()->Send(requests);
  }
  int64_t most = 0;
  cluster.world().RunUntilTrue(
      [&] {
        const std::vector<int64_t> held =
            SamplesOf(cluster.server(0), "quorate_held_request_bytes");
        most = std::max(most,
                        std::accumulate(held.begin(), held.end(), int64_t{0}));
        return false;
      },
      Milliseconds(500));
  EXPECT_GE(most, 64 << 10);
  EXPECT_LE(most, (64 << 10) + kGroups * int64_t{19 << 10});
}

void SmallOutput(Config& config) {
  config.bounds.output_buffer_bytes = 2 * kMi;
  config.limits.output_total_bytes = 8 * kMi;
}

// The most that replies held after any step of the node.
uint64_t MostHeld(TestCluster& cluster, size_t node, Duration time) {
  uint64_t most = 0;
  const MonoTime end = cluster.clients_env().loop.ReadClock().mono + time;
  cluster.world().RunUntilTrue(
      [&] {
        most = std::max(most, cluster.server(node).resources().reply_bytes);
        return cluster.clients_env().loop.ReadClock().mono >= end;
      },
      time);
  return most;
}

TEST(Backpressure_Stale, ReadsOfAReplica_WaitForRoom) {
  TestCluster cluster({.nodes = 3, .adjust = SmallOutput});
  ASSERT_TRUE(cluster.AwaitLeaders());
  const size_t leader = cluster.LeaderOf(GroupId(1));
  const size_t follower = (leader + 1) % 3;
  const std::string value(400'000, 'x');
  auto writer = cluster.ConnectResp(leader);
  EXPECT_EQ(cluster.Command(*writer, {"SET", "{k}", value}), "+OK\r\n");
  cluster.world().RunFor(Seconds(1));
  auto client = cluster.ConnectRespCluster(follower);
  EXPECT_EQ(cluster.Command(*client, {"READONLY"}), "+OK\r\n");
  client->PauseReads();
  client->Send(Repeat({"GET", "{k}"}, 150) +
               Repeat({"MGET", "{k}", "{k}", "{k}"}, 50) +
               EncodeRequest({"PING"}));
  EXPECT_LE(MostHeld(cluster, follower, Seconds(2)), 5 * kMi);
  client->ResumeReads();
  const size_t expected =
      300 * BulkReply(value).size() + 50 * std::string("*3\r\n").size() + 7;
  ASSERT_TRUE(AwaitBytes(cluster, *client, expected));
  EXPECT_EQ(client->received().size(), expected);
  EXPECT_TRUE(client->received().ends_with("\r\n+PONG\r\n"));
}

// Each of the walks collects more than the budget of the node.
TEST(Backpressure_Keys, WalksOfManyClients_StayWithinTheBudget) {
  TestCluster cluster({.adjust = SmallOutput});
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto writer = cluster.ConnectResp(0);
  constexpr int kKeys = 3'000;
  std::string requests;
  for (int i = 0; i < kKeys; ++i) {
    requests +=
        EncodeRequest({"SET", std::string(1'000, 'k') + Concat(i), "v"});
  }
  cluster.Call(*writer, requests, kKeys);
  constexpr size_t kClients = 20;
  auto clients =
      ConnectSlowReaders(cluster, 0, kClients, EncodeRequest({"KEYS", "*"}));
  // Each holds a MiB before it asks, and the keys of a step.
  EXPECT_LE(MostHeld(cluster, 0, Seconds(5)), (6 + 2 * kClients) * kMi);
  size_t refused = 0;
  for (auto& client : clients) {
    client->ResumeReads();
    const std::string reply = cluster.Call(*client, "");
    if (reply.starts_with("-ERR the replies of this node reach limits.")) {
      ++refused;
    } else {
      EXPECT_TRUE(reply.starts_with(Concat("*", kKeys, "\r\n")));
    }
  }
  EXPECT_GT(refused, 0u);
  EXPECT_LT(refused, kClients);
  EXPECT_TRUE(cluster.Command(*writer, {"KEYS", "*"}).starts_with("*3000\r\n"));
}

// The gauges of work that ends, as in sim/cluster/cluster_checks.cc.
constexpr std::string_view kWorkGauges[] = {
    "quorate_output_held_bytes",     "quorate_clients_without_room",
    "quorate_clients_gone",          "quorate_proposals_pending",
    "quorate_held_requests",         "quorate_held_request_bytes",
    "quorate_peer_held_bytes",       "quorate_output_reserved_bytes",
    "quorate_memory_reserved_bytes",
};

// Adds the gauges of the server that are above zero. False: there are none.
bool AddWork(const Server& server, std::set<std::string_view>* gauges) {
  bool any = false;
  const std::string text = server.MetricsText();
  for (const std::string_view gauge : kWorkGauges) {
    for (size_t at = 0;
         (at = text.find(Concat("\n", gauge), at)) != text.npos;) {
      const size_t end = text.find('\n', ++at);
      const std::string line = text.substr(at, end - at);
      const char behind = line[gauge.size()];
      if ((behind != ' ' && behind != '{') || line.ends_with(" 0")) continue;
      any = true;
      gauges->insert(gauge);
    }
  }
  return any;
}

TEST(Backpressure_Requests, OpenWork_IsWhatTheGaugesShow) {
  const std::string value(16 << 10, 'x');
  TestCluster cluster({.nodes = 3,
                       .stream_buffer_bytes = 64 << 10,
                       .adjust = [](Config& config) {
                         HoldFewBytes(config);
                         config.limits.memory_bytes = 1 << 30;
                       }});
  ASSERT_TRUE(cluster.AwaitLeaders());
  std::vector<std::unique_ptr<TestClient>> clients;
  for (size_t node = 0; node < 3; ++node) {
    clients.push_back(cluster.ConnectResp(node));
    clients.back()->Send(Repeat({"SET", "{k}", value}, 40) +
                         Repeat({"GET", "{k}"}, 1000));
    clients.back()->PauseReads();
  }
  std::set<std::string_view> gauges;
  bool idle = false;
  const auto look = [&] {
    for (size_t node = 0; node < 3; ++node) {
      const Server& server = cluster.server(node);
      const bool works = AddWork(server, &gauges);
      EXPECT_EQ(server.HasOpenWork(), works);
      idle |= !works;
    }
    return false;
  };
  cluster.world().RunUntilTrue(look, Seconds(1));
  // The requests of one connection outlive it for a while.
  cluster.ConnectResp(0)->Send(Repeat({"SET", "{k}", "x"}, 1000));
  cluster.world().RunUntilTrue(look, Milliseconds(1));
  for (const auto& client : clients) client->ResumeReads();
  cluster.world().RunUntilTrue(look, Seconds(5));
  for (const std::string_view gauge : kWorkGauges) {
    EXPECT_TRUE(gauges.contains(gauge)) << gauge;
  }
  EXPECT_TRUE(idle);
}

// Twenty clients pipeline large writes with large results through a node that
// does not lead.
TEST(Backpressure_Forwarding, LargeResults_NeverBreakTheLink) {
  TestCluster cluster({.nodes = 3});
  ASSERT_TRUE(cluster.AwaitLeaders());
  const size_t follower = (cluster.LeaderOf(GroupId(1)) + 1) % 3;
  const std::string value(100'000, 'x');
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(cluster.ConnectResp(follower));
    const std::string key = Concat("key", i);
    clients.back()->Send(Repeat({"SET", key, value, "GET"}, 20));
  }
  for (auto& client : clients) {
    const size_t expected = 5 + 19 * BulkReply(value).size();
    ASSERT_TRUE(AwaitBytes(cluster, *client, expected));
    EXPECT_EQ(client->Take().size(), expected);
  }
}

// Requests of other nodes do not compete with clients for connections.
TEST(Backpressure_Forwarding, LeaderAtItsConnectionLimit_TakesRequestsOfNodes) {
  TestCluster cluster({.nodes = 3, .adjust = [](Config& config) {
                         config.limits.connections = 12;
                       }});
  ASSERT_TRUE(cluster.AwaitLeaders());
  const size_t leader = cluster.LeaderOf(GroupId(1));
  auto client = cluster.ConnectResp((leader + 1) % 3);
  cluster.world().ResetStreams(cluster.machine(leader));
  std::vector<std::unique_ptr<TestClient>> crowd;
  for (int i = 0; i < 20; ++i) crowd.push_back(cluster.ConnectResp(leader));
  EXPECT_EQ(cluster.Command(*client, {"INCR", "n"}), ":1\r\n");
}

// A pipeline of reads that go through the log because this node has no replica.
TEST(Backpressure_Forwarding, ManyLargeReadsWithoutAReplica_AllSucceed) {
  TestCluster cluster({.nodes = 3, .groups = 3, .adjust = [](Config& config) {
                         config.shards = EvenShards(config.nodes, {3, 1});
                       }});
  ASSERT_TRUE(cluster.AwaitLeaders());
  const std::string value(400'000, 'x');
  for (size_t node = 0; node < 3; ++node) {
    auto client = cluster.ConnectResp(node);
    EXPECT_EQ(cluster.Command(*client, {"SET", "{k}", value}), "+OK\r\n");
    ExpectAllReplies(cluster, *client, 300, value);
  }
}

void OnlyTwoLargeRequestsUnderWay(Config& config) {
  config.shards = EvenShards(config.nodes, {4, 1});
  config.bounds.peer_bytes = kMi;
  config.timeouts.leader_wait = Milliseconds(100);
}

// Node 0 has groups 1 and 3. Requests to one of them leave no room on the link
// for requests to the other one, which works all the time.
TEST(Backpressure_Forwarding, RoomThatAnotherGroupTakes_IsAwaited) {
  const std::string large(440'000, 'x');
  const std::string value(300'000, 'y');
  TestCluster cluster({.nodes = 2,
                       .stream_buffer_bytes = size_t{1} << 30,
                       .adjust = OnlyTwoLargeRequestsUnderWay});
  ASSERT_TRUE(cluster.AwaitLeaders());
  ASSERT_EQ(cluster.LeaderOf(GroupId(1)), 0u);
  ASSERT_EQ(cluster.LeaderOf(GroupId(3)), 0u);
  auto busy = cluster.ConnectResp(1);
  // Node 1 has a channel to the leader of both groups.
  EXPECT_EQ(cluster.Command(*busy, {"SET", "b", "v"}), "+OK\r\n");
  EXPECT_EQ(cluster.Command(*busy, {"SET", "foo", "v"}), "+OK\r\n");
  // An answer takes longer than a request waits for a leader.
  cluster.world().network_options().latency_min = Milliseconds(60);
  busy->Send(Repeat({"SET", "b", large}, 10));  // A key of group 1.
  cluster.world().RunFor(Milliseconds(10));
  auto writer = cluster.ConnectResp(1);
  auto reader = cluster.ConnectResp(1);
  writer->Send(EncodeRequest({"SET", "foo", value}));  // Of group 3.
  reader->Send(EncodeRequest({"GET", "{foo}2"}));
  cluster.world().RunFor(Seconds(2));
  EXPECT_EQ(busy->Take().size(), 10 * std::string_view("+OK\r\n").size());
  EXPECT_EQ(writer->Take(), "+OK\r\n");
  EXPECT_EQ(reader->Take(), "$-1\r\n");
}

// A node without a replica does not know the size of a value before the read.
TEST(Backpressure_SlowReaders, DelayNoReadOfAGroupWithoutAReplica) {
  TestCluster cluster({.nodes = 3, .groups = 3, .adjust = [](Config& config) {
                         config.shards = EvenShards(config.nodes, {3, 1});
                         config.limits.output_total_bytes = 1 << 20;
                       }});
  ASSERT_TRUE(cluster.AwaitLeaders());
  const std::string value(400'000, 'x');
  auto other = cluster.ConnectResp(0);
  // Keys of three groups.
  const std::vector<std::string_view> keys = {"a", "b", "c"};
  for (const std::string_view key : keys) {
    EXPECT_EQ(cluster.Command(*other, {"SET", key, value}), "+OK\r\n");
  }
  std::vector<std::unique_ptr<TestClient>> slow;
  for (int i = 0; i < 5; ++i) {
    slow.push_back(cluster.ConnectResp(0));
    slow.back()->PauseReads();
    for (const std::string_view key : keys) {
      slow.back()->Send(Repeat({"GET", key}, 10));
    }
  }
  cluster.world().RunFor(Seconds(2));
  for (const std::string_view key : keys) {
    EXPECT_EQ(cluster.Command(*other, {"GET", key}), BulkReply(value));
  }
  const std::string all = cluster.Command(*other, {"KEYS", "*"});
  EXPECT_TRUE(all.starts_with("*3\r\n")) << all;
}

TEST(Backpressure_Http, LastOutstandingRequest_IsAnsweredAndTheStreamEnds) {
  TestCluster cluster({.nodes = 3});
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectHttp(0);
  client->Send(
      "GET /v1/kv/k HTTP/1.1\r\nHost: n1\r\nConnection: close\r\n\r\n");
  cluster.world().RunFor(Seconds(1));
  EXPECT_TRUE(client->received().starts_with("HTTP/1.1 404 "));
  EXPECT_TRUE(client->closed());
}

// Reads that wait for room go behind a read in the log, while later reads have
// their read point already.
TEST(Backpressure_Resp, ReadsBehindOneInTheLog_AreServedBeforeLaterOnes) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    TestCluster cluster(
        {.nodes = 3, .seed = seed, .stream_buffer_bytes = 6'000});
    ASSERT_TRUE(cluster.AwaitLeaders());
    auto client = cluster.ConnectResp(seed % 3);
    const std::string value(6'000, 'v');
    EXPECT_EQ(cluster.Command(*client, {"SET", "k", value}), "+OK\r\n");
    cluster.world().buggify_options() = {.active = {1, 1}, .fire = {1, 20}};
    for (int i = 0; i < 30; ++i) {
      client->Send(Repeat({"GET", "k"}, 10));
      cluster.world().RunFor(Microseconds(static_cast<int64_t>(seed) * 30));
    }
    client->Send(EncodeRequest({"PING"}));
    EXPECT_TRUE(cluster.world().RunUntilTrue(
        [&] { return client->received().ends_with("\r\n+PONG\r\n"); },
        Seconds(60)));
  }
}

// Reads that wait for room when the replica stops are answered before later
// reads.
TEST(Backpressure_StoppedReplica, ReadsOfOneConnection_NeverGoBack) {
  for (uint64_t seed = 1; seed <= 24; ++seed) {
    SCOPED_TRACE(seed);
    TestCluster cluster({.nodes = 3,
                         .seed = seed,
                         .stream_buffer_bytes = 700,
                         .adjust = [](Config& config) {
                           config.bounds.output_buffer_bytes = 64 << 10;
                         }});
    ASSERT_TRUE(cluster.AwaitLeaders());
    const size_t leader = cluster.LeaderOf(GroupId(1));
    const size_t stopped = (leader + 1) % 3;
    auto writer = cluster.ConnectResp(leader);
    const std::string before(9'000, 'a');
    const std::string after(9'000, 'b');
    EXPECT_EQ(cluster.Command(*writer, {"SET", "k", before}), "+OK\r\n");
    auto client = cluster.ConnectResp(stopped);
    client->PauseReads();
    cluster.world().FailDiskOperation(cluster.machine(stopped),
                                      sim::World::DiskOperation::kWrite, 1,
                                      /*persistent=*/true);
    client->Send(Repeat({"GET", "k"}, 40));
    cluster.world().RunFor(Microseconds(static_cast<int64_t>(seed % 4) * 200));
    writer->Send(EncodeRequest({"SET", "x", "1"}));
    cluster.world().RunFor(Microseconds(static_cast<int64_t>(seed / 4) * 150));
    client->Send(Repeat({"GET", "k"}, 2));
    cluster.world().RunFor(Seconds(1));
    EXPECT_TRUE(
        cluster.Command(*writer, {"SET", "k", after}).ends_with("+OK\r\n"));
    client->ResumeReads();
    const size_t expected = 42 * BulkReply(before).size();
    ASSERT_TRUE(AwaitBytes(cluster, *client, expected));
    const std::string got = client->Take();
    const size_t first_after = got.find('b');
    EXPECT_TRUE(first_after == std::string::npos ||
                got.find('a', first_after) == std::string::npos);
  }
}

}  // namespace
}  // namespace quorate::node

// The work of one turn is bounded, whatever requests arrive at once, and every
// request is answered.
#include "node/base/turn_work.h"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "kv/store/store.h"
#include "kv/store/work.h"
#include "node/base/text.h"
#include "node/commands/command_table.h"
#include "node/commands/translate.h"
#include "node/connections/metrics.h"
#include "node/testing/test_cluster.h"

namespace quorate::node {
namespace {

constexpr size_t kKeys = 20'000;

class TurnWorkTest : public ::testing::Test {
 protected:
  TurnWorkTest() {
    EXPECT_TRUE(cluster_.AwaitLeaders());
    client_ = cluster_.ConnectResp(0);
  }

  void Fill() {
    constexpr size_t kPipeline = 1'000;
    for (size_t i = 0; i < kKeys; i += kPipeline) {
      std::string requests;
      for (size_t k = i; k < i + kPipeline; ++k) {
        requests += EncodeRequest({"SET", Concat("{s}", k), "v"});
      }
      cluster_.Call(*client_, requests, kPipeline);
    }
  }

  // The bound of a step of a turn, and the last piece of work that began.
  void ExpectBounded(uint64_t last_piece) {
    const uint64_t bound = cluster_.config(0).bounds.turn_work;
    EXPECT_LE(cluster_.server(0).resources().longest_turn_work,
              bound + last_piece);
  }

  // Sends the same requests on several connections at once, and returns the
  // replies to each.
  std::vector<std::string> CallOnEach(size_t connections,
                                      const std::string& requests,
                                      size_t replies) {
    std::vector<std::unique_ptr<TestClient>> clients;
    for (size_t i = 0; i < connections; ++i) {
      clients.push_back(cluster_.ConnectResp(0));
    }
    cluster_.world().RunFor(Milliseconds(100));
    for (auto& client : clients) client->Send(requests);
    std::vector<std::string> all;
    for (auto& client : clients) {
      all.push_back(cluster_.Call(*client, "", replies));
    }
    return all;
  }

  // The reply to a command without keys is written in one turn, so it may not
  // be long.
  void ExpectShortReply(TestClient& client, const std::string& request,
                        std::string_view name) {
    constexpr size_t kBytesMax = 1 << 20;
    client.Take();
    client.Send(request);
    EXPECT_TRUE(cluster_.world().RunUntilTrue(
        [&] {
          const std::string& reply = client.received();
          return reply.size() > kBytesMax || ReplySize(reply) > 0;
        },
        Seconds(1)))
        << name;
    EXPECT_LE(client.received().size(), kBytesMax) << name;
  }

  TestCluster cluster_;
  std::unique_ptr<TestClient> client_;
};

TEST_F(TurnWorkTest, KeysOnManyConnections_VisitFewKeysInATurn) {
  Fill();
  for (const std::string& reply :
       CallOnEach(10, EncodeRequest({"KEYS", "*"}), 1)) {
    EXPECT_TRUE(reply.starts_with(Concat("*", kKeys, "\r\n")));
    EXPECT_EQ(std::count(reply.begin(), reply.end(), '$'), int64_t{kKeys});
  }
  ExpectBounded(10'000);
}

// One match takes millions of steps.
TEST_F(TurnWorkTest, LongPattern_IsMatchedOverSeveralTurns) {
  const std::string long_key(8'000, 'a');
  for (int i = 0; i < 4; ++i) {
    cluster_.Command(*client_, {"SET", Concat("{s}", i, long_key), "v"});
  }
  cluster_.Command(*client_, {"SET", Concat("{s}x", long_key, "b"), "v"});
  const std::string pattern = Concat("{s}?*", std::string(2'000, 'a'), "[bc]");
  uint64_t turns = 0;
  cluster_.world().SetStepHook([&](sim::MachineId machine) {
    if (machine == cluster_.machine(0)) ++turns;
  });
  for (const std::vector<std::string_view>& request :
       {std::vector<std::string_view>{"KEYS", pattern},
        std::vector<std::string_view>{"SCAN", "0", "MATCH", pattern, "COUNT",
                                      "100"}}) {
    turns = 0;
    const std::string reply = cluster_.Command(*client_, request);
    EXPECT_NE(reply.find("{s}xaaa"), std::string::npos) << reply.substr(0, 50);
    EXPECT_EQ(reply.find("{s}0aaa"), std::string::npos);
    EXPECT_GT(turns, 30u);
  }
  cluster_.world().SetStepHook(nullptr);
  ExpectBounded(10'000);
  EXPECT_EQ(cluster_.Command(*client_, {"KEYS", std::string(70'000, 'a')}),
            "-ERR the pattern is longer than 65536 bytes\r\n");
  EXPECT_EQ(
      cluster_.Command(*client_, {"CONFIG", "GET", std::string(1'025, 'a')}),
      "-ERR a pattern of CONFIG GET has at most 1024 bytes in this "
      "version\r\n");
  std::vector<std::string_view> many(35, "a");
  many[0] = "CONFIG";
  many[1] = "GET";
  EXPECT_TRUE(cluster_.Command(*client_, many)
                  .starts_with("-ERR CONFIG GET takes at most 32 patterns"));
}

TEST_F(TurnWorkTest, KeysOfOneSlot_AreVisitedInPieces) {
  Fill();
  auto cluster_client = cluster_.ConnectRespCluster(0);
  const std::string slot =
      cluster_.Command(*cluster_client, {"CLUSTER", "KEYSLOT", "{s}"});
  const std::string reply = cluster_.Command(
      *cluster_client,
      {"CLUSTER", "GETKEYSINSLOT", slot.substr(1, slot.size() - 3), "15000"});
  EXPECT_TRUE(reply.starts_with("*15000\r\n"));
  ExpectBounded(10'000);
}

TEST_F(TurnWorkTest, PipelinesOfSmallReads_AreServedOverSeveralTurns) {
  std::string requests;
  std::string expected;
  for (int i = 0; i < 3'000; ++i) {
    requests += EncodeRequest({"SET", "k", Concat(i)});
    requests += EncodeRequest({"GET", "k"});
    expected += Concat("+OK\r\n$", Concat(i).size(), "\r\n", i, "\r\n");
  }
  EXPECT_EQ(cluster_.Call(*client_, requests, 6'000), expected);
  requests.clear();
  for (int i = 0; i < 5'000; ++i) requests += EncodeRequest({"GET", "k"});
  for (const std::string& replies : CallOnEach(8, requests, 5'000)) {
    EXPECT_EQ(std::count(replies.begin(), replies.end(), '$'), 5'000);
  }
  ExpectBounded(100);
}

TEST_F(TurnWorkTest, PagesAndCounts_AreWrittenOverSeveralTurns) {
  for (const std::vector<std::string_view>& words :
       std::vector<std::vector<std::string_view>>{{"INFO", "everything"},
                                                  {"CONFIG", "GET", "*"},
                                                  {"COMMAND"},
                                                  {"CLIENT", "LIST"},
                                                  {"DBSIZE"},
                                                  {"PING"}}) {
    std::string requests;
    for (int i = 0; i < 300; ++i) requests += EncodeRequest(words);
    for (const std::string& replies : CallOnEach(3, requests, 300)) {
      EXPECT_FALSE(replies.empty()) << words[0];
    }
  }
  // COMMAND has about 100 KiB.
  ExpectBounded(10'000);
}

// The name of a command, then its arguments: as many as `size_bytes` hold, if
// it takes any number.
std::vector<std::string_view> LongestRequest(const CommandRow& row,
                                             size_t size_bytes) {
  std::vector<std::string_view> words;
  const size_t bar = row.name.find('|');
  words.push_back(row.name.substr(0, bar));
  if (bar != std::string_view::npos) words.push_back(row.name.substr(bar + 1));
  if (row.id == CommandId::kClientList) words.push_back("id");
  if (row.name.starts_with("command|getkeys")) words.push_back("mget");
  // The name of the row with the longest description, and a number.
  const std::string_view word =
      row.id == CommandId::kClientList ? "1" : "client";
  const size_t least = static_cast<size_t>(std::abs(row.arity));
  const size_t count =
      row.arity < 0 ? std::max(least, size_bytes / (word.size() + 8)) : least;
  if (words.size() < count) words.resize(count, word);
  return words;
}

TEST_F(TurnWorkTest, LongRequestsWithoutKeys_HaveBoundedReplies) {
  for (const CommandRow& row : AllCommands()) {
    if (row.keys.first != 0 || row.arity >= 0) continue;
    auto client = cluster_.ConnectResp(0);
    ExpectShortReply(*client, EncodeRequest(LongestRequest(row, 1'000'000)),
                     row.name);
  }
}

TEST_F(TurnWorkTest, TransactionsWithoutKeys_HaveBoundedReplies) {
  for (const CommandRow& row : AllCommands()) {
    if (row.keys.first != 0) continue;
    auto client = cluster_.ConnectResp(0);
    const std::string request = EncodeRequest(LongestRequest(row, 0));
    cluster_.Command(*client, {"MULTI"});
    std::string requests;
    size_t count = 0;
    while (cluster_.Call(*client, request) == "+QUEUED\r\n") {
      requests += request;
      if (++count == 20'000) break;
    }
    if (count == 0) continue;
    cluster_.Command(*client, {"DISCARD"});
    cluster_.Command(*client, {"MULTI"});
    client->Send(requests);
    cluster_.world().RunFor(Milliseconds(100));
    ExpectShortReply(*client, EncodeRequest({"EXEC"}), row.name);
  }
}

TEST_F(TurnWorkTest, WatchOfTooManyKeys_IsRefusedByTheirCount) {
  // A key of another slot at the end is not looked at.
  std::vector<std::string_view> words(400'000, "k");
  words.front() = "WATCH";
  words.back() = "another";
  EXPECT_TRUE(cluster_.Command(*client_, words)
                  .starts_with("-ERR a connection watches at most 8192 keys"));
}

// A request with a short reply counts as work, too.
TEST_F(TurnWorkTest, PatternsWithoutAMatch_AreWorkOfTheirTurn) {
  for (const std::string& reply :
       CallOnEach(300, EncodeRequest({"CONFIG", "GET", "nothing"}), 1)) {
    EXPECT_EQ(reply, "*0\r\n");
  }
  EXPECT_GE(cluster_.server(0).resources().longest_turn_work,
            cluster_.config(0).bounds.turn_work);
  ExpectBounded(1'000);
}

TEST_F(TurnWorkTest, LongPatterns_AreWorkOfTheirTurn) {
  constexpr size_t kBytes = 60'000;
  const std::string pattern(kBytes, 'a');
  for (const std::vector<std::string_view>& words :
       std::vector<std::vector<std::string_view>>{
           {"COMMAND", "LIST", "FILTERBY", "PATTERN", pattern},
           {"KEYS", pattern},
           {"SCAN", "0", "MATCH", pattern}}) {
    cluster_.RestartWith(0, cluster_.config(0)).IgnoreError();
    ASSERT_TRUE(cluster_.AwaitLeaders());
    auto client = cluster_.ConnectResp(0);
    cluster_.Command(*client, words);
    EXPECT_GE(cluster_.server(0).resources().longest_turn_work,
              kBytes / TurnWork::kPatternBytesPerUnit)
        << words[0];
  }
}

// Each DBSIZE visits the tables of all slots.
TEST_F(TurnWorkTest, CountsOfAllSlots_AreWorkOfTheirTurn) {
  for (const std::string& reply :
       CallOnEach(300, EncodeRequest({"DBSIZE"}), 1)) {
    EXPECT_EQ(reply, ":0\r\n");
  }
  EXPECT_GE(cluster_.server(0).resources().longest_turn_work,
            cluster_.config(0).bounds.turn_work);
  ExpectBounded(1'000);
}

TEST_F(TurnWorkTest, HttpPipelines_AreServedOverSeveralTurns) {
  cluster_.Command(*client_, {"SET", "k", "value"});
  auto http = cluster_.ConnectHttp(0);
  std::string requests;
  for (int i = 0; i < 2'000; ++i) {
    requests += "GET /v1/kv/k HTTP/1.1\r\nHost: h\r\n\r\n";
  }
  http->Send(requests);
  cluster_.world().RunFor(Seconds(2));
  const std::string& replies = http->received();
  size_t count = 0;
  for (size_t at = 0; (at = replies.find("value", at)) != std::string::npos;
       ++at) {
    ++count;
  }
  EXPECT_EQ(count, 2'000u);
  ExpectBounded(1'000);
}

// A write that is not applied yet may have made any key as long as its value.
// Once it is applied, each key counts with its own size.
TEST_F(TurnWorkTest, LongValueThatIsApplied_CountsForItsKeyAlone) {
  EXPECT_EQ(cluster_.Command(*client_, {"SET", "{k}", "v"}), "+OK\r\n");
  EXPECT_EQ(
      cluster_.Command(*client_, {"SET", "{k}long", std::string(15'000, 'v')}),
      "+OK\r\n");
  // 200 values of that size would be more than limits.transaction_bytes.
  std::string requests = EncodeRequest({"MULTI"});
  requests += EncodeRequest({"SET", "{k}other", "v"});
  std::string expected = "*201\r\n+OK\r\n";
  for (int i = 0; i < 200; ++i) {
    requests += EncodeRequest({"GET", "{k}"});
    expected += "$1\r\nv\r\n";
  }
  const std::string replies =
      cluster_.Call(*client_, requests + EncodeRequest({"EXEC"}), 203);
  EXPECT_EQ(replies.substr(replies.rfind("+QUEUED\r\n") + 9), expected);
}

// Values of one slot, and reads of many of them. The stream takes any reply at
// once, so only the work of the read takes turns.
class LongReadsTest : public ::testing::Test {
 protected:
  static constexpr size_t kKeys = 600;
  static constexpr size_t kValueBytes = 15'000;

  LongReadsTest()
      : cluster_({.nodes = 4,
                  .stream_buffer_bytes = size_t{1} << 30,
                  .adjust = [](Config& config) {
                    config.shards.push_back(
                        {.group = GroupId(1),
                         .name = "g1",
                         .slots = {{0, 16383}},
                         .replicas = {NodeId(1), NodeId(2), NodeId(3)}});
                  }}) {
    EXPECT_TRUE(cluster_.AwaitLeaders());
    leader_ = cluster_.LeaderOf(GroupId(1));
    client_ = cluster_.ConnectResp(leader_);
    for (size_t i = 0; i < kKeys; ++i) keys_.push_back(Concat("{k}", i));
    SetAll(*client_, 'a');
    cluster_.world().RunFor(Seconds(1));
  }

  static std::string Value(char letter) {
    return std::string(kValueBytes, letter);
  }
  std::string SetRequests(char letter) const {
    std::string requests;
    for (const std::string& key : keys_) {
      requests += EncodeRequest({"SET", key, Value(letter)});
    }
    return requests;
  }
  void SetAll(TestClient& client, char letter) {
    const std::string replies =
        cluster_.Call(client, SetRequests(letter), kKeys);
    EXPECT_EQ(replies.size(), kKeys * 5);
  }
  std::string Request(std::string_view name, size_t keys) const {
    std::vector<std::string_view> words = {name};
    words.insert(words.end(), keys_.begin(),
                 keys_.begin() + static_cast<ptrdiff_t>(keys));
    return EncodeRequest(words);
  }
  static std::string Reply(size_t keys, char letter) {
    std::string reply = Concat("*", keys, "\r\n");
    for (size_t i = 0; i < keys; ++i) {
      reply += Concat("$", kValueBytes, "\r\n", Value(letter), "\r\n");
    }
    return reply;
  }
  // The turns of the node until the reply has arrived.
  uint64_t Turns(size_t node, TestClient& client, std::string_view request,
                 std::string* reply) {
    uint64_t turns = 0;
    cluster_.world().SetStepHook([&](sim::MachineId machine) {
      if (machine == cluster_.machine(node)) ++turns;
    });
    *reply = cluster_.Call(client, request);
    cluster_.world().SetStepHook(nullptr);
    return turns;
  }
  // MGET of so many keys takes more turns of the node than one of a few. Each
  // writes at most half a MiB.
  void ExpectPieces(size_t node, TestClient& client, size_t keys) {
    std::string reply;
    const uint64_t few = Turns(node, client, Request("MGET", 3), &reply);
    EXPECT_GE(Turns(node, client, Request("MGET", keys), &reply),
              few + keys * kValueBytes / (512 << 10));
    EXPECT_TRUE(reply == Reply(keys, 'a'));
  }

  TestCluster cluster_;
  size_t leader_ = 0;
  std::unique_ptr<TestClient> client_;
  std::vector<std::string> keys_;
};

TEST_F(LongReadsTest, ManyValues_AreRepliedOverSeveralTurns) {
  ExpectPieces(leader_, *client_, kKeys);
  // Not many keys, but many bytes.
  ExpectPieces(leader_, *client_, 400);
}

TEST_F(LongReadsTest, ReplicaThatMayBeStale_RepliesOverSeveralTurns) {
  const size_t follower = (leader_ + 1) % 3;
  auto client = cluster_.ConnectRespCluster(follower);
  EXPECT_EQ(cluster_.Command(*client, {"READONLY"}), "+OK\r\n");
  ExpectPieces(follower, *client, kKeys);
  EXPECT_EQ(cluster_.server(follower).metrics().stale_reads, 2u);
}

TEST_F(LongReadsTest, NodeWithoutReplica_AsksAndRepliesOverSeveralTurns) {
  auto client = cluster_.ConnectResp(3);
  const raft::Index before =
      cluster_.server(leader_).store(GroupId(1))->applied_index();
  ExpectPieces(leader_, *client, kKeys);
  ExpectPieces(3, *client, kKeys);
  EXPECT_EQ(cluster_.Call(*client, Request("EXISTS", kKeys)),
            Concat(":", kKeys, "\r\n"));
  EXPECT_EQ(cluster_.server(leader_).store(GroupId(1))->applied_index(),
            before);
}

// The writes happen in the order of the keys. So any state has new values up to
// some key, and old ones behind it.
TEST_F(LongReadsTest, WritesBetweenThePieces_AreNotSeen) {
  auto writer = cluster_.ConnectResp(leader_);
  size_t mixed = 0;
  for (const char letter : {'b', 'c', 'd'}) {
    writer->Send(SetRequests(letter));
    for (int i = 0; i < 4; ++i) {
      const std::string reply = cluster_.Call(*client_, Request("MGET", kKeys));
      const size_t newer =
          static_cast<size_t>(std::ranges::count(reply, letter));
      const size_t older = static_cast<size_t>(
          std::ranges::count(reply, static_cast<char>(letter - 1)));
      EXPECT_EQ(newer + older, kKeys * kValueBytes);
      if (newer > 0 && older > 0) {
        ++mixed;
        EXPECT_LT(reply.rfind(letter),
                  reply.find(static_cast<char>(letter - 1)));
      }
    }
    EXPECT_TRUE(cluster_.world().RunUntilTrue(
        [&] { return writer->received().size() == kKeys * 5; }, Seconds(60)));
    writer->Take();
  }
  EXPECT_GT(mixed, 0u);
}

TEST_F(LongReadsTest, LaterRequests_AreAnsweredBehindTheRead) {
  for (const size_t node : {leader_, (leader_ + 1) % 3, size_t{3}}) {
    auto client = cluster_.ConnectResp(node);
    const std::string requests =
        EncodeRequest({"GET", "{k}0"}) + Request("MGET", kKeys) +
        EncodeRequest({"SET", "{k}x", "v"}) + EncodeRequest({"GET", "{k}x"}) +
        Request("EXISTS", kKeys) + Request("MGET", 550) +
        EncodeRequest({"DEL", "{k}x"});
    const std::string one =
        Concat("$", kValueBytes, "\r\n", Value('a'), "\r\n");
    EXPECT_TRUE(cluster_.Call(*client, requests, 7) ==
                one + Reply(kKeys, 'a') + "+OK\r\n$1\r\nv\r\n:600\r\n" +
                    Reply(550, 'a') + ":1\r\n")
        << node;
  }
}

// Reads of many keys come faster than they are answered. They wait within the
// bound of the group, and the others at their connections.
TEST(ManyLongReadsTest, WaitWithinTheBoundOfTheirGroup) {
  constexpr size_t kClients = 60;
  constexpr size_t kArguments = 20'000;
  constexpr size_t kArgumentBytes = 9;
  constexpr size_t kReadBytes = kArguments * (kArgumentBytes + 4);
  constexpr size_t kHeldBytes = 2 << 20;
  TestCluster cluster(
      {.stream_buffer_bytes = size_t{1} << 20, .adjust = [](Config& config) {
         config.limits.held_bytes = kHeldBytes;
       }});
  ASSERT_TRUE(cluster.AwaitLeaders());
  std::vector<std::string> keys;
  for (size_t i = 0; i < kArguments; ++i)
    keys.push_back(Concat("{k}", 100'000 + i));
  std::vector<std::string_view> words(keys.begin(), keys.end());
  ASSERT_EQ(words[0].size(), kArgumentBytes);
  words.insert(words.begin(), "MGET");
  const std::string request = EncodeRequest(words);
  std::vector<std::unique_ptr<TestClient>> clients;
  for (size_t i = 0; i < kClients; ++i) {
    clients.push_back(cluster.ConnectResp(0));
  }
  cluster.world().RunFor(Milliseconds(100));
  const Metrics& metrics = cluster.server(0).metrics();
  const uint64_t begin_bytes = metrics.input_bytes;
  uint64_t before = 0;
  uint64_t growth = 0;
  uint64_t most = 0;
  uint64_t input_most = 0;
  size_t uncounted_most = 0;
  cluster.world().SetStepHook([&](sim::MachineId machine) {
    if (machine != cluster.machine(0)) return;
    const ResourceUse use = cluster.server(0).resources();
    growth = std::max(growth,
                      use.waiting_bytes - std::min(before, use.waiting_bytes));
    before = use.waiting_bytes;
    most = std::max(most, use.waiting_bytes);
    input_most = std::max(input_most, use.request_bytes);
    if (metrics.input_bytes - begin_bytes < kClients * request.size()) return;
    const size_t unanswered =
        (kClients - metrics.command(CommandId::kMget).calls) * kReadBytes;
    const size_t counted = use.waiting_bytes + use.request_bytes;
    uncounted_most =
        std::max(uncounted_most, unanswered - std::min(unanswered, counted));
  });
  for (auto& client : clients) client->Send(request);
  for (auto& client : clients) {
    EXPECT_TRUE(cluster.world().RunUntilTrue(
        [&] { return ReplySize(client->received()) > 0; }, Seconds(10)));
  }
  cluster.world().SetStepHook(nullptr);
  EXPECT_EQ(metrics.command(CommandId::kMget).calls, kClients);
  // The other requests waited at their connections.
  EXPECT_GT(input_most, kClients * kReadBytes / 2);
  // The reads that await their read point, or are served.
  EXPECT_LE(uncounted_most, kHeldBytes + kReadBytes);
  EXPECT_LE(most, 2 * kHeldBytes + kReadBytes);
  EXPECT_LE(growth, 2 * kReadBytes);
  EXPECT_LE(cluster.server(0).resources().longest_turn_work,
            cluster.config(0).bounds.turn_work + 2 * kArguments);
  EXPECT_EQ(cluster.server(0).resources().waiting_bytes, 0u);
}

// Reads that take thousands of turns.
class SmallPiecesTest : public ::testing::Test {
 protected:
  static constexpr size_t kWords = 3'000;

  SmallPiecesTest()
      : cluster_({.adjust = [](Config& config) {
          config.bounds.read_piece_keys = 1;
          config.bounds.turn_work = 10;
        }}) {
    EXPECT_TRUE(cluster_.AwaitLeaders());
    client_ = cluster_.ConnectResp(0);
    EXPECT_EQ(cluster_.Command(*client_, {"SET", "k", "v"}), "+OK\r\n");
    std::vector<std::string_view> words(kWords + 1, "k");
    words[0] = "MGET";
    request_ = EncodeRequest(words);
  }

  TestCluster cluster_;
  std::unique_ptr<TestClient> client_;
  std::string request_;
};

TEST_F(SmallPiecesTest, ClientThatLeaves_EndsItsReads) {
  bool in_the_middle = false;
  for (int i = 0; i < 10; ++i) {
    auto client = cluster_.ConnectResp(0);
    cluster_.world().RunFor(Milliseconds(100));
    client->Send(request_ + request_);
    EXPECT_TRUE(cluster_.world().RunUntilTrue(
        [&] { return !client->received().empty(); }, Seconds(10)));
    in_the_middle = in_the_middle || client->received().size() < kWords * 7;
    client->Close();
    cluster_.world().RunFor(Seconds(1));
  }
  EXPECT_TRUE(in_the_middle);
  EXPECT_EQ(cluster_.Call(*client_, request_).size(), 7 + kWords * 7);
}

TEST_F(TurnWorkTest, LinesOfManyClients_AreWrittenOverSeveralTurns) {
  constexpr size_t kClients = 1'000;
  std::vector<std::unique_ptr<TestClient>> others;
  for (size_t i = 0; i < kClients; ++i)
    others.push_back(cluster_.ConnectResp(0));
  cluster_.world().RunFor(Seconds(1));
  client_->Send(EncodeRequest({"CLIENT", "LIST"}) + EncodeRequest({"PING"}));
  EXPECT_TRUE(cluster_.world().RunUntilTrue(
      [&] { return client_->received().ends_with("\r\n+PONG\r\n"); },
      Seconds(10)));
  const std::string list = client_->Take();
  EXPECT_EQ(std::ranges::count(list, '\n') - 3, kClients + 1);
  // The last piece copies the whole list.
  ExpectBounded(list.size() / TurnWork::kBytesPerUnit + 1'000);
  // A list is left unfinished.
  client_->Send(EncodeRequest({"CLIENT", "LIST"}));
  client_->Close();
  for (auto& other : others) other->Close();
  cluster_.world().RunFor(Seconds(1));
}

TEST_F(TurnWorkTest, VisitsOfAllConnections_AreWorkOfTheirTurn) {
  constexpr size_t kClients = 1'000;
  std::vector<std::unique_ptr<TestClient>> others;
  for (size_t i = 0; i < kClients; ++i)
    others.push_back(cluster_.ConnectResp(0));
  cluster_.world().RunFor(Seconds(1));
  const uint64_t each = kClients / TurnWork::kConnectionsPerUnit;
  std::string requests;
  for (int i = 0; i < 30; ++i) {
    requests += EncodeRequest({"CLIENT", "KILL", "ADDR", "nothing:1"});
  }
  cluster_.Call(*client_, requests, 30);
  EXPECT_GE(cluster_.server(0).resources().longest_turn_work, 30 * each);
  ExpectBounded(1'000);
}

// A client that is named by its id is found without a look at the others.
TEST_F(TurnWorkTest, ClientsById_AreFound) {
  auto other = cluster_.ConnectResp(0);
  const std::string id = cluster_.Command(*other, {"CLIENT", "ID"});
  const std::string number = id.substr(1, id.size() - 3);
  const std::string line = cluster_.Command(
      *client_, {"CLIENT", "LIST", "ID", number, "-1", number, "999999"});
  EXPECT_EQ(std::ranges::count(line, '\n'), 3) << line;
  EXPECT_NE(line.find(Concat("id=", number, " ")), std::string::npos);
  EXPECT_EQ(cluster_.Command(*client_, {"CLIENT", "KILL", "ID", "999999"}),
            ":0\r\n");
  EXPECT_EQ(cluster_.Command(*client_, {"CLIENT", "KILL", "ID", number, "ADDR",
                                        "nothing:1"}),
            ":0\r\n");
  EXPECT_EQ(cluster_.Command(*client_, {"CLIENT", "KILL", "ID", number}),
            ":1\r\n");
  EXPECT_EQ(cluster_.Command(*client_, {"CLIENT", "KILL", "ID", number}),
            ":0\r\n");
}

// Pages with sums over all groups.
TEST(ManyGroupsTest, SumsOfAllGroups_AreWorkOfTheirTurn) {
  constexpr uint32_t kGroups = 256;
  TestCluster cluster({.groups = kGroups});
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectResp(0);
  std::string requests;
  for (int i = 0; i < 60; ++i) requests += EncodeRequest({"INFO", "memory"});
  cluster.Call(*client, requests, 60);
  EXPECT_GE(cluster.server(0).resources().longest_turn_work,
            60 * kGroups / TurnWork::kGroupsPerUnit);
  auto http = cluster.ConnectHttp(0);
  const std::string page =
      cluster.CallHttp(*http, "GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_NE(page.find("\nquorate_snapshots_taken_total{"), std::string::npos);
  const uint64_t bound = cluster.config(0).bounds.turn_work;
  const uint64_t longest = cluster.server(0).resources().longest_turn_work;
  EXPECT_GE(longest, bound);
  EXPECT_LE(longest, bound + page.size() / TurnWork::kBytesPerUnit / 2);
}

void ShortTurns(Config& config) { config.bounds.turn_work = 500; }

// The page of 64 groups takes several turns.
TEST(ManyGroupsTest, MetricsInParts_AreOneReply) {
  TestCluster cluster({.groups = 64, .adjust = ShortTurns});
  ASSERT_TRUE(cluster.AwaitLeaders());
  const std::string get = "GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n";
  const std::string live = "GET /livez HTTP/1.1\r\nHost: h\r\n\r\n";
  // Later requests wait for it.
  auto client = cluster.ConnectHttp(0);
  const auto call = [&](const std::string& requests) {
    client->Send(requests);
    cluster.world().RunFor(Seconds(2));
    return client->Take();
  };
  const std::string replies = call(get + live + get + live);
  const std::string last = "\nquorate_snapshots_taken_total{group=\"64\"} 0\n";
  const size_t first = replies.find(last);
  ASSERT_NE(first, std::string::npos);
  EXPECT_EQ(replies.find("HTTP/1.1 200", 1), first + last.size());
  EXPECT_NE(replies.find(last, first + 1), std::string::npos);
  EXPECT_TRUE(replies.ends_with("\r\n\r\nok\n"));
  const std::string head =
      call("HEAD /metrics HTTP/1.1\r\nHost: h\r\n\r\n" + live);
  EXPECT_EQ(head.find("quorate_"), std::string::npos);
  EXPECT_TRUE(head.ends_with("\r\n\r\nok\n"));
  // The client ends its side, or is gone, before the page is complete.
  for (const bool gone : {false, true}) {
    auto other = cluster.ConnectHttp(0);
    uint64_t turns = 0;
    cluster.world().SetStepHook([&](sim::MachineId machine) {
      if (machine == cluster.machine(0)) ++turns;
    });
    other->Send(get);
    const uint64_t begin = turns;
    EXPECT_TRUE(
        cluster.world().RunUntilTrue([&] { return turns > begin + 1; }));
    gone ? other->Close() : other->End();
    cluster.world().RunFor(Seconds(2));
    EXPECT_EQ(other->received().find(last) == std::string::npos, gone);
    EXPECT_EQ(cluster.server(0).open_connections(), 1u);
    EXPECT_NE(cluster.server(0).MetricsText().find(
                  "quorate_clients_gone{protocol=\"http\"} 0\n"),
              std::string::npos);
    cluster.world().SetStepHook(nullptr);
  }
}

// Groups whose reads take several turns share what a turn may do.
TEST(ManyGroupsTest, ReadsOfManyGroups_ShareTheTurn) {
  constexpr uint32_t kGroups = 16;
  constexpr size_t kClients = 48;
  constexpr size_t kReads = 6'000;
  TestCluster cluster({.nodes = 3, .groups = kGroups});
  ASSERT_TRUE(cluster.AwaitLeaders());
  std::vector<std::unique_ptr<TestClient>> clients;
  for (size_t i = 0; i < kClients; ++i) {
    clients.push_back(cluster.ConnectResp(0));
    EXPECT_EQ(cluster.Command(*clients[i], {"SET", Concat("k", i), "v"}),
              "+OK\r\n");
  }
  for (size_t i = 0; i < kClients; ++i) {
    std::string requests;
    for (size_t k = 0; k < kReads; ++k) {
      requests += EncodeRequest({"GET", Concat("k", i)});
    }
    clients[i]->Send(requests);
  }
  uint64_t before = 0;
  uint64_t most = 0;
  EXPECT_TRUE(cluster.world().RunUntilTrue(
      [&] {
        const Metrics& metrics = cluster.server(0).metrics();
        const uint64_t reads = metrics.command(CommandId::kGet).calls;
        most = std::max(most, reads - std::exchange(before, reads));
        return reads == kClients * kReads;
      },
      Seconds(10)));
  // A turn has two steps. In the second one connections may do as much again.
  EXPECT_LE(most, 3 * cluster.config(0).bounds.turn_work / TurnWork::kRead);
}

// A client that sends all the time does not keep the others waiting.
TEST_F(TurnWorkTest, BusyConnections_LeaveTurnsToOthers) {
  std::vector<std::unique_ptr<TestClient>> busy;
  for (int i = 0; i < 10; ++i) busy.push_back(cluster_.ConnectResp(0));
  cluster_.world().RunFor(Milliseconds(100));
  std::string requests;
  for (int i = 0; i < 20'000; ++i) requests += EncodeRequest({"GET", "k"});
  for (auto& client : busy) client->Send(requests);
  EXPECT_EQ(cluster_.Command(*client_, {"PING"}), "+PONG\r\n");
  EXPECT_EQ(cluster_.Command(*client_, {"SET", "k", "v"}), "+OK\r\n");
}

// Too many arguments for any entry are refused without looking at them.
TEST_F(TurnWorkTest, RequestOfTooManyArguments_IsRefused) {
  std::vector<std::string_view> words(200'000, "k");
  words[0] = "MGET";
  EXPECT_EQ(cluster_.Command(*client_, words),
            "-ERR request is larger than one log entry holds (524288 "
            "bytes)\r\n");
}

// Commands with the most keys that are allowed.
class ManyKeysTest : public TurnWorkTest {
 protected:
  ManyKeysTest() {
    for (size_t i = 0; i <= kv::kEntryKeysMax; ++i) {
      keys_.push_back(Concat("{s}", i));
    }
  }

  std::string Request(std::string_view name, size_t keys) const {
    std::vector<std::string_view> words = {name};
    for (size_t i = 0; i < keys; ++i) {
      words.push_back(keys_[i]);
      if (name.starts_with("MSET")) words.push_back("v");
    }
    return EncodeRequest(words);
  }
  int ProposedCommands() {
    const std::string text = cluster_.server(0).MetricsText();
    const std::string line = "\nquorate_proposed_commands_total{group=\"1\"} ";
    const size_t at = text.find(line);
    EXPECT_NE(at, std::string::npos);
    return std::atoi(text.c_str() + at + line.size());
  }

  std::vector<std::string> keys_;
};

TEST_F(ManyKeysTest, Writes_OfMoreKeysThanATurnTakes_AreRefused) {
  for (const char* name : {"DEL", "UNLINK", "MSET", "MSETNX"}) {
    EXPECT_EQ(cluster_.Call(*client_, Request(name, kv::kEntryKeysMax + 1)),
              "-ERR a command writes at most 10000 keys\r\n")
        << name;
  }
  EXPECT_EQ(cluster_.Call(*client_, Request("EXISTS", kv::kEntryKeysMax + 1)),
            ":0\r\n");
  EXPECT_EQ(cluster_.Call(*client_, Request("MSET", kv::kEntryKeysMax)),
            "+OK\r\n");
  EXPECT_EQ(cluster_.Call(*client_, Request("DEL", kv::kEntryKeysMax)),
            Concat(":", kv::kEntryKeysMax, "\r\n"));
}

TEST_F(ManyKeysTest, Transactions_CountTheKeysOfAllTheirCommands) {
  const std::string half = Request("DEL", kv::kEntryKeysMax / 2);
  const std::string most =
      EncodeRequest({"MULTI"}) + half + half + EncodeRequest({"EXEC"});
  EXPECT_EQ(cluster_.Call(*client_, most, 4),
            "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:0\r\n:0\r\n");
  // Reads count, too. No key of an earlier transaction does.
  EXPECT_EQ(cluster_.Call(*client_,
                          EncodeRequest({"MULTI"}) + half + half +
                              EncodeRequest({"GET", "{s}1"}) +
                              EncodeRequest({"SET", "{s}1", "v"}) +
                              EncodeRequest({"EXEC"}),
                          6),
            "+OK\r\n+QUEUED\r\n+QUEUED\r\n"
            "-ERR a transaction names at most 10000 keys\r\n"
            "-ERR a transaction names at most 10000 keys\r\n"
            "-EXECABORT Transaction discarded because of previous errors.\r\n");
}

// An EXEC of a few bytes does the work of all its commands.
TEST_F(ManyKeysTest, TransactionsOfManyConnections_ShareTurns) {
  constexpr size_t kNamed = kv::kEntryKeysMax / 2;
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(cluster_.ConnectResp(0));
    EXPECT_EQ(
        cluster_.Call(*clients.back(),
                      EncodeRequest({"MULTI"}) + Request("EXISTS", kNamed), 2),
        "+OK\r\n+QUEUED\r\n");
  }
  int before = ProposedCommands();
  int most = 0;  // The transactions that one turn proposed.
  cluster_.world().SetStepHook([&](sim::MachineId machine) {
    if (machine != cluster_.machine(0)) return;
    const int now = ProposedCommands();
    most = std::max(most, now - std::exchange(before, now));
  });
  for (auto& client : clients) client->Send(EncodeRequest({"EXEC"}));
  for (auto& client : clients) {
    EXPECT_EQ(cluster_.Call(*client, ""), "*1\r\n:0\r\n");
  }
  cluster_.world().SetStepHook(nullptr);
  EXPECT_EQ(most, 1);
  ExpectBounded(TurnWork::kRequest + 1 + kNamed * TurnWork::kExecArgument);
}

TEST_F(ManyKeysTest, ReadOfManyKeysBehindAWrite_NeedsNoEntry) {
  // The commands that were proposed for a write and a read of so many keys.
  const auto proposed = [&](size_t keys) {
    const int before = ProposedCommands();
    EXPECT_EQ(
        cluster_.Call(
            *client_,
            EncodeRequest({"SET", "{s}1", "v"}) + Request("EXISTS", keys), 2),
        "+OK\r\n:1\r\n");
    return ProposedCommands() - before;
  };
  EXPECT_EQ(proposed(2), 2);
  EXPECT_EQ(proposed(kv::kEntryKeysMax + 1), 1);
}

// The size of each value is looked up before a read enters an entry, in each
// attempt. A read of more keys than an entry takes waits without lookups.
TEST_F(ManyKeysTest, ReadOfManyKeysBehindAWrite_CountsItsLookups) {
  // Short lines: both requests arrive at once.
  const auto longest = [&](size_t keys) {
    std::string requests = "SET k v\r\nMGET";
    for (size_t i = 0; i < keys; ++i) requests += " k";
    const std::string reply = cluster_.Call(*client_, requests + "\r\n", 2);
    EXPECT_TRUE(reply.starts_with(Concat("+OK\r\n*", keys, "\r\n$1\r\nv")));
    return cluster_.server(0).resources().longest_turn_work;
  };
  EXPECT_LT(longest(kv::kEntryKeysMax + 1), 2 * kv::kEntryKeysMax);
  EXPECT_GE(longest(kv::kEntryKeysMax), 2 * kv::kEntryKeysMax);
}

// The turns of all nodes are counted: followers apply the same entries.
TEST_F(ManyKeysTest, Pipelines_ChangeABoundedNumberOfKeysInATurn) {
  std::vector<uint64_t> before(3);
  uint64_t most = 0;
  cluster_.world().SetStepHook([&](sim::MachineId machine) {
    for (size_t i = 0; i < before.size(); ++i) {
      if (machine != cluster_.machine(i)) continue;
      uint64_t keys = 0;
      for (const GroupId group : cluster_.server(i).host().groups()) {
        keys += cluster_.server(i).store(group)->key_count();
      }
      const uint64_t old = std::exchange(before[i], keys);
      most = std::max(most, keys > old ? keys - old : old - keys);
    }
  });
  std::string requests;
  for (int i = 0; i < 5; ++i) {
    requests += Request("MSET", kv::kEntryKeysMax);
    requests += Request("DEL", kv::kEntryKeysMax);
  }
  cluster_.Call(*client_, requests, 10);
  cluster_.world().SetStepHook(nullptr);
  EXPECT_EQ(most, kv::kEntryKeysMax);
  ExpectBounded(TurnWork::kRequest + 2 * kv::kEntryKeysMax + 1);
}

// The arguments of one read are more than a turn copies.
class LongParkedReadTest : public ::testing::Test {
 protected:
  static constexpr uint64_t kTurnWork = 500;
  static constexpr size_t kWords =
      2 * kTurnWork * TurnWork::kCopiedArgumentsPerUnit;

  LongParkedReadTest()
      : cluster_({.nodes = 3, .adjust = [](Config& config) {
                    config.bounds.turn_work = kTurnWork;
                  }}) {
    EXPECT_TRUE(cluster_.AwaitLeaders());
    leader_ = cluster_.LeaderOf(GroupId(1));
    auto client = cluster_.ConnectResp(leader_);
    EXPECT_EQ(cluster_.Command(*client, {"SET", "k", "v"}), "+OK\r\n");
    cluster_.world().RunFor(Seconds(1));
  }

  static std::string Request(std::string_view name) {
    std::vector<std::string_view> words(kWords + 1, "k");
    words[0] = name;
    return EncodeRequest(words);
  }
  static std::string Values() {
    std::string reply = Concat("*", kWords, "\r\n");
    for (size_t i = 0; i < kWords; ++i) reply += "$1\r\nv\r\n";
    return reply;
  }

  TestCluster cluster_;
  size_t leader_ = 0;
};

// The turn that handles the request has no time to evaluate it.
TEST_F(LongParkedReadTest, StaleReads_AreAnswered) {
  auto client = cluster_.ConnectRespCluster((leader_ + 1) % 3);
  EXPECT_EQ(cluster_.Command(*client, {"READONLY"}), "+OK\r\n");
  EXPECT_EQ(cluster_.Call(*client, Request("MGET")), Values());
  const std::string count = Concat(":", kWords, "\r\n");
  EXPECT_EQ(cluster_.Call(*client, Request("EXISTS")), count);
  EXPECT_EQ(cluster_.Call(*client, Request("TOUCH")), count);
}

TEST_F(LongParkedReadTest, ReadsOfSeveralConnections_AreAnswered) {
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < 8; ++i) {
    clients.push_back(cluster_.ConnectResp(leader_));
  }
  for (auto& client : clients) client->Send(Request("MGET") + Request("MGET"));
  const std::string both = Values() + Values();
  for (auto& client : clients) {
    EXPECT_TRUE(cluster_.world().RunUntilTrue(
        [&] { return client->received().size() >= both.size(); }, Seconds(5)));
    EXPECT_EQ(client->received(), both);
  }
}

// The node does not read from a client whose request waits. It notices that the
// client is gone once it replies.
TEST_F(LongParkedReadTest, ReadsOfClientsThatLeave_End) {
  const size_t follower = (leader_ + 1) % 3;
  for (int i = 0; i < 4; ++i) {
    auto client = cluster_.ConnectRespCluster(follower);
    client->Send(EncodeRequest({"READONLY"}) + Request("MGET"));
    EXPECT_TRUE(cluster_.world().RunUntilTrue(
        [&] { return !client->received().empty(); }, Seconds(1)));
    client->Close();
  }
  cluster_.world().RunFor(Seconds(5));
  EXPECT_EQ(cluster_.server(follower).open_connections(), 0u);
}

constexpr size_t kLongValue = 400'000;

// Values are long, so commands of a few bytes take much work.
class ApplyWorkTest : public ::testing::Test {
 protected:
  explicit ApplyWorkTest(void (*adjust)(Config&) = nullptr)
      : cluster_({.nodes = 3, .adjust = adjust}) {
    EXPECT_TRUE(cluster_.AwaitLeaders());
    for (size_t i = 0; i < 3; ++i) {
      clients_.push_back(cluster_.ConnectResp(i));
    }
    for (int i = 0; i < kLongKeys; ++i) {
      MakeLong(Concat("{k}", i));
    }
    Settle();
  }

  void MakeLong(std::string_view key) {
    EXPECT_EQ(cluster_.Command(*clients_[0],
                               {"SETRANGE", key, Concat(kLongValue - 1), "x"}),
              Concat(":", kLongValue, "\r\n"));
  }
  void Settle() { cluster_.world().RunFor(Seconds(1)); }
  uint64_t longest() {
    uint64_t longest = 0;
    for (size_t i = 0; i < 3; ++i) {
      longest =
          std::max(longest, cluster_.server(i).resources().longest_apply_work);
    }
    return longest;
  }
  // A single command may exceed the bounds.
  void ExpectBounded() {
    EXPECT_LE(longest(), raft::HostOptions().turn_apply_work_max +
                             kv::WorkOf(kLongValue, kLongValue));
  }
  // Sends many commands at once, and expects that all succeed.
  void Pipeline(TestClient& client, std::vector<std::string_view> words) {
    std::string requests;
    for (int i = 0; i < 500; ++i) requests += EncodeRequest(words);
    const std::string replies = cluster_.Call(client, requests, 500);
    EXPECT_EQ(replies.find('-'), std::string::npos) << words[0];
  }

  static constexpr int kLongKeys = 12;
  TestCluster cluster_;
  std::vector<std::unique_ptr<TestClient>> clients_;
};

TEST_F(ApplyWorkTest, PipelinesOnALongValue_AreAppliedInPieces) {
  for (auto& client : clients_) {
    Pipeline(*client, {"APPEND", "{k}0", "x"});
    Pipeline(*client, {"SETRANGE", "{k}1", "5", "hello"});
    Pipeline(*client, {"SETBIT", "{k}2", "77", "1"});
  }
  Settle();
  ExpectBounded();
}

// The value is long before the entries are applied that say so.
TEST_F(ApplyWorkTest, ValueThatBecomesLong_CountsAtOnce) {
  std::string requests =
      EncodeRequest({"SETRANGE", "{k}new", Concat(kLongValue), "x"});
  for (int i = 0; i < 500; ++i) {
    requests += EncodeRequest({"SETBIT", "{k}new", "7", "1"});
  }
  cluster_.Call(*clients_[0], requests, 501);
  Settle();
  ExpectBounded();
}

TEST_F(ApplyWorkTest, LargeReadBehindAWrite_NeedsNoEntry) {
  std::vector<std::string> keys;
  for (int i = 0; i < kLongKeys; ++i) keys.push_back(Concat("{k}", i));
  std::vector<std::string_view> words = {"MGET"};
  words.insert(words.end(), keys.begin(), keys.end());
  for (auto& client : clients_) {
    const std::string replies = cluster_.Call(
        *client, EncodeRequest({"SET", "{k}small", "v"}) + EncodeRequest(words),
        2);
    EXPECT_TRUE(replies.starts_with(Concat("+OK\r\n*", kLongKeys, "\r\n")));
    EXPECT_GT(replies.size(), kLongKeys * kLongValue);
  }
  Settle();
  ExpectBounded();
}

// A flush of all slots takes long, however few keys they have.
TEST_F(ApplyWorkTest, Flush_IsAppliedInPieces) {
  for (int i = 0; i < 300; ++i) {
    cluster_.Command(*clients_[0], {"SET", Concat("key", i), "v"});
  }
  Settle();
  const auto applied = [&] {
    return cluster_.server(0).store(GroupId(1))->applied_index().value();
  };
  const uint64_t before = applied();
  EXPECT_EQ(cluster_.Command(*clients_[0], {"FLUSHALL"}), "+OK\r\n");
  EXPECT_GE(applied(), before + 8);
  EXPECT_EQ(cluster_.Command(*clients_[1], {"DBSIZE"}), ":0\r\n");
  Settle();
  ExpectBounded();
}

TEST_F(ApplyWorkTest, LargeTransaction_IsRefusedAsAWhole) {
  const auto transaction = [&](TestClient& client, int gets,
                               std::string_view key) {
    std::string requests = EncodeRequest({"MULTI"});
    requests += EncodeRequest({"SET", "{k}done", key});
    for (int i = 0; i < gets; ++i) requests += EncodeRequest({"GET", "{k}0"});
    requests += EncodeRequest({"EXEC"});
    const std::string replies =
        cluster_.Call(client, requests, static_cast<size_t>(gets) + 3);
    return replies.substr(replies.rfind("+QUEUED\r\n") + 9, 60);
  };
  for (auto& client : clients_) {
    EXPECT_EQ(transaction(*client, 6, "large"),
              "-EXECABORT Transaction discarded because of: ERR its command");
    EXPECT_EQ(cluster_.Command(*client, {"GET", "{k}done"}), "$-1\r\n");
  }
  for (auto& client : clients_) {
    EXPECT_TRUE(transaction(*client, 5, "small").starts_with("*6\r\n+OK"));
    EXPECT_EQ(cluster_.Command(*client, {"GET", "{k}done"}), "$5\r\nsmall\r\n");
  }
  // It makes its value long itself.
  std::string requests = EncodeRequest({"MULTI"});
  requests += EncodeRequest({"SETRANGE", "{k}new", Concat(kLongValue), "x"});
  for (int i = 0; i < 40; ++i) {
    requests += EncodeRequest({"SETBIT", "{k}new", "7", "1"});
  }
  const std::string replies =
      cluster_.Call(*clients_[0], requests + EncodeRequest({"EXEC"}), 43);
  EXPECT_NE(replies.find("-EXECABORT"), std::string::npos);
  EXPECT_EQ(cluster_.Command(*clients_[0], {"EXISTS", "{k}new"}), ":0\r\n");
}

// Only the values of a transaction's own keys count, whatever is under way.
TEST_F(ApplyWorkTest, SmallTransactionBesideLongWrites_IsExecuted) {
  constexpr int kGets = 200;
  const size_t leader = cluster_.LeaderOf(GroupId(1));
  const std::string value(15'000, 'w');
  std::vector<std::unique_ptr<TestClient>> writers;
  for (int i = 0; i < 3; ++i) writers.push_back(cluster_.ConnectResp(leader));
  auto client = cluster_.ConnectResp(leader);
  std::string reads;
  std::string expected = Concat("*", kGets, "\r\n");
  for (int i = 0; i < kGets; ++i) {
    const std::string key = Concat("{k}s", i);
    EXPECT_EQ(cluster_.Command(*client, {"SET", key, "tiny"}), "+OK\r\n");
    reads += EncodeRequest({"GET", key});
    expected += "$4\r\ntiny\r\n";
  }
  for (int round = 0; round < 10; ++round) {
    for (size_t i = 0; i < writers.size(); ++i) {
      const std::string write =
          EncodeRequest({"SET", Concat("{k}big", i), value});
      for (int k = 0; k < 10; ++k) writers[i]->Send(write);
    }
    const std::string replies = cluster_.Call(
        *client, EncodeRequest({"MULTI"}) + reads + EncodeRequest({"EXEC"}),
        kGets + 2);
    EXPECT_TRUE(replies.ends_with(expected))
        << replies.substr(replies.rfind("+QUEUED\r\n") + 9, 100);
  }
}

// A transaction that may be too large waits for the writes before it, and is
// decided by the values that they leave.
TEST_F(ApplyWorkTest, TransactionBehindWritesOfItsKeys_IsDecidedByTheirValues) {
  constexpr int kChanges = 12;
  const std::string value(kLongValue, 'v');
  for (size_t node = 0; node < clients_.size(); ++node) {
    // The reply to EXEC of changes of the key that `write` names.
    const auto exec_behind = [&](const std::vector<std::string_view>& write) {
      std::string requests = EncodeRequest(write) + EncodeRequest({"MULTI"});
      for (int i = 0; i < kChanges; ++i) {
        requests += EncodeRequest({"SETBIT", write[1], "6", "0"});
      }
      const std::string replies = cluster_.Call(
          *clients_[node], requests + EncodeRequest({"EXEC"}), kChanges + 3);
      return replies.substr(replies.rfind("+QUEUED\r\n") + 9, 40);
    };
    EXPECT_TRUE(
        exec_behind({"DEL", Concat("{k}", node)}).starts_with("*12\r\n"));
    EXPECT_TRUE(exec_behind({"SET", Concat("{k}", 3 + node), "v"})
                    .starts_with("*12\r\n"));
    const std::string key = Concat("{k}new", node);
    EXPECT_TRUE(exec_behind({"SET", key, value}).starts_with("-EXECABORT"));
    EXPECT_EQ(cluster_.Command(*clients_[node], {"STRLEN", key}),
              Concat(":", kLongValue, "\r\n"));
  }
  Settle();
  ExpectBounded();
}

// Without the bounds the tests above would fail.
class UnboundedApplyWorkTest : public ApplyWorkTest {
 protected:
  UnboundedApplyWorkTest()
      : ApplyWorkTest([](Config& config) {
          config.bounds.entry_work = std::numeric_limits<size_t>::max();
        }) {}
};

TEST_F(UnboundedApplyWorkTest, OneEntryTakesLong) {
  Pipeline(*clients_[0], {"SETBIT", "{k}2", "77", "1"});
  EXPECT_GT(longest(), 20 * cluster_.config(0).raft.apply_bytes);
}

}  // namespace
}  // namespace quorate::node

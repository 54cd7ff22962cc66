// The work of one turn is bounded, whatever requests arrive at once, and every
// request is answered. Long reads are in long_reads_test.cc, commands of many
// keys in many_keys_test.cc, and applied entries in apply_work_test.cc.
#include "node/base/turn_work.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "node/base/text.h"
#include "node/commands/command_table.h"
#include "node/connections/metrics.h"
#include "node/testing/test_cluster.h"
#include "node/testing/turn_work_fixture.h"

namespace quorate::node {
namespace {

constexpr size_t kKeys = 20'000;

class TurnWorkTest : public TurnWorkFixture {
 protected:
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

}  // namespace
}  // namespace quorate::node

// Reads of many keys are answered over several turns, each from one state. They
// wait within the bound of their group, in the order of their connection, and
// end with it.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "kv/store/store.h"
#include "node/base/text.h"
#include "node/base/turn_work.h"
#include "node/connections/metrics.h"
#include "node/testing/test_cluster.h"

namespace quorate::node {
namespace {

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
  EXPECT_EQ(cluster_.Metric(follower, "quorate_stale_reads_total"), 2);
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
         config.bounds.held_bytes = kHeldBytes;
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

}  // namespace
}  // namespace quorate::node

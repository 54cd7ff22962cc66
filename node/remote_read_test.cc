// Reads on a node without a replica: the leader evaluates them at a read point,
// without a log entry.
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "kv/command/command.h"
#include "kv/store/store.h"
#include "node/base/text.h"
#include "node/base/turn_work.h"
#include "node/testing/test_cluster.h"
#include "shardctrl/partition.h"

namespace quorate::node {
namespace {

constexpr size_t kWithout = 3;  // The node without a replica.

void ThreeReplicas(Config& config) {
  config.shards.push_back({.group = GroupId(1),
                           .name = "g1",
                           .slots = {{0, 16383}},
                           .replicas = {NodeId(1), NodeId(2), NodeId(3)}});
}

class RemoteReadTest : public ::testing::Test {
 protected:
  RemoteReadTest() : cluster_({.nodes = 4, .adjust = ThreeReplicas}) {
    EXPECT_TRUE(cluster_.AwaitLeaders());
    cluster_.world().RunFor(Seconds(2));
    client_ = cluster_.ConnectResp(kWithout);
  }

  std::string Do(std::vector<std::string_view> words) {
    return cluster_.Command(*client_, std::move(words));
  }

  raft::Index LastIndex() {
    return cluster_.server(cluster_.LeaderOf(GroupId(1)))
        .store(GroupId(1))
        ->applied_index();
  }

  TestCluster cluster_;
  std::unique_ptr<TestClient> client_;
};

TEST_F(RemoteReadTest, EveryRead_IsAnsweredWithoutALogEntry) {
  EXPECT_EQ(Do({"MSET", "{k}1", "one", "{k}2", "2"}), "+OK\r\n");
  EXPECT_EQ(Do({"PEXPIRE", "{k}2", "100000"}), ":1\r\n");
  const raft::Index before = LastIndex();
  EXPECT_EQ(Do({"GET", "{k}1"}), "$3\r\none\r\n");
  EXPECT_EQ(Do({"GET", "nosuch"}), "$-1\r\n");
  EXPECT_EQ(Do({"MGET", "{k}1", "{k}3", "{k}2"}),
            "*3\r\n$3\r\none\r\n$-1\r\n$1\r\n2\r\n");
  EXPECT_EQ(Do({"EXISTS", "{k}1", "{k}1", "{k}3"}), ":2\r\n");
  EXPECT_EQ(Do({"STRLEN", "{k}1"}), ":3\r\n");
  EXPECT_EQ(Do({"GETRANGE", "{k}1", "1", "-1"}), "$2\r\nne\r\n");
  EXPECT_EQ(Do({"TYPE", "{k}1"}), "+string\r\n");
  EXPECT_EQ(Do({"TTL", "{k}1"}), ":-1\r\n");
  EXPECT_EQ(Do({"TTL", "{k}2"}), ":100\r\n");
  EXPECT_EQ(Do({"DBSIZE"}), ":2\r\n");
  EXPECT_NE(Do({"KEYS", "*"}).find("{k}2"), std::string::npos);
  EXPECT_NE(Do({"SCAN", "0"}).find("{k}1"), std::string::npos);
  EXPECT_EQ(LastIndex(), before);
}

// By keys and by slots, as for reads of the node's own clients.
TEST_F(RemoteReadTest, Reads_AreWorkOfTheLeadersTurn) {
  const Server& leader = cluster_.server(cluster_.LeaderOf(GroupId(1)));
  EXPECT_EQ(Do({"DBSIZE"}), ":0\r\n");
  EXPECT_GE(leader.resources().longest_turn_work,
            kHashSlotCount / TurnWork::kSlotsPerUnit - 1);
  constexpr size_t kWords = 1'000;
  std::vector<std::string_view> words(kWords, "k");
  words.insert(words.begin(), "EXISTS");
  EXPECT_EQ(Do(words), ":0\r\n");
  EXPECT_GE(leader.resources().longest_turn_work, TurnWork::kRead * kWords);
}

// No read holds the leader for long, and no number of them does.
TEST_F(RemoteReadTest, LargeValues_AreReadOverSeveralTurns) {
  const std::string value(100'000, 'x');
  EXPECT_EQ(Do({"SET", "{k}", value}), "+OK\r\n");
  const std::string bulk = Concat("$100000\r\n", value, "\r\n");
  std::string requests;
  std::string expected;
  for (int i = 0; i < 8; ++i) {
    requests += EncodeRequest({"MGET", "{k}", "{k}", "{k}", "{k}"});
    requests += EncodeRequest({"GET", "{k}"});
    expected += Concat("*4\r\n", bulk, bulk, bulk, bulk, bulk);
  }
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < 10; ++i) {
    clients.push_back(cluster_.ConnectResp(kWithout));
    clients.back()->Send(requests);
  }
  EXPECT_EQ(cluster_.Call(*client_, requests, 16), expected);
  const Server& leader = cluster_.server(cluster_.LeaderOf(GroupId(1)));
  // The last piece of work may exceed the limit of a turn.
  constexpr uint64_t kPiece = 30'000;
  EXPECT_LE(leader.resources().longest_turn_work,
            cluster_.config(kWithout).bounds.turn_work + kPiece);
}

TEST_F(RemoteReadTest, PipelineOfReads_IsForwardedInFewBatches) {
  EXPECT_EQ(Do({"SET", "k", "v"}), "+OK\r\n");
  const raft::Index before = LastIndex();
  std::string requests;
  std::string expected;
  for (int i = 0; i < 2'000; ++i) {
    requests += EncodeRequest({"GET", "k"});
    expected += "$1\r\nv\r\n";
  }
  EXPECT_EQ(cluster_.Call(*client_, requests, 2'000), expected);
  EXPECT_EQ(LastIndex(), before);
}

TEST_F(RemoteReadTest, ReadsAndWritesOfAPipeline_KeepTheirOrder) {
  std::string requests;
  std::string expected;
  for (int i = 0; i < 300; ++i) {
    const std::string value = Concat(i);
    requests += EncodeRequest({"SET", "k", value});
    for (int j = 0; j <= i % 3; ++j) {
      requests += EncodeRequest({"GET", "k"});
    }
    expected += "+OK\r\n";
    for (int j = 0; j <= i % 3; ++j) {
      expected += Concat("$", value.size(), "\r\n", value, "\r\n");
    }
  }
  EXPECT_EQ(cluster_.Call(*client_, requests, 900), expected);
}

// The results of 100 reads do not fit one answer.
TEST_F(RemoteReadTest, LargeValues_ArriveInSeveralAnswers) {
  const std::string value(400'000, 'x');
  EXPECT_EQ(Do({"SET", "big", value}), "+OK\r\n");
  const raft::Index before = LastIndex();
  for (int i = 0; i < 100; ++i) client_->Send(EncodeRequest({"GET", "big"}));
  const size_t size =
      100 * (value.size() + std::string("$400000\r\n\r\n").size());
  for (int i = 0; i < 200 && client_->received().size() < size; ++i) {
    cluster_.world().RunFor(Milliseconds(100));
  }
  EXPECT_EQ(client_->received().size(), size);
  EXPECT_EQ(LastIndex(), before);
}

// The answer is written in pieces. Its reservation ends with the last one.
TEST_F(RemoteReadTest, LongMget_LeavesNoBytesReserved) {
  const std::string value(100'000, 'x');
  EXPECT_EQ(Do({"SET", "{k}", value}), "+OK\r\n");
  const std::string bulk = Concat("$100000\r\n", value, "\r\n");
  EXPECT_EQ(Do({"MGET", "{k}", "{k}", "{k}", "{k}"}),
            Concat("*4\r\n", bulk, bulk, bulk, bulk));
  EXPECT_TRUE(cluster_.world().RunUntilTrue(
      [&] { return cluster_.server(kWithout).resources().reply_bytes == 0; },
      Seconds(1)));
}

// An answer to a step of a scan is as large as a long MGET, and no such read.
TEST_F(RemoteReadTest, LongKeys_AreScannedWhole) {
  constexpr int kKeys = 400;
  std::string requests;
  for (int i = 0; i < kKeys; ++i) {
    requests += EncodeRequest({"SET", Concat(std::string(1'000, 'k'), i), "v"});
  }
  cluster_.Call(*client_, requests, kKeys);
  EXPECT_TRUE(Do({"KEYS", "*"}).starts_with(Concat("*", kKeys, "\r\n")));
  EXPECT_TRUE(Do({"SCAN", "0", "COUNT", "1000"})
                  .starts_with(Concat("*2\r\n$1\r\n0\r\n*", kKeys, "\r\n")));
}

// The connection takes a part of an answer at a time. The rest of the answer is
// kept, so the leader sends each value once.
TEST_F(RemoteReadTest, ResultsWithoutRoom_AreKept) {
  const std::string value(100'000, 'x');
  EXPECT_EQ(Do({"SET", "k", value}), "+OK\r\n");
  // The bytes of all answers of the leader's node to others.
  const auto answered = [this, leader = cluster_.LeaderOf(GroupId(1))] {
    return static_cast<uint64_t>(
        cluster_.Metric(leader, "quorate_peer_answer_bytes_total"));
  };
  const uint64_t before = answered();
  std::string requests;
  for (int i = 0; i < 200; ++i) requests += EncodeRequest({"GET", "k"});
  const size_t size =
      200 * (value.size() + std::string("$100000\r\n\r\n").size());
  client_->PauseReads();
  client_->Send(requests);
  cluster_.world().RunFor(Seconds(10));
  EXPECT_EQ(client_->received().size(), 0u);
  client_->ResumeReads();
  EXPECT_TRUE(cluster_.world().RunUntilTrue(
      [&] { return client_->received().size() >= size; }, Seconds(60)));
  EXPECT_EQ(client_->received().size(), size);
  EXPECT_GE(answered() - before, size - 200 * 12);
  EXPECT_LT(answered() - before, size / 4 * 5);
}

// The client asks for more than it reads, and than may wait for the group.
TEST(RemoteRead_SlowClient, OthersAreServed) {
  TestCluster cluster({.nodes = 4, .adjust = [](Config& config) {
                         ThreeReplicas(config);
                         config.bounds.held_requests = 50;
                       }});
  ASSERT_TRUE(cluster.AwaitLeaders());
  cluster.world().RunFor(Seconds(2));
  auto other = cluster.ConnectResp(kWithout);
  const std::string value(400'000, 'x');
  EXPECT_EQ(cluster.Command(*other, {"SET", "k", value}), "+OK\r\n");
  auto slow = cluster.ConnectResp(kWithout);
  slow->PauseReads();
  std::string requests;
  for (int i = 0; i < 200; ++i) requests += EncodeRequest({"GET", "k"});
  slow->Send(requests);
  cluster.world().RunFor(Seconds(5));
  EXPECT_EQ(cluster.Command(*other, {"STRLEN", "k"}), ":400000\r\n");
  slow->ResumeReads();
  const size_t size =
      200 * (value.size() + std::string("$400000\r\n\r\n").size());
  EXPECT_TRUE(cluster.world().RunUntilTrue(
      [&] { return slow->received().size() >= size; }, Seconds(60)));
  EXPECT_EQ(slow->received().size(), size);
}

// Replies are scarce, so the node asks for one read of a client at a time.
TEST(RemoteRead_LostClient, ItsReads_AreNotAskedFor) {
  TestCluster cluster({.nodes = 4, .adjust = [](Config& config) {
                         ThreeReplicas(config);
                         config.limits.output_total_bytes = 1 << 20;
                       }});
  ASSERT_TRUE(cluster.AwaitLeaders());
  cluster.world().RunFor(Seconds(2));
  auto client = cluster.ConnectResp(kWithout);
  EXPECT_EQ(cluster.Command(*client, {"SET", "k", "v"}), "+OK\r\n");
  std::string requests;
  for (int i = 0; i < 500; ++i) requests += EncodeRequest({"GET", "k"});
  client->Send(requests);
  ASSERT_TRUE(cluster.world().RunUntilTrue(
      [&] { return !client->received().empty(); }, Seconds(1)));
  const auto waiting = [&] {
    return cluster.server(kWithout).resources().waiting_requests;
  };
  EXPECT_GT(waiting(), 0u);
  client->Close();
  EXPECT_TRUE(cluster.world().RunUntilTrue([&] { return waiting() == 0; },
                                           Milliseconds(10)));
}

TEST_F(RemoteReadTest, LeaderIsLost_ReadsWaitForTheNextOne) {
  EXPECT_EQ(Do({"SET", "k", "v"}), "+OK\r\n");
  cluster_.Crash(cluster_.LeaderOf(GroupId(1)));
  client_->Send(EncodeRequest({"GET", "k"}));
  cluster_.world().RunFor(Seconds(6));
  const std::string reply = client_->Take();
  EXPECT_TRUE(reply == "$1\r\nv\r\n" || reply.starts_with("-CLUSTERDOWN"))
      << reply;
  EXPECT_EQ(Do({"GET", "k"}), "$1\r\nv\r\n");
}

// Requests of nodes travel on the peers' connections alone.
TEST_F(RemoteReadTest, RequestsOfNodes_AreNoCommandsForClients) {
  auto stranger = cluster_.ConnectResp(cluster_.LeaderOf(GroupId(1)));
  for (const std::vector<std::string_view>& request :
       {std::vector<std::string_view>{"QUORATE.READ", "1", "x"},
        {"QUORATE.APPLY", "1", "1", "1", "1", "x"},
        {"QUORATE.CHANNEL", "1", "0", "0"}}) {
    EXPECT_TRUE(cluster_.Command(*stranger, request)
                    .starts_with("-ERR unknown command"));
  }
}

// A replica whose disk hangs applies nothing, like one that receives a
// snapshot.
TEST(LateReplicaTest, ReadPointThatIsNotReached_ReadGoesToTheLeader) {
  TestCluster cluster({.nodes = 3});
  ASSERT_TRUE(cluster.AwaitLeaders());
  cluster.world().RunFor(Seconds(2));
  const size_t leader = cluster.LeaderOf(GroupId(1));
  const size_t late = (leader + 1) % 3;
  auto writer = cluster.ConnectResp(leader);
  auto reader = cluster.ConnectResp(late);
  int value = 0;
  const auto write_and_read = [&] {
    EXPECT_EQ(cluster.Command(*writer, {"INCR", "k"}),
              Concat(":", ++value, "\r\n"));
    reader->Send(EncodeRequest({"GET", "k"}));
  };
  const auto expect_value = [&](Duration within) {
    cluster.world().RunFor(within);
    EXPECT_EQ(reader->Take(), Concat("$1\r\n", value, "\r\n"));
  };
  // The second time shows that a replica that is no longer late is asked first.
  for (int i = 0; i < 2; ++i) {
    cluster.world().StallDisk(cluster.machine(late),
                              cluster.world().now() + Seconds(2));
    write_and_read();
    cluster.world().RunFor(Milliseconds(50));
    EXPECT_EQ(reader->received(), "");
    expect_value(Milliseconds(200));
    write_and_read();
    expect_value(Milliseconds(50));
    cluster.world().RunFor(Seconds(3));
    // The last probe failed meanwhile, and the next one does not.
    write_and_read();
    expect_value(Milliseconds(200));
    write_and_read();
    expect_value(Milliseconds(200));
  }
}

}  // namespace
}  // namespace quorate::node

// Members of a cluster change while it serves: operators ask the admin address,
// the controller notes the wish, and the nodes make it true.
#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "kv/store/store.h"
#include "node/base/text.h"
#include "node/testing/test_cluster.h"
#include "raft/host/bootstrap_record.h"
#include "shardctrl/controller/machine.h"
#include "shardctrl/controller/state.h"
#include "shardctrl/controller/token.h"

namespace quorate::node {
namespace {

using Json = nlohmann::json;
using shardctrl::kControllerGroup;

class MembersTest : public testing::Test {
 protected:
  void Begin(TestCluster::Options options) {
    options.controller = true;
    options.peer_streams = true;
    cluster_ = std::make_unique<TestCluster>(options);
    ASSERT_TRUE(cluster_->AwaitLeaders());
  }
  // The status of an answer of the admin address of a node, and its body.
  std::pair<int, Json> Ask(size_t node, std::string_view method,
                           std::string_view target, std::string_view body = "",
                           std::string_view key = "") {
    auto client = cluster_->ConnectAdmin(node);
    if (!client->connected()) return {0, Json()};
    client->Send(Concat(method, " ", target,
                        " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n",
                        key.empty() ? "" : "Idempotency-Key: ", key,
                        key.empty() ? "" : "\r\n",
                        "Content-Length: ", body.size(), "\r\n\r\n", body));
    cluster_->world().RunUntilTrue([&] { return client->closed(); },
                                   Seconds(10));
    const std::string answer = client->Take();
    const size_t end = answer.find("\r\n\r\n");
    if (!answer.starts_with("HTTP/1.1 ") || end == answer.npos) {
      return {0, Json()};
    }
    return {std::stoi(answer.substr(9, 3)),
            Json::parse(answer.substr(end + 4), nullptr, false)};
  }
  // Asks again and again until the row is as `done` says.
  template <typename Done>
  bool Await(std::string_view target, Done done,
             Duration within = Seconds(60)) {
    for (Duration waited; waited < within;
         waited = waited + Milliseconds(200)) {
      const auto [status, row] = Ask(0, "GET", target);
      last_ = row;
      if (status == 200 && done(last_)) return true;
      cluster_->world().RunFor(Milliseconds(200));
    }
    return false;
  }

  // The configuration of a node on the next new machine, for an answer of
  // `node add` or `node replace`.
  Config Joining(const Json& answer) {
    const size_t n = cluster_->size() + 1;
    JoinConfig join{.token = answer["token"]};
    for (const Json& seed : answer["seeds"]) join.seeds.push_back(seed);
    const auto token = shardctrl::ParseToken(join.token);
    EXPECT_TRUE(token.ok()) << token.status();
    join.cluster = token->cluster;
    join.node = token->node;
    const auto config = ParseConfig(
        Concat("[node]\ndata_dir = \"unused\"\n[listen]\nresp = \"n", n,
               ":7001\"\nhttp = \"n", n, ":8001\"\npeer = \"n", n,
               ":9001\"\nadmin = \"n", n,
               ":8101\"\nallow_non_loopback = true\n"),
        "q.toml", join);
    EXPECT_TRUE(config.ok()) << config.status();
    return *config;
  }
  raft::Host& host(size_t node) { return cluster_->server(node).host(); }
  const shardctrl::ClusterState& StateOn(size_t node) {
    return static_cast<const shardctrl::ControllerMachine*>(
               host(node).state_machine(kControllerGroup))
        ->state();
  }
  bool RunUntil(std::function<bool()> done) {
    return cluster_->world().RunUntilTrue(std::move(done), Seconds(30));
  }
  // The position of the node that leads the controller.
  size_t AwaitController() {
    RunUntil([&] { return cluster_->LeaderOf(kControllerGroup) < 3; });
    return cluster_->LeaderOf(kControllerGroup);
  }
  void Cut(size_t node, bool cut) {
    for (size_t other = 0; other < cluster_->size(); ++other) {
      const sim::MachineId a = cluster_->machine(node);
      const sim::MachineId b = cluster_->machine(other);
      if (other == node) continue;
      for (const auto& [from, to] : {std::pair(a, b), std::pair(b, a)}) {
        cut ? cluster_->world().BlockLink(from, to)
            : cluster_->world().HealLink(from, to);
      }
    }
  }
  // Waits until the controller knows the addresses of all nodes.
  bool AwaitAddresses(size_t count) {
    return Await("/v1/nodes", [&](const Json& answer) {
      if (answer["nodes"].size() != count) return false;
      for (const Json& node : answer["nodes"]) {
        if (node["addresses"]["peer"] == "") return false;
      }
      return true;
    });
  }

  std::unique_ptr<TestCluster> cluster_;
  Json last_;
};

TEST_F(MembersTest, NodeList_HasTheNodesOfTheFoundingWithTheirAddresses) {
  Begin({.nodes = 3, .groups = 2});
  ASSERT_TRUE(Await("/v1/nodes", [](const Json& answer) {
    return answer["nodes"].size() == 3 &&
           answer["nodes"][2]["addresses"]["resp"] == "n3:7001" &&
           answer["nodes"][1]["replicas"] == 3;
  })) << last_.dump(1);
  for (size_t n = 0; n < 3; ++n) {
    EXPECT_EQ(last_["nodes"][n]["id"], n + 1);
    EXPECT_EQ(last_["nodes"][n]["state"], "up");
    EXPECT_EQ(last_["nodes"][n]["role"], "data");
    EXPECT_EQ(last_["nodes"][n]["problem"], Json());
  }
}

TEST_F(MembersTest, GroupList_HasLeadersAndVoters) {
  Begin({.nodes = 3, .groups = 2});
  ASSERT_TRUE(Await("/v1/groups", [](const Json& answer) {
    if (answer["groups"].size() != 3) return false;
    for (const Json& group : answer["groups"]) {
      if (group["leader"].is_null()) return false;
    }
    return true;
  })) << last_.dump(1);
  EXPECT_EQ(last_["groups"][0]["voters"], Json({1, 2, 3}));
  EXPECT_EQ(last_["groups"][0]["slots"], "0-8191");
  EXPECT_EQ(last_["groups"][1]["id"], 2);
}

// Each group has three of the four nodes. The replicas of a drained node move
// to the fourth.
TEST_F(MembersTest, DrainedNode_HoldsNothingAndServesOn) {
  Begin({.nodes = 4, .groups = 4, .replicas = 3});
  auto client = cluster_->ConnectResp(1);
  EXPECT_EQ(cluster_->Command(*client, {"SET", "k", "v"}), "+OK\r\n");
  const auto [status, answer] = Ask(2, "POST", "/v1/nodes/2/drain");
  ASSERT_EQ(status, 200) << answer.dump(1);
  ASSERT_TRUE(Await("/v1/nodes/2", [](const Json& node) {
    return node["state"] == "draining" && node["replicas"] == 0;
  })) << last_.dump(1);
  cluster_->world().RunUntilTrue(
      [&] { return cluster_->server(1).host().groups().empty(); }, Seconds(5));
  EXPECT_TRUE(cluster_->server(1).host().groups().empty());
  EXPECT_EQ(cluster_->Command(*client, {"GET", "k"}), "$1\r\nv\r\n");
  EXPECT_EQ(cluster_->Command(*client, {"SET", "k", "w"}), "+OK\r\n");
}

// Nodes that have to ask the controller's leader refuse them, too.
TEST_F(MembersTest, ValuesThatAreNotAllowed_AreNamedByEachNode) {
  Begin({.nodes = 3, .groups = 1});
  for (size_t n = 0; n < 3; ++n) {
    const auto [status, answer] = Ask(n, "POST", "/v1/nodes", "{\"weight\":0}");
    EXPECT_EQ(status, 400) << answer.dump(1);
    EXPECT_TRUE(absl::StrContains(answer["error"]["message"].get<std::string>(),
                                  "the weight must be at least 1"));
    EXPECT_EQ(Ask(n, "PATCH", "/v1/groups/1", "{\"replicas\":10}").first, 400);
  }
}

TEST_F(MembersTest, RemovedNode_SaysSo) {
  Begin({.nodes = 4, .groups = 1, .replicas = 3});
  ASSERT_EQ(Ask(3, "POST", "/v1/nodes/4/remove").first, 200);
  ASSERT_TRUE(Await("/v1/nodes/4", [](const Json& node) {
    return node["state"] == "removed";
  })) << last_.dump(1);
  ASSERT_TRUE(
      RunUntil([&] { return Ask(3, "GET", "/v1/nodes").first == 410; }));
  EXPECT_EQ(Ask(3, "GET", "/v1/nodes").second["error"]["node"], 4);
  EXPECT_EQ(Ask(3, "POST", "/v1/nodes/4/drain").first, 410);
  auto client = cluster_->ConnectHttp(3);
  const std::string ready = cluster_->CallHttp(
      *client, "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_TRUE(absl::StrContains(ready, " 503 ")) << ready;
  EXPECT_TRUE(absl::StrContains(ready, "the cluster has removed this node"));
}

// It answers, but does nothing else. Its replicas are wanted elsewhere after
// the time for nodes that are silent.
TEST_F(MembersTest, NodeWhoseDiskFailed_IsGivenUp) {
  Begin({.nodes = 4, .groups = 4, .replicas = 3});
  ASSERT_TRUE(AwaitAddresses(4)) << last_.dump(1);
  ASSERT_EQ(Ask(0, "PUT", "/v1/repair", "{\"after_ms\":10000}").first, 200);
  cluster_->world().FailDiskOperation(cluster_->machine(2),
                                      sim::World::DiskOperation::kWrite, 1,
                                      /*persistent=*/true);
  auto client = cluster_->ConnectResp(0);
  (void)cluster_->Command(*client, {"SET", "k", "v"});  // The disk is used.
  ASSERT_TRUE(Await("/v1/nodes/3", [](const Json& node) {
    return node["state"] == "down";
  })) << last_.dump(1);
  EXPECT_TRUE(Await("/v1/nodes/3", [](const Json& node) {
    return node["replicas"] == 0;
  })) << last_.dump(1);
}

TEST_F(MembersTest, DrainWithoutAnotherNode_IsRefusedAndNamesTheGroup) {
  Begin({.nodes = 3, .groups = 2});
  const auto [status, answer] = Ask(0, "POST", "/v1/nodes/2/drain");
  EXPECT_EQ(status, 409);
  const std::string why = answer["error"]["message"];
  EXPECT_NE(why.find("would have 2 of 3 replicas"), why.npos) << why;
}

TEST_F(MembersTest, AddedNode_ServesEveryClientAndTakesReplicas) {
  Begin({.nodes = 3, .groups = 2});
  ASSERT_TRUE(AwaitAddresses(3)) << last_.dump(1);
  const auto [status, answer] =
      Ask(1, "POST", "/v1/nodes", "{\"zone\": \"b\", \"role\": \"router\"}");
  ASSERT_EQ(status, 200) << answer.dump(1);
  EXPECT_EQ(answer["id"], 4);
  EXPECT_EQ(answer["seeds"].size(), 3u);
  const Config config = Joining(answer);
  ASSERT_EQ(cluster_->StartNew(config), absl::OkStatus());
  auto client = cluster_->ConnectResp(3);
  EXPECT_EQ(cluster_->Command(*client, {"SET", "k", "v"}), "+OK\r\n");
  EXPECT_EQ(cluster_->Command(*client, {"GET", "k"}), "$1\r\nv\r\n");
  ASSERT_TRUE(AwaitAddresses(4)) << last_.dump(1);
  EXPECT_EQ(last_["nodes"][3]["zone"], "b");
  EXPECT_EQ(last_["nodes"][3]["replicas"], 0);
  // It knows the cluster again after a restart, whatever became of the seeds.
  Config later = config;
  later.join.reset();
  later.seeds.clear();
  ASSERT_EQ(cluster_->RestartWith(3, later), absl::OkStatus());
  client = cluster_->ConnectResp(3);
  EXPECT_EQ(cluster_->Command(*client, {"GET", "k"}), "$1\r\nv\r\n");
}

// The first answer may be lost.
TEST_F(MembersTest, NodeAddedTwiceWithOneKey_IsOneNodeWithOneToken) {
  Begin({.nodes = 3, .groups = 1});
  ASSERT_TRUE(AwaitAddresses(3)) << last_.dump(1);
  const auto [first, added] = Ask(0, "POST", "/v1/nodes", "", "my-key");
  const auto [second, again] = Ask(1, "POST", "/v1/nodes", "", "my-key");
  ASSERT_EQ(first, 200) << added.dump(1);
  ASSERT_EQ(second, 200) << again.dump(1);
  EXPECT_EQ(added["id"], again["id"]);
  EXPECT_EQ(added["token"], again["token"]);
  const auto [third, other] = Ask(1, "POST", "/v1/nodes", "", "other-key");
  ASSERT_EQ(third, 200);
  EXPECT_NE(other["token"], again["token"]);
}

TEST_F(MembersTest, AddedDataNode_GetsTheReplicasOfADrainedOne) {
  Begin({.nodes = 3, .groups = 2});
  ASSERT_TRUE(AwaitAddresses(3)) << last_.dump(1);
  auto client = cluster_->ConnectResp(0);
  EXPECT_EQ(cluster_->Command(*client, {"SET", "k", "v"}), "+OK\r\n");
  const auto [status, answer] = Ask(1, "POST", "/v1/nodes");
  ASSERT_EQ(status, 200) << answer.dump(1);
  ASSERT_EQ(cluster_->StartNew(Joining(answer)), absl::OkStatus());
  const auto [drains, drain] = Ask(2, "POST", "/v1/nodes/1/drain");
  ASSERT_EQ(drains, 200) << drain.dump(1);
  ASSERT_TRUE(Await("/v1/nodes", [](const Json& nodes) {
    return nodes["nodes"][0]["replicas"] == 0 &&
           nodes["nodes"][3]["replicas"] == 3;
  })) << last_.dump(1);
  EXPECT_EQ(cluster_->Command(*client, {"GET", "k"}), "$1\r\nv\r\n");
}

// Slots change their group while clients write to them.
class MovesTest : public MembersTest {
 protected:
  static constexpr int kKeys = 60;

  void SetUp() override {
    Begin({.nodes = 3, .groups = 2});
    ASSERT_TRUE(AwaitAddresses(3)) << last_.dump(1);
    client_ = cluster_->ConnectResp(0);
    for (int i = 0; i < kKeys; ++i) Add(i);
  }
  // Adds one to a counter, which then has this value.
  void Add(int i) {
    EXPECT_EQ(cluster_->Command(*client_, {"INCR", Concat("k", i)}),
              Concat(":", ++counts_[i], "\r\n"));
  }
  std::string Move(std::string_view body) {
    const auto [status, answer] = Ask(1, "POST", "/v1/moves", body);
    EXPECT_EQ(status, 200) << answer.dump(1);
    return Concat("/v1/moves/", answer["moves"][0].get<uint64_t>());
  }
  bool AwaitPhase(std::string_view target, std::string_view phase) {
    return Await(target, [&](const Json& move) {
      Add(static_cast<int>(++adds_ % kKeys));
      return move["phase"] == phase;
    });
  }
  // The slots that the leader of the group accepts.
  uint32_t SlotsOf(GroupId group) {
    const size_t leader = cluster_->LeaderOf(group);
    if (leader >= 3) return 0;
    uint32_t count = 0;
    for (const SlotRange range :
         cluster_->server(leader).store(group)->owned()) {
      count += range.size();
    }
    return count;
  }
  void ExpectCounts() {
    for (int i = 0; i < kKeys; ++i) Add(i);
  }

  std::unique_ptr<TestClient> client_;
  std::map<int, int> counts_;
  uint64_t adds_ = 0;
};

TEST_F(MovesTest, MovedSlots_KeepTheirKeysAndServe) {
  const std::string move = Move(R"({"to":2,"slots":"0-8191"})");
  ASSERT_TRUE(AwaitPhase(move, "done")) << last_.dump(1);
  EXPECT_EQ(SlotsOf(GroupId(1)), 0u);
  EXPECT_EQ(SlotsOf(GroupId(2)), kHashSlotCount);
  ExpectCounts();
  // And half of them back.
  const auto [status, answer] = Ask(2, "POST", "/v1/rebalance");
  ASSERT_EQ(status, 200) << answer.dump(1);
  ASSERT_TRUE(AwaitPhase("/v1/moves/2", "done")) << last_.dump(1);
  EXPECT_EQ(SlotsOf(GroupId(1)), kHashSlotCount / 2);
  ExpectCounts();
}

TEST_F(MovesTest, MoveWhoseLeadersCrash_EndsUnderTheNextOnes) {
  const std::string move =
      Move(R"({"to":2,"slots":"0-8191","bytes_per_second":2000})");
  for (const GroupId group : {GroupId(1), GroupId(2), kControllerGroup}) {
    ASSERT_TRUE(RunUntil([&] { return cluster_->LeaderOf(group) < 3; }));
    const size_t leader = cluster_->LeaderOf(group);
    cluster_->Crash(leader);
    for (int i = 0; i < 3; ++i) cluster_->world().RunFor(Milliseconds(500));
    cluster_->Restart(leader);
    ASSERT_TRUE(cluster_->AwaitLeaders());
    client_ = cluster_->ConnectResp(0);
  }
  ASSERT_TRUE(AwaitPhase(move, "done")) << last_.dump(1);
  EXPECT_EQ(SlotsOf(GroupId(2)), kHashSlotCount);
  ExpectCounts();
}

TEST_F(MovesTest, CancelledMove_LeavesNothingAtTheDestination) {
  const std::string move =
      Move(R"({"to":2,"slots":"0-8191","bytes_per_second":500})");
  ASSERT_TRUE(AwaitPhase(move, "copy")) << last_.dump(1);
  const auto [status, answer] = Ask(0, "POST", move + "/cancel");
  EXPECT_EQ(status, 200) << answer.dump(1);
  ASSERT_TRUE(AwaitPhase(move, "cancelled")) << last_.dump(1);
  EXPECT_EQ(SlotsOf(GroupId(1)), kHashSlotCount / 2);
  const size_t leader = cluster_->LeaderOf(GroupId(2));
  ASSERT_LT(leader, 3u);
  EXPECT_TRUE(cluster_->server(leader).store(GroupId(2))->moves().empty());
  ExpectCounts();
}

TEST_F(MovesTest, RequestsOnFrozenSlots_WaitAndAreCounted) {
  const std::string move =
      Move(R"({"to":2,"slots":"0-8191","bytes_per_second":20000})");
  std::vector<std::unique_ptr<TestClient>> clients;
  for (size_t node = 0; node < 3; ++node) {
    clients.push_back(cluster_->ConnectResp(node));
  }
  bool copies = false;
  for (int round = 0; last_["phase"] != "done"; ++round) {
    ASSERT_LT(round, 10'000) << last_.dump(1);
    // Slot 3300.
    for (const auto& client : clients) {
      client->Send(EncodeRequest({"SET", "{b}", "value"}));
    }
    ASSERT_TRUE(RunUntil([&] {
      return std::ranges::all_of(clients, [](const auto& client) {
        return !client->received().empty();
      });
    }));
    for (const auto& client : clients) EXPECT_EQ(client->Take(), "+OK\r\n");
    const std::string metrics = cluster_->server(0).MetricsText();
    copies |=
        absl::StrContains(metrics, "quorate_slot_moves{phase=\"copy\"} 1\n") &&
        absl::StrContains(metrics, "quorate_slot_move_bytes{move=\"1\"}");
    if (round % 20 == 0) last_ = Ask(0, "GET", move).second;
  }
  EXPECT_TRUE(copies);
  EXPECT_GE(last_["held_requests"], 3) << last_.dump(1);
  EXPECT_GE(last_["longest_pause_ms"], 1) << last_.dump(1);
  EXPECT_LT(last_["longest_pause_ms"], 50) << last_.dump(1);
}

TEST_F(MovesTest, ClusterClients_GetOneMovedForARequestAtMost) {
  const std::string move = Move(R"({"to":2,"slots":"0-8191"})");
  size_t node = 0;
  std::vector<std::unique_ptr<TestClient>> clients;
  for (size_t n = 0; n < 3; ++n) {
    clients.push_back(cluster_->ConnectRespCluster(n));
  }
  bool done = false;
  int redirects = 0;
  for (int round = 0; round < 4'000 && !done; ++round) {
    for (int tries = 0;; ++tries) {
      ASSERT_LE(tries, 1);
      const std::string reply =
          cluster_->Command(*clients[node], {"SET", Concat("{b}", round), "v"});
      if (reply == "+OK\r\n") break;
      ASSERT_TRUE(absl::StrContains(reply, "-MOVED 3300 n")) << reply;
      node = static_cast<size_t>(reply[reply.find(" n") + 2] - '1');
      ASSERT_LT(node, 3u) << reply;
      ++redirects;
    }
    if (round % 20 == 0) {
      last_ = Ask(0, "GET", move).second;
      cluster_->world().RunFor(Milliseconds(20));
    }
    done = last_["phase"] == "done" && redirects > 0;
  }
  EXPECT_TRUE(done) << last_.dump(1) << redirects;
}

// Each key counts once, on both sides of a freeze.
TEST_F(MovesTest, CommandsOnAllKeys_SeeEachKeyOnceWhileSlotsMove) {
  std::vector<std::unique_ptr<TestClient>> clients;
  for (size_t node = 0; node < 3; ++node) {
    clients.push_back(cluster_->ConnectResp(node));
  }
  const auto keys_of = [](std::string reply) {
    std::multiset<std::string> keys;
    for (size_t at = reply.find("k"); at != reply.npos;
         at = reply.find("k", at + 1)) {
      keys.insert(reply.substr(at, reply.find("\r\n", at) - at));
    }
    return keys;
  };
  std::multiset<std::string> expected;
  for (int i = 0; i < kKeys; ++i) expected.insert(Concat("k", i));
  const auto ask = [&](std::vector<std::string_view> request, auto check) {
    for (const auto& client : clients) client->Send(EncodeRequest(request));
    ASSERT_TRUE(RunUntil([&] {
      return std::ranges::all_of(clients, [](const auto& client) {
        return !client->received().empty() &&
               ReplySize(client->received()) == client->received().size();
      });
    }));
    for (const auto& client : clients) check(client->Take());
  };
  // Ranges that a node knows come apart, and grow together.
  for (const std::string_view wish :
       {R"({"to":2,"slots":"0-4095"})", R"({"to":1,"slots":"1000-2999"})",
        R"({"to":2,"slots":"0-16383"})"}) {
    const std::string move = Move(wish);
    for (int round = 0;; ++round) {
      ASSERT_LT(round, 3'000) << last_.dump(1);
      ASSERT_NO_FATAL_FAILURE(ask({"DBSIZE"}, [](const std::string& reply) {
        EXPECT_EQ(reply, Concat(":", kKeys, "\r\n"));
      }));
      ASSERT_NO_FATAL_FAILURE(ask({"KEYS", "*"}, [&](std::string reply) {
        EXPECT_EQ(keys_of(std::move(reply)), expected);
      }));
      ASSERT_NO_FATAL_FAILURE(
          ask({"SCAN", "0", "COUNT", "1000"}, [&](std::string reply) {
            EXPECT_EQ(keys_of(std::move(reply)), expected);
          }));
      if (HasFailure()) return;
      if (round % 10 == 0) last_ = Ask(0, "GET", move).second;
      if (last_["phase"] == "done") break;
    }
    last_ = Json();
  }
}

TEST_F(MovesTest, FlushAll_RemovesMovingKeysOnBothSides) {
  const std::string move =
      Move(R"({"to":2,"slots":"0-8191","bytes_per_second":500})");
  ASSERT_TRUE(AwaitPhase(move, "copy")) << last_.dump(1);
  cluster_->world().RunFor(Milliseconds(700));
  EXPECT_EQ(cluster_->Command(*client_, {"FLUSHALL"}), "+OK\r\n");
  counts_.clear();
  for (int i = 0; i < 5; ++i) Add(i);
  ASSERT_TRUE(Await(move, [](const Json& row) {
    return row["phase"] == "done";
  })) << last_.dump(1);
  EXPECT_EQ(cluster_->Command(*client_, {"DBSIZE"}), ":5\r\n");
  for (int i = 0; i < 5; ++i) Add(i);
}

// The phase of changes would not end.
TEST_F(MovesTest, WritersThatAreFasterThanTheCopy_AreSlowed) {
  const std::string value(4'000, 'v');
  std::vector<std::unique_ptr<TestClient>> clients;
  for (size_t node = 0; node < 2; ++node) {
    clients.push_back(cluster_->ConnectResp(node));
  }
  int writes = 0;
  const auto write = [&] {
    for (const auto& client : clients) {
      client->Send(EncodeRequest(
          {"SET", Concat("{b}", ++writes % 501), value}));  // Slot 3300.
    }
    ASSERT_TRUE(RunUntil([&] {
      return std::ranges::all_of(clients, [](const auto& client) {
        return !client->received().empty();
      });
    }));
    for (const auto& client : clients) EXPECT_EQ(client->Take(), "+OK\r\n");
  };
  for (int i = 0; i < 300; ++i) write();
  const std::string move =
      Move(R"({"to":2,"slots":"3300","bytes_per_second":300000})");
  bool slowed = false;
  for (int round = 0; last_["phase"] != "done"; ++round) {
    ASSERT_LT(round, 30'000) << last_.dump(1);
    ASSERT_NO_FATAL_FAILURE(write());
    if (round % 25 == 0) last_ = Ask(0, "GET", move).second;
    slowed |=
        last_["write_pause_ms"].is_number() && last_["write_pause_ms"] > 0;
  }
  EXPECT_TRUE(slowed);
  EXPECT_LT(last_["longest_pause_ms"], 200) << last_.dump(1);
}

TEST_F(MovesTest, CreatedGroups_GetSlotsAndRetireAgain) {
  for (uint32_t id = 3; id <= 4; ++id) {
    ASSERT_EQ(Ask(0, "POST", "/v1/groups", R"({"count":1})").first, 200);
    const std::string group = Concat("/v1/groups/", id);
    ASSERT_TRUE(Await(group, [&](const Json& row) {
      Add(static_cast<int>(++adds_ % kKeys));
      return row["slots"] != "" && SlotsOf(GroupId(id)) == kHashSlotCount / 3;
    })) << last_.dump(1);
    ASSERT_EQ(Ask(1, "POST", group + "/retire").first, 200);
    ASSERT_TRUE(Await("/v1/groups", [&](const Json& answer) {
      Add(static_cast<int>(++adds_ % kKeys));
      return answer["groups"].size() == 3;
    })) << last_.dump(1);
    ExpectCounts();
  }
}

// The fourth node has no replica of the controller.
TEST_F(MembersTest, NodeWithoutTheController_LearnsNewOwnersAtOnce) {
  Begin({.nodes = 4, .groups = 2, .replicas = 3});
  ASSERT_TRUE(AwaitAddresses(4)) << last_.dump(1);
  ASSERT_EQ(host(3).core(kControllerGroup), nullptr);
  auto client = cluster_->ConnectResp(3);
  ASSERT_EQ(Ask(0, "POST", "/v1/moves", R"({"to":2,"slots":"0-8191"})").first,
            200);
  for (int round = 0; last_["phase"] != "done"; ++round) {
    ASSERT_LT(round, 10'000) << last_.dump(1);
    EXPECT_EQ(cluster_->Command(*client, {"SET", "{b}", "v"}), "+OK\r\n");
    if (round % 20 == 0) last_ = Ask(0, "GET", "/v1/moves/1").second;
  }
  EXPECT_GE(last_["held_requests"], 1) << last_.dump(1);
  EXPECT_LT(last_["longest_pause_ms"], 50) << last_.dump(1);
}

// Nodes with little memory. All keys are in slots of group 1.
class FullNodesTest : public MovesTest {
 protected:
  static constexpr int kBytes = 20'000;

  void SetUp() override {
    Begin({.nodes = 3, .groups = 2, .adjust = [](Config& config) {
             config.limits.memory_bytes = 1'500'000;
           }});
    ASSERT_TRUE(AwaitAddresses(3)) << last_.dump(1);
    client_ = cluster_->ConnectResp(0);
  }
  void Fill(std::string_view prefix, int count) {
    const std::string value(kBytes, 'v');
    for (int i = 0; i < count; ++i) {
      ASSERT_EQ(cluster_->Command(*client_, {"SET", Concat(prefix, i), value}),
                "+OK\r\n");
    }
  }
  void LimitMemory(std::string_view bytes) {
    for (size_t node = 0; node < 3; ++node) {
      auto client = cluster_->ConnectResp(node);
      EXPECT_EQ(
          cluster_->Command(*client, {"CONFIG", "SET", "maxmemory", bytes}),
          "+OK\r\n");
    }
  }
  bool AwaitNoRoom(std::string_view move) {
    return Await(move, [](const Json& row) {
      return row["problem"].is_string() &&
             absl::StrContains(row["problem"].get<std::string>(),
                               "group 2 has no memory for the slots");
    });
  }
};

TEST_F(FullNodesTest, MoveWithoutRoom_CopiesNothingAndSaysWhy) {
  Fill("{a}", 50);  // Slot 15495 of group 2.
  ASSERT_TRUE(AwaitPhase(Move(R"({"to":1,"slots":"15495"})"), "prepare"));
  ASSERT_TRUE(Await("/v1/moves/1", [](const Json& row) {
    return row["problem"].is_string();
  })) << last_.dump(1);
  EXPECT_TRUE(
      absl::StrContains(last_["problem"].get<std::string>(),
                        "group 1 has no memory for the slots: delete keys"))
      << last_.dump(1);
  EXPECT_EQ(last_["phase"], "prepare");
  EXPECT_EQ(last_["bytes_done"], 0);
  for (size_t node = 0; node < 3; ++node) {
    EXPECT_TRUE(cluster_->server(node).store(GroupId(1))->moves().empty());
  }
  LimitMemory("6000000");
  ASSERT_TRUE(Await("/v1/moves/1", [](const Json& row) {
    return row["phase"] == "done" && row["problem"].is_null();
  })) << last_.dump(1);
}

TEST_F(FullNodesTest, CopyThatRunsOutOfRoom_SaysWhyAndCanBeCancelled) {
  Fill("{b}", 8);  // Slot 3300 of group 1.
  const std::string move =
      Move(R"({"to":2,"slots":"3300","bytes_per_second":20000})");
  ASSERT_TRUE(AwaitPhase(move, "copy")) << last_.dump(1);
  const std::string value(kBytes, 'v');
  for (int i = 0; i < 100; ++i) {
    cluster_->Command(*client_, {"SET", Concat("{a}", i), value});
  }
  ASSERT_TRUE(AwaitNoRoom(move)) << last_.dump(1);
  EXPECT_EQ(last_["phase"], "copy");
  // The reason stands as long as that is so.
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(Ask(0, "GET", move).second["problem"].is_string());
    cluster_->world().RunFor(Milliseconds(170));
  }
  EXPECT_EQ(Ask(1, "POST", move + "/cancel").first, 200);
  ASSERT_TRUE(Await(move, [](const Json& row) {
    return row["phase"] == "cancelled";
  })) << last_.dump(1);
  EXPECT_EQ(cluster_->Command(*client_, {"STRLEN", "{b}7"}), ":20000\r\n");
  const size_t leader = cluster_->LeaderOf(GroupId(2));
  ASSERT_LT(leader, 3u);
  EXPECT_TRUE(cluster_->server(leader).store(GroupId(2))->moves().empty());
}

// Each store is refused by the node that it asks first. It never comes back to
// the one that it asked second.
TEST_F(MembersTest, RefusedStores_LeaveRoomForOthers) {
  Begin({.nodes = 2, .groups = 1});
  ASSERT_TRUE(AwaitAddresses(2)) << last_.dump(1);
  const Json old = Ask(0, "POST", "/v1/nodes").second;
  ASSERT_EQ(cluster_->StartNew(Joining(old)), absl::OkStatus());
  for (int i = 0; i < 70; ++i) {
    Config config = Joining(old);
    config.join->seeds = {"n2:9001", "n1:9001"};
    const absl::Status refused = cluster_->StartNew(config);
    ASSERT_TRUE(absl::StrContains(refused.message(), "has another store"))
        << refused;
  }
  Config config = Joining(Ask(0, "POST", "/v1/nodes").second);
  config.join->seeds = {"n1:9001"};
  EXPECT_EQ(cluster_->StartNew(config), absl::OkStatus());
}

// The replicas of a replaced node wait for its process.
TEST_F(MembersTest, WishThatWaits_IsShownWithItsReason) {
  Begin({.nodes = 3, .groups = 2});
  ASSERT_TRUE(AwaitAddresses(3)) << last_.dump(1);
  const auto page = [&](std::string_view path) {
    auto client = cluster_->ConnectHttp(0);
    return cluster_->CallHttp(
        *client, Concat("GET ", path, " HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  };
  EXPECT_EQ(page("/readyz?verbose").find("wanted"), std::string::npos);
  cluster_->Crash(1, sim::CrashKind::kMachine);
  ASSERT_EQ(Ask(0, "POST", "/v1/nodes/2/replace").first, 200);
  ASSERT_TRUE(Await("/v1/groups/1", [](const Json& group) {
    return group["problem"] == "waits for node 2 to join";
  })) << last_.dump(1);
  const std::string ready = page("/readyz?verbose");
  EXPECT_NE(ready.find("[ ]group 1 is not as it is wanted: waits for node 2"),
            std::string::npos)
      << ready;
  EXPECT_NE(page("/metrics").find("quorate_wish_stuck{node=\"2\"} 1"),
            std::string::npos);
}

TEST_F(MembersTest, ReplacedNode_ComesBackOnAnEmptyDisk) {
  Begin({.nodes = 3, .groups = 2});
  ASSERT_TRUE(AwaitAddresses(3)) << last_.dump(1);
  auto client = cluster_->ConnectResp(0);
  EXPECT_EQ(cluster_->Command(*client, {"SET", "k", "v"}), "+OK\r\n");
  cluster_->Crash(1, sim::CrashKind::kMachine);
  const auto [status, answer] = Ask(0, "POST", "/v1/nodes/2/replace");
  ASSERT_EQ(status, 200) << answer.dump(1);
  EXPECT_EQ(answer["id"], 2);
  const Config config = Joining(answer);
  ASSERT_EQ(cluster_->StartNew(config), absl::OkStatus());
  ASSERT_TRUE(Await("/v1/groups", [](const Json& groups) {
    for (const Json& group : groups["groups"]) {
      if (group["voters"] != Json({1, 2, 3}) || !group["settled"]) return false;
    }
    return true;
  })) << last_.dump(1);
  EXPECT_NE(cluster_->server(3).store(GroupId(1)), nullptr);
  // The token has done its work, and the old disk is out of the cluster.
  Config twice = config;
  twice.listen.peer = "n5:9001";
  twice.nodes[0].peer = "n5:9001";
  const absl::Status again = cluster_->StartNew(twice);
  EXPECT_TRUE(absl::StrContains(again.message(), "has another store")) << again;
}

// A leader hears all others, and never itself.
TEST_F(MembersTest, SilentNodeThatComesToLead_AnswersAgain) {
  Begin({.nodes = 3, .groups = 1});
  ASSERT_TRUE(AwaitAddresses(3)) << last_.dump(1);
  const size_t leader = AwaitController();
  const size_t silent = (leader + 1) % 3;
  Cut(silent, true);
  const NodeId node(static_cast<uint32_t>(silent + 1));
  const auto counts_as_silent = [&](size_t on) {
    return StateOn(on).FindNode(node)->silent_since > WallTime(0);
  };
  ASSERT_TRUE(RunUntil([&] { return counts_as_silent(leader); }));
  Cut(silent, false);
  ASSERT_TRUE(RunUntil([&] {
    if (!host(leader).core(kControllerGroup)->transferring()) {
      host(leader).TransferLeadership(
          kControllerGroup,
          raft::ReplicaOn(host(leader).core(kControllerGroup)->configuration(),
                          node));
    }
    return cluster_->LeaderOf(kControllerGroup) == silent;
  }));
  ASSERT_TRUE(counts_as_silent(silent));
  EXPECT_TRUE(RunUntil([&] { return !counts_as_silent(silent); }));
}

// A new leader has not heard of any member yet.
TEST_F(MembersTest, NewLeader_KeepsTheVotersThatItHears) {
  Begin({.nodes = 3, .groups = 1});
  ASSERT_TRUE(AwaitAddresses(3)) << last_.dump(1);
  cluster_->Crash(2);
  cluster_->world().RunFor(Seconds(2));
  ASSERT_EQ(Ask(0, "PATCH", "/v1/groups/1", "{\"replicas\":1}").first, 200);
  ASSERT_TRUE(Await("/v1/groups/1", [](const Json& group) {
    return group["wanted"] == Json({3}) &&
           group["problem"] ==
               "of the voters that would remain, node 3 do not answer";
  })) << last_.dump(1);
  const GroupId group(1);
  const size_t next = 1 - cluster_->LeaderOf(group);
  ASSERT_TRUE(RunUntil([&] {
    const raft::Core* const leader = host(1 - next).core(group);
    if (!leader->transferring()) {
      host(1 - next).TransferLeadership(
          group, raft::ReplicaOn(leader->configuration(),
                                 NodeId(static_cast<uint32_t>(next + 1))));
    }
    return cluster_->LeaderOf(group) == next;
  }));
  cluster_->world().RunFor(Seconds(5));
  auto client = cluster_->ConnectResp(0);
  EXPECT_EQ(cluster_->Command(*client, {"SET", "k", "v"}), "+OK\r\n");
  cluster_->Restart(2);
  EXPECT_TRUE(Await("/v1/groups/1", [](const Json& row) {
    return row["voters"] == Json({3}) && row["settled"];
  })) << last_.dump(1);
}

// The group counts it as a voter already.
TEST_F(MembersTest, NodeThatIsCutOffWhileItsGroupBegins_GetsAReplica) {
  Begin({.nodes = 3, .groups = 1});
  ASSERT_TRUE(AwaitAddresses(3)) << last_.dump(1);
  const size_t leader = AwaitController();
  const size_t late = (leader + 1) % 3;
  ASSERT_EQ(Ask(leader, "POST", "/v1/groups", "{\"replicas\":3}").first, 200);
  const GroupId group(2);
  ASSERT_TRUE(RunUntil([&] {
    const shardctrl::GroupRecord* const made = StateOn(leader).FindGroup(group);
    const NodeId node(static_cast<uint32_t>(late + 1));
    return made != nullptr && made->WantedOn(node) != nullptr &&
           made->WantedOn(node)->replica != ReplicaId();
  }));
  Cut(late, true);
  ASSERT_TRUE(RunUntil(
      [&] { return StateOn(leader).FindGroup(group)->reported.has_value(); }));
  ASSERT_TRUE(host(late).prepared().contains(group));
  Cut(late, false);
  EXPECT_TRUE(RunUntil([&] { return host(late).group_status(group).ok(); }));
  EXPECT_TRUE(Await("/v1/groups/2", [](const Json& row) {
    return row["voters"] == Json({1, 2, 3}) && row["settled"];
  })) << last_.dump(1);
}

// Node 1 was founded alone, so its map has no other node. Its configuration
// has, and they cannot know where it is now.
TEST_F(MembersTest, FounderWithOtherAddresses_FindsNodesThatJoined) {
  Begin({.nodes = 1, .groups = 1});
  ASSERT_TRUE(AwaitAddresses(1)) << last_.dump(1);
  for (int i = 0; i < 2; ++i) {
    const Json added = Ask(0, "POST", "/v1/nodes").second;
    ASSERT_EQ(cluster_->StartNew(Joining(added)), absl::OkStatus());
  }
  const std::string controller =
      Concat("/v1/groups/", kControllerGroup.value());
  ASSERT_TRUE(Await(controller, [](const Json& group) {
    return group["voters"] == Json({1, 2, 3}) && group["settled"];
  })) << last_.dump(1);
  cluster_->Crash(2);
  Config moved = cluster_->config(0);
  moved.bootstrap = false;
  moved.listen = {.admin = "moved:8101", .allow_non_loopback = true};
  moved.nodes[0] = {.id = NodeId(1),
                    .resp = "moved:7001",
                    .resp_cluster = "moved:7101",
                    .http = "moved:8001",
                    .peer = "moved:9001"};
  ASSERT_EQ(CompleteConfig(&moved, {}), absl::OkStatus());
  ASSERT_EQ(cluster_->RestartWith(0, moved), absl::OkStatus());
  EXPECT_TRUE(Await("/v1/nodes/1", [](const Json& node) {
    return node["addresses"]["peer"] == "moved:9001";
  })) << last_.dump(1);
}

// The router joined when node 1 was alone. Now node 3 is. Only the addresses
// that the router has noted show the way.
TEST_F(MembersTest, RouterWhoseFirstNodesAreGone_FindsTheOthers) {
  Begin({.nodes = 1, .groups = 1});
  ASSERT_TRUE(AwaitAddresses(1)) << last_.dump(1);
  for (const char* const role : {"router", "data"}) {
    const Json added =
        Ask(0, "POST", "/v1/nodes", Concat("{\"role\":\"", role, "\"}")).second;
    ASSERT_EQ(cluster_->StartNew(Joining(added)), absl::OkStatus());
  }
  ASSERT_TRUE(AwaitAddresses(3)) << last_.dump(1);
  ASSERT_EQ(Ask(0, "POST", "/v1/nodes/1/remove", "{\"lost\":false}").first,
            200);
  ASSERT_TRUE(RunUntil([&] {
    return host(2).group_status(kControllerGroup).ok() &&
           StateOn(2).FindNode(NodeId(1))->state ==
               shardctrl::NodeState::kRemoved;
  }));
  cluster_->world().RunFor(Seconds(3));
  cluster_->Crash(0);
  cluster_->Crash(1);
  cluster_->Restart(1);
  cluster_->world().RunFor(Seconds(5));
  auto client = cluster_->ConnectResp(1);
  EXPECT_EQ(cluster_->Command(*client, {"SET", "k", "v"}), "+OK\r\n");
}

// Node 3 came while the router was down, and has the address of node 1 now. It
// knows the router, which refuses it.
TEST_F(MembersTest, RouterThatKnowsNoNodeThatIsLeft_LearnsFromAnother) {
  Begin({.nodes = 1, .groups = 1});
  ASSERT_TRUE(AwaitAddresses(1)) << last_.dump(1);
  const Json router =
      Ask(0, "POST", "/v1/nodes", "{\"role\":\"router\"}").second;
  ASSERT_EQ(cluster_->StartNew(Joining(router)), absl::OkStatus());
  ASSERT_TRUE(AwaitAddresses(2)) << last_.dump(1);
  cluster_->Crash(1);
  const Json added = Ask(0, "POST", "/v1/nodes").second;
  ASSERT_EQ(cluster_->StartNew(Joining(added)), absl::OkStatus());
  ASSERT_TRUE(AwaitAddresses(3)) << last_.dump(1);
  ASSERT_EQ(Ask(0, "POST", "/v1/nodes/1/remove", "{\"lost\":false}").first,
            200);
  ASSERT_TRUE(RunUntil([&] {
    return host(2).group_status(kControllerGroup).ok() &&
           StateOn(2).FindNode(NodeId(1))->state ==
               shardctrl::NodeState::kRemoved;
  }));
  cluster_->Crash(0);
  cluster_->Crash(2);
  Config moved = cluster_->config(2);
  moved.listen.peer = "n1:9001";
  ASSERT_EQ(cluster_->RestartWith(2, moved), absl::OkStatus());
  cluster_->Restart(1);
  cluster_->world().RunFor(Seconds(10));
  auto client = cluster_->ConnectResp(1);
  EXPECT_EQ(cluster_->Command(*client, {"SET", "k", "v"}), "+OK\r\n");
}

// A learner does not notice by itself that it is none any more.
TEST_F(MembersTest, FormerLearnerOfTheController_LearnsNewStates) {
  Begin({.nodes = 4, .groups = 1});
  ASSERT_TRUE(AwaitAddresses(4)) << last_.dump(1);
  const Json added = Ask(0, "POST", "/v1/nodes").second;
  ASSERT_EQ(cluster_->StartNew(Joining(added)), absl::OkStatus());
  // It hears of the leader, and does not catch up.
  ASSERT_TRUE(
      RunUntil([&] { return host(4).group_status(kControllerGroup).ok(); }));
  cluster_->world().StallDisk(cluster_->machine(4),
                              cluster_->world().now() + Seconds(3));
  ASSERT_TRUE(
      RunUntil([&] { return host(4).leader(kControllerGroup) != NodeId(); }));
  ASSERT_EQ(Ask(0, "POST", "/v1/nodes/5/drain").first, 200);
  EXPECT_TRUE(Await("/v1/nodes/5", [](const Json& node) {
    return node["replicas"] == 0;
  })) << last_.dump(1);
  EXPECT_TRUE(RunUntil([&] { return host(4).groups().empty(); }));
}

// The node needs a snapshot, and its disk is slow. It does not see that its
// report has come, and may not report that it started for ever: its replica
// would lack those entries, too.
TEST_F(MembersTest, NodeWithAnOldState_ReportsOnce) {
  Begin({.nodes = 3, .groups = 1, .adjust = [](Config& config) {
           config.host.snapshot_threshold_bytes = 1024;
           config.host.snapshot_trailing_bytes = 0;
         }});
  ASSERT_TRUE(AwaitAddresses(3)) << last_.dump(1);
  const size_t leader = AwaitController();
  const size_t behind = (leader + 1) % 3;
  const raft::Core& core = *host(leader).core(kControllerGroup);
  const raft::Index known = core.last().index;
  cluster_->Crash(behind);
  for (int i = 0; i < 30; ++i) {
    ASSERT_EQ(Ask(leader, "POST", "/v1/nodes").first, 200);
  }
  ASSERT_TRUE(RunUntil([&] { return core.log_start().index > known; }));
  ASSERT_EQ(cluster_->RestartWith(behind, cluster_->config(behind)),
            absl::OkStatus());
  const uint64_t before = core.last().index.value();
  cluster_->world().StallDisk(cluster_->machine(behind),
                              cluster_->world().now() + Seconds(3));
  cluster_->world().RunFor(Seconds(2));
  ASSERT_EQ(cluster_->LeaderOf(kControllerGroup), leader);
  EXPECT_GT(core.last().index.value(), before);
  EXPECT_LE(core.last().index.value(), before + 4);
}

// Nodes 2 and 3 are gone with the majority of every group, the controller's
// too. Node 1 is left, and has what was written.
class LostMajorityTest : public MembersTest {
 protected:
  static constexpr std::string_view kAccept = "{\"accept_loss\": true}";

  void LoseTwoOfThree(bool read_only_node = false) {
    Begin({.nodes = 3, .groups = 2});
    ASSERT_TRUE(AwaitAddresses(3)) << last_.dump(1);
    if (read_only_node) {
      AddNode("{\"role\": \"read-only\"}");
      ASSERT_TRUE(Await("/v1/groups/2", [](const Json& row) {
        return row["learners"] == Json({4});
      })) << last_.dump(1);
    }
    auto client = cluster_->ConnectResp(0);
    EXPECT_EQ(cluster_->Command(*client, {"SET", "k", "v"}), "+OK\r\n");
    EXPECT_EQ(Ask(0, "POST", "/v1/groups/1/recover", kAccept).first, 409);
    EXPECT_EQ(Ask(0, "POST", "/v1/groups/4294967295/recover", kAccept).first,
              409);
    cluster_->world().RunFor(Seconds(2));
    for (const size_t n : {1u, 2u}) {
      cluster_->Crash(n, sim::CrashKind::kMachine);
    }
    cluster_->world().RunFor(Seconds(5));
  }
  // First the controller, then the groups.
  void RecoverAll();
  void Remove(int node) {
    const auto [removed, answer] = Ask(
        0, "POST", Concat("/v1/nodes/", node, "/remove"), "{\"lost\": true}");
    EXPECT_EQ(removed, 200) << answer.dump(1);
  }
  void AddNode(std::string_view body = "") {
    const auto [added, node] = Ask(0, "POST", "/v1/nodes", body);
    ASSERT_EQ(added, 200) << node.dump(1);
    ASSERT_EQ(cluster_->StartNew(Joining(node)), absl::OkStatus());
  }
  // The voters of every group will be on these nodes.
  bool AwaitVoters(const Json& nodes) {
    return Await("/v1/groups", [&](const Json& groups) {
      for (const Json& group : groups["groups"]) {
        if (group["voters"] != nodes || !group["settled"]) return false;
      }
      return true;
    });
  }
  // Nodes 2 and 3 come back together with their disks: once a majority of every
  // group. They never answer from that time. A write that they confirm is one
  // of the recovered group.
  void ExpectNoHarmOfTheOldMembers() {
    for (const size_t n : {1u, 2u}) cluster_->Restart(n);
    auto first = cluster_->ConnectResp(0);
    for (int i = 0; i < 100; ++i) {
      for (const size_t n : {1u, 2u}) {
        auto client = cluster_->ConnectResp(n);
        if (!client->connected()) continue;
        SCOPED_TRACE(Concat("node ", n + 1, ", time ", i));
        const auto call = [&](std::string_view line) {
          client->Send(line);
          cluster_->world().RunFor(Milliseconds(50));
          return client->Take();
        };
        EXPECT_NE(call("GET k\r\n"), "$1\r\nv\r\n");
        if (call("SET k x\r\n") != "+OK\r\n") continue;
        EXPECT_EQ(cluster_->Command(*first, {"GET", "k"}), "$1\r\nx\r\n");
        EXPECT_EQ(cluster_->Command(*first, {"SET", "k", "w"}), "+OK\r\n");
      }
    }
    EXPECT_EQ(cluster_->Command(*first, {"SET", "k", "w"}), "+OK\r\n");
  }
};

void LostMajorityTest::RecoverAll() {
  for (const std::string_view group : {"4294967295", "1", "2"}) {
    const std::string target = Concat("/v1/groups/", group);
    ASSERT_TRUE(
        Await(Concat(target, "/survivors"),
              [](const Json& answer) {
                return answer["choice"] == 1 && answer["lost"] == Json({2, 3});
              }))
        << group << last_.dump(1);
    EXPECT_GT(last_["survivors"][0]["last_index"], 0);
    int status = 0;
    Json answer;
    // The controller notices first that the nodes are silent.
    for (int i = 0; i < 100; ++i) {
      std::tie(status, answer) = Ask(0, "POST", Concat(target, "/recover"));
      EXPECT_EQ(status, 409) << answer.dump(1);
      const std::string why = answer["error"]["message"];
      if (absl::StrContains(why, "Nothing has changed")) break;
      cluster_->world().RunFor(Milliseconds(200));
    }
    std::tie(status, answer) =
        Ask(0, "POST", Concat(target, "/recover"), kAccept);
    ASSERT_EQ(status, 200) << group << answer.dump(1);
    ASSERT_TRUE(Await(target, [](const Json& row) {
      return row["recovering"].is_null() && row["leader"] == 1 &&
             row["voters"] == Json({1});
    })) << last_.dump(1);
  }
  auto client = cluster_->ConnectResp(0);
  EXPECT_EQ(cluster_->Command(*client, {"GET", "k"}), "$1\r\nv\r\n");
  EXPECT_EQ(cluster_->Command(*client, {"SET", "k", "w"}), "+OK\r\n");
}

// The lists say so before the controller is recovered, too.
TEST_F(LostMajorityTest, Lists_ShowWhatTheLastNodeKnows) {
  LoseTwoOfThree();
  ASSERT_TRUE(Await("/v1/groups", [](const Json& answer) {
    return answer.contains("outdated");
  })) << last_.dump(1);
  for (const Json& group : last_["groups"]) {
    EXPECT_TRUE(group["leader"].is_null()) << group.dump(1);
    EXPECT_TRUE(absl::StrContains(std::string(group["problem"]),
                                  "has no majority: 1 of 3 voters work; start "
                                  "nodes 2, 3"))
        << group.dump(1);
  }
  const auto [status, nodes] = Ask(0, "GET", "/v1/nodes");
  EXPECT_EQ(status, 200);
  EXPECT_EQ(nodes["nodes"][0]["state"], "up");
  EXPECT_EQ(nodes["nodes"][1]["state"], "down");
  EXPECT_EQ(Ask(0, "GET", "/v1/nodes/1").first, 503)
      << "a wish is awaited by this";
}

TEST_F(LostMajorityTest, Recovery_LetsTheLastNodeServe) {
  LoseTwoOfThree();
  RecoverAll();
  AddNode();
  cluster_->Restart(1);
  Remove(3);
  ASSERT_TRUE(AwaitVoters({1, 2, 4})) << last_.dump(1);
  auto other = cluster_->ConnectResp(1);
  EXPECT_EQ(cluster_->Command(*other, {"GET", "k"}), "$1\r\nw\r\n");
}

// Its learners never notice that their leaders are gone.
TEST_F(LostMajorityTest, ReadOnlyNode_DoesNotStandInTheWay) {
  LoseTwoOfThree(/*read_only_node=*/true);
  RecoverAll();
}

TEST_F(LostMajorityTest, OldMembersThatComeBackTogether_AreFilledAgain) {
  LoseTwoOfThree();
  RecoverAll();
  ExpectNoHarmOfTheOldMembers();
  ASSERT_TRUE(AwaitVoters({1, 2, 3})) << last_.dump(1);
  auto other = cluster_->ConnectResp(2);
  EXPECT_EQ(cluster_->Command(*other, {"GET", "k"}), "$1\r\nw\r\n");
}

// They reach no other node at first, so they lead, with a controller of theirs.
TEST_F(LostMajorityTest, OldMembersThatLead_GiveUpOnceTheyHearOfTheRecovery) {
  LoseTwoOfThree();
  RecoverAll();
  cluster_->Crash(0);
  for (const size_t n : {1u, 2u}) cluster_->Restart(n);
  ASSERT_TRUE(cluster_->world().RunUntilTrue([&] {
    auto old = cluster_->ConnectResp(1);
    return old->connected() &&
           cluster_->Command(*old, {"GET", "k"}) == "$1\r\nv\r\n";
  }));
  cluster_->world().RunFor(Seconds(10));
  cluster_->Restart(0);
  // No leader of before the recovery takes a recovered replica in.
  EXPECT_TRUE(cluster_->world().RunUntilTrue([&] {
    for (const size_t n : {0u, 1u, 2u}) {
      const raft::Host& host = cluster_->server(n).host();
      if (host.groups().size() < 3) return false;
      for (const GroupId group : host.groups()) {
        if (host.core(group)->configuration().generation < 1) return false;
      }
    }
    return true;
  }));
  ASSERT_TRUE(AwaitVoters({1, 2, 3})) << last_.dump(1);
  for (const size_t n : {0u, 1u, 2u}) {
    auto client = cluster_->ConnectResp(n);
    EXPECT_EQ(cluster_->Command(*client, {"GET", "k"}), "$1\r\nw\r\n") << n;
  }
}

TEST_F(LostMajorityTest, OldMembersThatWereRemoved_GiveTheirReplicasUp) {
  LoseTwoOfThree();
  RecoverAll();
  AddNode();
  AddNode();
  for (const int lost : {2, 3}) Remove(lost);
  ASSERT_TRUE(AwaitVoters({1, 4, 5})) << last_.dump(1);
  ExpectNoHarmOfTheOldMembers();
  for (const size_t n : {1u, 2u}) {
    EXPECT_EQ(cluster_->server(n).host().groups(), std::vector<GroupId>());
  }
  auto other = cluster_->ConnectResp(4);
  EXPECT_EQ(cluster_->Command(*other, {"GET", "k"}), "$1\r\nw\r\n");
}

}  // namespace
}  // namespace quorate::node

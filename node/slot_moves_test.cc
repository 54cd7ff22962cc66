// Slots move between groups of a simulated cluster while clients go on.
#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "kv/slots/slot.h"
#include "kv/store/store.h"
#include "node/base/text.h"
#include "node/testing/operated_cluster.h"
#include "node/testing/test_cluster.h"
#include "shardctrl/controller/state.h"

namespace quorate::node {
namespace {

using Json = nlohmann::json;
using shardctrl::kControllerGroup;

// Slots change their group while clients write to them.
class MovesTest : public OperatedCluster {
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
  // Slots follow the weights at the next rebalance.
  EXPECT_EQ(Ask(2, "PATCH", "/v1/groups/1", R"({"weight":0})").first, 400);
  EXPECT_EQ(Ask(2, "PATCH", "/v1/groups/1", R"({"weight":300})").first, 200);
  EXPECT_EQ(Ask(2, "GET", "/v1/groups/1").second["weight"], 300);
  ASSERT_EQ(Ask(2, "POST", "/v1/rebalance").first, 200);
  ASSERT_TRUE(AwaitPhase("/v1/moves/3", "done")) << last_.dump(1);
  EXPECT_EQ(SlotsOf(GroupId(1)), kHashSlotCount / 4 * 3);
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

// The copy takes less once its answers take 3 ms more than without a queue
// (env/bulk/bulk_pace.h).
TEST_F(MovesTest, ClientsOfOtherSlots_HardlyWaitForACopy) {
  const std::string value(20'000, 'v');
  for (int i = 0; i < 600; ++i) {  // Slot 3300 of group 1.
    ASSERT_EQ(cluster_->Command(*client_, {"SET", Concat("{b}", i), value}),
              "+OK\r\n");
  }
  sim::World& world = cluster_->world();
  // The longest of some writes to slot 7365 of group 1, and 11298 of group 2.
  const auto longest = [&](int rounds) {
    Duration longest;
    for (int i = 0; i < rounds; ++i) {
      for (const std::string_view key : {"{c}", "{d}"}) {
        const sim::SimTime begin = world.now();
        EXPECT_EQ(cluster_->Command(*client_, {"SET", key, "value"}),
                  "+OK\r\n");
        longest = std::max(longest, world.now() - begin);
      }
    }
    return longest;
  };
  const Duration before = longest(1'000);
  const auto copied = [&] {
    int64_t bytes = 0;
    for (size_t node = 0; node < 3; ++node) {
      bytes += cluster_->Metric(node,
                                "quorate_bulk_bytes_total{kind=\"slot_copy\"}");
    }
    return bytes;
  };
  const std::string move = Move(R"({"to":2,"slots":"3300"})");
  const int64_t copied_before = copied();
  const Duration during = longest(1'000);
  EXPECT_GT(copied(), copied_before);
  EXPECT_LE(during, before + Milliseconds(8));
  ASSERT_TRUE(Await(move, [&](const Json& row) {
    return row["phase"] == "done";
  })) << last_.dump(1);
}

// No entry changes the source, so the next copy of the slot is equal.
TEST_F(MovesTest, DestinationThatIsCutOffWithinASlot_GetsTheRest) {
  const std::string value(3'000, 'v');
  for (int i = 0; i < 1'500; ++i) {  // Slot 3300 of group 1.
    ASSERT_EQ(cluster_->Command(*client_, {"SET", Concat("{b}", i), value}),
              "+OK\r\n");
  }
  const std::string move =
      Move(R"({"to":2,"slots":"3300","bytes_per_second":1000000})");
  cluster_->world().RunFor(Seconds(2));
  const size_t leader = cluster_->LeaderOf(GroupId(2));
  Cut(leader, true);
  cluster_->world().RunFor(Seconds(8));
  Cut(leader, false);
  ASSERT_TRUE(Await(move, [&](const Json& row) {
    return row["phase"] == "done";
  })) << last_.dump(1);
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

// The owners on its disk may be those of before the move.
TEST_F(MovesTest, NodeThatStarts_SendsNoClientToAFormerOwner) {
  const std::string move = Move(R"({"to":2,"slots":"0-8191"})");
  ASSERT_TRUE(AwaitPhase(move, "done")) << last_.dump(1);
  for (size_t started = 0; started < 3; ++started) {
    // Each group has a leader elsewhere, also that of the controller.
    cluster_->Crash(started);
    cluster_->world().RunFor(Seconds(2));
    ASSERT_TRUE(cluster_->RestartWith(started, cluster_->config(started)).ok());
    const sim::SimTime end = cluster_->world().now() + Seconds(2);
    while (cluster_->world().now() < end) {
      size_t node = started;
      for (int tries = 0;; ++tries) {
        ASSERT_LE(tries, 1) << started;
        const auto client = cluster_->ConnectRespCluster(node);
        const std::string reply =
            cluster_->Command(*client, {"SET", "{b}", "v"});
        if (reply == "+OK\r\n") break;
        ASSERT_TRUE(absl::StrContains(reply, "-MOVED 3300 n")) << reply;
        node = static_cast<size_t>(reply[reply.find(" n") + 2] - '1');
        ASSERT_LT(node, 3u) << reply;
      }
    }
  }
}

// Only commands on keys are forwarded then: clients add up what each node has.
TEST_F(MovesTest, NodeThatStarts_CountsOnlyKeysOfGroupsThatItLeads) {
  const std::string move = Move(R"({"to":2,"slots":"0-8191"})");
  ASSERT_TRUE(AwaitPhase(move, "done")) << last_.dump(1);
  int asked = 0;
  for (size_t started = 0; started < 3; ++started) {
    cluster_->Crash(started);
    cluster_->world().RunFor(Seconds(2));
    ASSERT_TRUE(cluster_->RestartWith(started, cluster_->config(started)).ok());
    const auto leads = [&] {
      return cluster_->LeaderOf(GroupId(1)) == started ||
             cluster_->LeaderOf(GroupId(2)) == started;
    };
    const sim::SimTime end = cluster_->world().now() + Seconds(2);
    while (cluster_->world().now() < end && !leads()) {
      const auto client = cluster_->ConnectRespCluster(started);
      const std::string reply = cluster_->Command(*client, {"DBSIZE"});
      if (leads()) break;
      ++asked;
      ASSERT_EQ(reply, ":0\r\n") << started;
    }
  }
  EXPECT_GT(asked, 100);
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
        R"({"to":1,"slots":"3200-3299"})", R"({"to":2,"slots":"6000-6999"})",
        R"({"to":2,"slots":"7500-7599"})", R"({"to":2,"slots":"0-16383"})"}) {
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

// Slots move, among them that of a key to which a client writes at a node
// without a replica of the controller.
class NewOwnersTest : public OperatedCluster {
 protected:
  void Move(std::string_view body) {
    const size_t leader = cluster_->LeaderOf(kControllerGroup);
    const auto [status, answer] = Ask(leader, "POST", "/v1/moves", body);
    ASSERT_EQ(status, 200) << answer.dump(1);
    const std::string move =
        Concat("/v1/moves/", answer["moves"][0].get<uint64_t>());
    last_ = Json();
    for (int round = 0; last_["phase"] != "done"; ++round) {
      ASSERT_LT(round, 10'000) << last_.dump(1);
      EXPECT_EQ(cluster_->Command(*client_, {"SET", "{b}", "v"}), "+OK\r\n");
      if (round % 20 == 0) last_ = Ask(leader, "GET", move).second;
    }
    EXPECT_GE(last_["held_requests"], 1) << last_.dump(1);
    EXPECT_LT(last_["longest_pause_ms"], 50) << last_.dump(1);
  }

  std::unique_ptr<TestClient> client_;
};

TEST_F(NewOwnersTest, AreKnownAtOnceWithoutTheController) {
  Begin({.nodes = 4, .groups = 2, .replicas = 3});
  ASSERT_TRUE(AwaitAddresses(4)) << last_.dump(1);
  ASSERT_EQ(host(3).core(kControllerGroup), nullptr);
  client_ = cluster_->ConnectResp(3);
  Move(R"({"to":2,"slots":"0-8191"})");
}

// A node asks the leader that it knew last from time to time, and waits for its
// answer.
TEST_F(NewOwnersTest, AreKnownAtOnceAfterTheControllersLeaderIsGone) {
  Begin({.nodes = 5, .groups = 2, .replicas = 3});
  ASSERT_TRUE(AwaitAddresses(5)) << last_.dump(1);
  const size_t first = cluster_->LeaderOf(kControllerGroup);
  const size_t asked = (first + 1) % 3;
  ASSERT_EQ(Ask(asked, "POST", Concat("/v1/nodes/", first + 1, "/remove"),
                R"({"lost":false})")
                .first,
            200);
  ASSERT_TRUE(RunUntil([&] {
    return StateOn(asked).FindNode(NodeId(first + 1))->state ==
           shardctrl::NodeState::kRemoved;
  }));
  cluster_->world().RunFor(Seconds(2));
  cluster_->Crash(first);
  cluster_->world().RunFor(Seconds(5));
  size_t node = 0;
  while (node == first || host(node).core(kControllerGroup) != nullptr) ++node;
  ASSERT_LT(node, 5u);
  client_ = cluster_->ConnectResp(node);
  for (int i = 0; i < 5; ++i) {
    cluster_->world().RunFor(Milliseconds(700));
    Move(R"({"to":2,"slots":"3300"})");
    cluster_->world().RunFor(Milliseconds(700));
    Move(R"({"to":1,"slots":"3300"})");
  }
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
  // The disk has `left_bytes` besides its files. Returns its former size.
  uint64_t LimitDisk(size_t node, uint64_t left_bytes) {
    sim::World& world = cluster_->world();
    const sim::MachineId machine = cluster_->machine(node);
    for (const auto& name : world.DiskFiles(machine)) {
      left_bytes += world.DiskFileSize(machine, name);
    }
    return std::exchange(world.disk_options(machine).capacity_bytes,
                         left_bytes);
  }
  // Begins a slow move of slot 15495 to group 1, and one of slot 11298, which
  // finds no room beside it. Returns both.
  std::pair<std::string, std::string> MoveTwo(const std::string& problem) {
    const std::string first =
        Move(R"({"to":1,"slots":"15495","bytes_per_second":20000})");
    EXPECT_TRUE(AwaitPhase(first, "copy")) << last_.dump(1);
    const std::string second = Move(R"({"to":1,"slots":"11298"})");
    EXPECT_TRUE(Await(second, [](const Json& row) {
      return row["problem"].is_string();
    })) << last_.dump(1);
    EXPECT_TRUE(absl::StrContains(last_["problem"].get<std::string>(), problem))
        << last_.dump(1);
    return {first, second};
  }
  bool AwaitDone(std::string_view move) {
    return Await(move, [](const Json& row) {
      return row["phase"] == "done" && row["problem"].is_null();
    });
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
                        "node 2 has 485 KiB of memory left, and the slots take "
                        "3219 KiB there: raise limits.memory_bytes"))
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

TEST_F(FullNodesTest, MoveWithoutDisk_CopiesNothingAndSaysWhy) {
  Fill("{a}", 50);  // Slot 15495 of group 2.
  LimitMemory("6000000");
  const uint64_t before = LimitDisk(1, 50 * kBytes);
  cluster_->world().RunFor(Seconds(6));
  const std::string move = Move(R"({"to":1,"slots":"15495"})");
  ASSERT_TRUE(Await(move, [](const Json& row) {
    return row["problem"].is_string();
  })) << last_.dump(1);
  EXPECT_TRUE(absl::StrContains(last_["problem"].get<std::string>(),
                                "node 2 has 976 KiB of disk left, and the "
                                "slots take 1959 KiB there: free space"))
      << last_.dump(1);
  for (size_t node = 0; node < 3; ++node) {
    EXPECT_TRUE(cluster_->server(node).store(GroupId(1))->moves().empty());
  }
  cluster_->world().disk_options(cluster_->machine(1)).capacity_bytes = before;
  ASSERT_TRUE(Await(move, [](const Json& row) {
    return row["phase"] == "done" && row["problem"].is_null();
  })) << last_.dump(1);
}

// Each of the two would fit alone.
TEST_F(FullNodesTest, MoveWithoutDiskBesideAnEarlierOne_SaysWhy) {
  LimitMemory("9000000");
  Fill("{a}", 50);  // Slot 15495 of group 2.
  Fill("{d}", 50);  // Slot 11298 of group 2.
  for (size_t node = 0; node < 3; ++node) LimitDisk(node, 150 * kBytes);
  cluster_->world().RunFor(Seconds(6));
  const auto [first, second] = MoveTwo(
      " of disk left, and these slots and earlier moves take 3918 KiB there");
  Ask(0, "POST", first + "/cancel");
  ASSERT_TRUE(AwaitDone(second)) << last_.dump(1);
}

TEST_F(FullNodesTest, MoveWithoutMemoryBesideAnEarlierOne_SaysWhy) {
  Fill("{a}", 25);  // Slot 15495 of group 2.
  Fill("{d}", 25);  // Slot 11298 of group 2.
  LimitMemory("4100000");
  const auto [first, second] =
      MoveTwo(" of memory left, and these slots and earlier moves");
  // A group takes part in two moves that copy. Slot 3300 has no keys.
  const std::string third = Move(R"({"to":2,"slots":"3300"})");
  ASSERT_TRUE(AwaitPhase(third, "done")) << last_.dump(1);
  Ask(0, "POST", first + "/cancel");
  ASSERT_TRUE(AwaitDone(second)) << last_.dump(1);
}

// Its bytes will not come, so they take no room from a later one.
TEST_F(FullNodesTest, MoveWithoutMemory_HoldsUpNoLaterOne) {
  LimitMemory("7000000");
  Fill("{a}", 25);   // Slot 15495 of group 2.
  Fill("{d}", 150);  // Slot 11298 of group 2.
  Fill("{e}", 5);    // Slot 15363 of group 2.
  const std::string stands =
      MoveTwo(" of memory left, and these slots and earlier moves").second;
  ASSERT_TRUE(AwaitDone(Move(R"({"to":1,"slots":"15363"})"))) << last_.dump(1);
  LimitMemory("20000000");
  ASSERT_TRUE(AwaitDone(stands)) << last_.dump(1);
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

// The scenarios by which courses test a sharded store: groups join and leave,
// crash, miss changes, and delete what they gave away. Here each group has one
// replica, so that a crash takes it away.
class ShardScenarioTest : public OperatedCluster {
 protected:
  static constexpr int kKeys = 40;

  void Found(uint32_t nodes, uint32_t groups, uint32_t replicas) {
    Begin({.nodes = nodes,
           .groups = groups,
           .replicas = replicas,
           .adjust = [](Config& config) {
             config.host.snapshot_threshold_bytes = 20'000;
             config.host.snapshot_trailing_bytes = 0;
           }});
    ASSERT_TRUE(AwaitAddresses(nodes)) << last_.dump(1);
    for (int i = 0; i < kKeys; ++i) Append(i);
  }
  // Any node that runs serves the key.
  std::string CallAny(std::vector<std::string_view> words) {
    std::string reply = "-no node runs";
    for (size_t node = 0; node < cluster_->size(); ++node) {
      if (down_.contains(node)) continue;
      auto client = cluster_->ConnectResp(node);
      if (!client->connected()) continue;  // It is starting.
      reply = cluster_->Command(*client, words);
      if (!reply.starts_with("-")) return reply;
    }
    return reply;
  }
  void Append(int i) {
    std::string& value = values_[i];
    const std::string word = Concat(value.size(), ".");
    value += word;
    EXPECT_EQ(CallAny({"APPEND", Concat("k", i), word}),
              Concat(":", value.size(), "\r\n"));
  }
  void ExpectValues() {
    for (const auto& [i, value] : values_) {
      EXPECT_EQ(CallAny({"GET", Concat("k", i)}),
                Concat("$", value.size(), "\r\n", value, "\r\n"));
    }
  }
  size_t Running() const {
    size_t node = 0;
    while (down_.contains(node)) ++node;
    return node;
  }
  std::pair<int, Json> Wish(std::string_view target,
                            std::string_view body = "") {
    return Ask(Running(), "POST", target, body);
  }
  // All moves that the controller knows have ended.
  bool AwaitMoves() {
    const auto ended = [](const Json& move) {
      return move["phase"] == "done" || move["phase"] == "cancelled";
    };
    for (int round = 0; round < 600; ++round) {
      const auto [status, answer] = Ask(Running(), "GET", "/v1/moves");
      last_ = answer;
      if (status == 200 && std::ranges::all_of(answer["moves"], ended)) {
        return true;
      }
      cluster_->world().RunFor(Milliseconds(100));
    }
    return false;
  }
  void Down(size_t node) {
    cluster_->Crash(node);
    down_.insert(node);
  }
  void Up(size_t node) {
    cluster_->Restart(node);
    down_.erase(node);
  }
  void RestartAll() {
    for (size_t node = 0; node < cluster_->size(); ++node) Down(node);
    for (size_t node = 0; node < cluster_->size(); ++node) Up(node);
    for (int i = 0; i < kKeys; ++i) {
      ASSERT_TRUE(RunUntil([&] {
        return !CallAny({"GET", Concat("k", i)}).starts_with("-");
      }));
    }
  }
  uint64_t KeysIn(GroupId group) {
    return cluster_->server(cluster_->LeaderOf(group))
        .store(group)
        ->key_count();
  }

  std::map<int, std::string> values_;
  std::set<size_t> down_;
};

TEST_F(ShardScenarioTest, JoinAndLeaveWithRestarts_KeepEveryKey) {
  Found(3, 1, 3);
  for (uint32_t id = 2; id <= 3; ++id) {
    ASSERT_EQ(Wish("/v1/groups", R"({"count":1})").first, 200);
    ASSERT_TRUE(
        RunUntil([&] { return SlotsOf(GroupId(id)) == kHashSlotCount / id; }));
    ASSERT_TRUE(AwaitMoves()) << last_.dump(1);
    ASSERT_NO_FATAL_FAILURE(RestartAll());
    for (int i = 0; i < kKeys; ++i) Append(i);
  }
  const auto [status, answer] = Wish("/v1/groups/1/retire");
  ASSERT_EQ(status, 200) << answer.dump(1);
  ASSERT_TRUE(Await("/v1/groups", [](const Json& answer) {
    return answer["groups"].size() == 3;
  })) << last_.dump(1);
  ASSERT_NO_FATAL_FAILURE(RestartAll());
  ExpectValues();
}

// The owner of some slots is away while others change hands several times.
TEST_F(ShardScenarioTest, GroupThatMissedChanges_ComesBackAndServes) {
  Found(4, 4, 1);
  const size_t away = cluster_->LeaderOf(GroupId(1));
  Down(away);
  for (const std::string_view move : {R"({"to":3,"from":2,"count":2000})",
                                      R"({"to":4,"from":3,"count":3000})",
                                      R"({"to":2,"from":4,"count":1000})"}) {
    ASSERT_TRUE(RunUntil([&] { return Wish("/v1/moves", move).first == 200; }));
    ASSERT_TRUE(AwaitMoves()) << last_.dump(1);
  }
  Up(away);
  ASSERT_TRUE(cluster_->AwaitLeaders());
  ExpectValues();
  for (int i = 0; i < kKeys; ++i) Append(i);
  ExpectValues();
}

// Nodes are cut off, links are slow, and changes overtake each other.
TEST_F(ShardScenarioTest, ConcurrentChangesOnBadLinks_LoseNothing) {
  Found(3, 3, 3);
  cluster_->world().stream_options().latency_min = Milliseconds(15);
  const std::string_view wishes[] = {
      R"({"to":2,"from":1,"count":1500})", R"({"to":3,"from":1,"count":900})",
      R"({"to":1,"from":3,"count":2500})", R"({"to":3,"from":2,"count":700})"};
  for (int round = 0; round < 8; ++round) {
    Wish("/v1/moves", wishes[round % 4]);
    Wish("/v1/moves", wishes[(round + 1) % 4]);
    for (int i = 0; i < 5; ++i) Append((round * 5 + i) % kKeys);
    const size_t node = static_cast<size_t>(round) % 3;
    Cut(node, true);
    cluster_->world().RunFor(Milliseconds(400));
    Cut(node, false);
    cluster_->world().RunFor(Milliseconds(600));
  }
  ASSERT_TRUE(AwaitMoves()) << last_.dump(1);
  ExpectValues();
}

TEST_F(ShardScenarioTest, SlotsThatLeft_AreDeletedAtTheirFormerOwner) {
  Found(3, 2, 3);
  ASSERT_GT(KeysIn(GroupId(1)), 0u);
  ASSERT_EQ(Wish("/v1/moves", R"({"to":2,"slots":"0-16383"})").first, 200);
  ASSERT_TRUE(AwaitMoves()) << last_.dump(1);
  EXPECT_EQ(KeysIn(GroupId(2)), uint64_t{kKeys});
  EXPECT_TRUE(RunUntil([&] { return KeysIn(GroupId(1)) == 0; }));
  EXPECT_TRUE(RunUntil([&] {
    return cluster_->server(cluster_->LeaderOf(GroupId(1)))
        .store(GroupId(1))
        ->moves()
        .empty();
  }));
  ExpectValues();
}

// Slots of a group that is away cannot move. All others serve, and move.
TEST_F(ShardScenarioTest, SlotsThatDoNotMove_AreServedWhileAMoveWaits) {
  Found(4, 3, 1);
  const size_t away = cluster_->LeaderOf(GroupId(1));
  std::vector<int> others;
  for (int i = 0; i < kKeys; ++i) {
    if (kv::HashSlot(Concat("k", i)).value() > 5460) others.push_back(i);
  }
  Down(away);
  ASSERT_TRUE(RunUntil([&] {
    return Wish("/v1/moves", R"({"to":2,"from":1,"count":4000})").first == 200;
  }));
  for (const int i : others) Append(i);
  Up(away);
  ASSERT_TRUE(AwaitMoves()) << last_.dump(1);
  ExpectValues();
}

// Only the controller ends a freeze. So nothing freezes while it is away.
TEST_F(ShardScenarioTest, SlotsOfAMove_AreServedWhileTheControllerIsAway) {
  Found(5, 5, 1);
  ASSERT_EQ(Wish("/v1/moves",
                 R"({"to":5,"from":4,"count":3277,"bytes_per_second":200})")
                .first,
            200);
  ASSERT_TRUE(Await("/v1/moves/1", [](const Json& move) {
    return move["phase"] == "copy";
  })) << last_.dump(1);
  // Three of its five replicas, and none of the groups that take part.
  for (const size_t node : {0, 1, 2}) Down(node);
  cluster_->world().RunFor(Seconds(20));
  // Group 4 has slots 9831 to 13107.
  int served = 0;
  for (int i = 0; i < kKeys; ++i) {
    const Slot slot = kv::HashSlot(Concat("k", i));
    if (slot.value() < 9831 || slot.value() > 13107) continue;
    Append(i);
    ++served;
  }
  EXPECT_GT(served, 3);
  for (const size_t node : {0, 1, 2}) Up(node);
  ASSERT_TRUE(AwaitMoves()) << last_.dump(1);
  ExpectValues();
}

// One of two sources is away. Slots of the other one have arrived, and are
// served.
TEST_F(ShardScenarioTest, SlotsThatArrived_AreServedWhileOthersWait) {
  Found(4, 3, 1);
  const size_t away = cluster_->LeaderOf(GroupId(1));
  Down(away);
  ASSERT_TRUE(RunUntil([&] {
    return Wish("/v1/moves", R"({"to":3,"from":1,"count":4000})").first == 200;
  }));
  ASSERT_EQ(Wish("/v1/moves", R"({"to":3,"from":2,"count":5461})").first, 200);
  // Group 1 has slots 0 to 5460.
  ASSERT_TRUE(RunUntil([&] { return SlotsOf(GroupId(3)) == 10923; }));
  for (int i = 0; i < kKeys; ++i) {
    if (kv::HashSlot(Concat("k", i)).value() > 5460) Append(i);
  }
  Up(away);
  ASSERT_TRUE(AwaitMoves()) << last_.dump(1);
  ExpectValues();
}

}  // namespace
}  // namespace quorate::node

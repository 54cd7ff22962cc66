// Programs of two versions in one cluster, as clients see it. They differ by
// the commands SETBIT and GETBIT, which need level 3, and by reads of keys in
// several slots, which need level 5.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "kv/command/command.h"
#include "kv/store/store.h"
#include "node/base/text.h"
#include "node/testing/test_cluster.h"

namespace quorate::node {
namespace {

constexpr std::string_view kTooEarly =
    "-ERR the command needs level 3, but group 1 is at level 2 until all its "
    "nodes run a program that knows it\r\n";

// Three voters and a read-only node, all with the older program.
class UpgradeTest : public ::testing::Test {
 protected:
  UpgradeTest()
      : cluster_({.nodes = 3,
                  .read_only_nodes = 1,
                  .adjust = [](Config& config) { config.level_max = 2; }}) {
    EXPECT_TRUE(cluster_.AwaitLeaders());
  }

  void StartProgram(size_t node, uint32_t level_max) {
    Config config = cluster_.config(node);
    config.level_max = level_max;
    ASSERT_TRUE(cluster_.RestartWith(node, config).ok());
    ASSERT_TRUE(cluster_.AwaitLeaders());
  }
  std::string Call(size_t node, const std::vector<std::string_view>& words) {
    auto client = cluster_.ConnectResp(node);
    return cluster_.Command(*client, words);
  }
  // Writes and reads through every voting node.
  void ExpectTraffic() {
    for (size_t node = 0; node < 3; ++node) {
      const std::string value = Concat(++writes_);
      EXPECT_EQ(Call(node, {"SET", "k", value}), "+OK\r\n") << "node " << node;
      EXPECT_EQ(Call(node, {"GET", "k"}),
                Concat("$", value.size(), "\r\n", value, "\r\n"));
      EXPECT_EQ(Call(node, {"APPEND", "log", "x"}),
                Concat(":", writes_, "\r\n"));
    }
  }
  std::string Page(size_t node, std::string_view target) {
    auto client = cluster_.ConnectHttp(node);
    return cluster_.CallHttp(
        *client, Concat("GET ", target, " HTTP/1.1\r\nHost: n1\r\n\r\n"));
  }
  // The node says so, and no node leads clients to its replica.
  void ExpectShownAsHalted(size_t halted) {
    const std::string ready = Page(halted, "/readyz");
    EXPECT_TRUE(ready.starts_with("HTTP/1.1 503 ")) << ready;
    EXPECT_NE(ready.find("[-]group 1 is halted: from entry "),
              std::string::npos)
        << ready;
    EXPECT_NE(ready.find("remove raft.level_max, which is 2"),
              std::string::npos)
        << ready;
    const std::string metrics = Page(halted, "/metrics");
    for (const std::string_view sample :
         {"quorate_replica_halted{group=\"1\"} 1\n",
          "quorate_replica_stopped{group=\"1\"} 0\n",
          "quorate_replica_fenced{group=\"1\"} 0\n"}) {
      EXPECT_NE(metrics.find(sample), std::string::npos) << sample;
    }
    const std::string info = Call(halted, {"INFO", "groups"});
    EXPECT_NE(info.find("group1:role=halted,"), std::string::npos) << info;
    EXPECT_NE(info.find(",status=halted\r\n"), std::string::npos) << info;
    const std::string name = Concat("\r\nn", halted + 1, "\r\n");
    for (size_t node = 0; node < cluster_.size(); ++node) {
      auto client = cluster_.ConnectRespCluster(node);
      EXPECT_EQ(cluster_.Command(*client, {"CLUSTER", "SLOTS"}).find(name),
                std::string::npos)
          << "node " << node;
      const std::string nodes = cluster_.Command(*client, {"CLUSTER", "NODES"});
      const size_t at = nodes.find(Concat(" n", halted + 1, ":"));
      ASSERT_NE(at, std::string::npos) << nodes;
      EXPECT_NE(nodes.substr(at, nodes.find('\n', at) - at).find("slave,fail "),
                std::string::npos)
          << nodes;
    }
  }
  uint64_t level() {
    return cluster_.server(0)
        .host()
        .core(GroupId(1))
        ->configuration()
        .level.value();
  }

  TestCluster cluster_;
  int writes_ = 0;
};

TEST_F(UpgradeTest, NodeByNode_TheNewCommandsWaitForTheLastNode) {
  for (size_t node = 0; node < cluster_.size(); ++node) {
    ExpectTraffic();
    for (size_t asked = 0; asked < 3; ++asked) {
      EXPECT_EQ(Call(asked, {"SETBIT", "bits", "7", "1"}), kTooEarly);
      EXPECT_EQ(Call(asked, {"GETBIT", "bits", "7"}), kTooEarly);
      // Each slot is written by a command that the older program knows.
      EXPECT_EQ(Call(asked, {"MSET", "a", "1", "b", "2"}), "+OK\r\n");
      EXPECT_TRUE(Call(asked, {"MGET", "a", "b"})
                      .starts_with("-ERR the command needs level 5, but "));
    }
    auto client = cluster_.ConnectResp(0);
    EXPECT_EQ(cluster_.Command(*client, {"MULTI"}), "+OK\r\n");
    EXPECT_EQ(cluster_.Command(*client, {"SETBIT", "bits", "7", "1"}),
              "+QUEUED\r\n");
    EXPECT_EQ(cluster_.Command(*client, {"EXEC"}), kTooEarly);
    StartProgram(node, 0);
  }
  ASSERT_TRUE(cluster_.world().RunUntilTrue(
      [this] { return level() == kv::kRulesVersion; }));
  ExpectTraffic();
  for (size_t asked = 0; asked < 3; ++asked) {
    const bool first = asked == 0;
    EXPECT_EQ(Call(asked, {"SETBIT", "bits", "7", "1"}),
              first ? ":0\r\n" : ":1\r\n");
    EXPECT_EQ(Call(asked, {"GETBIT", "bits", "7"}), ":1\r\n");
    EXPECT_EQ(Call(asked, {"MGET", "a", "b"}), "*2\r\n$1\r\n1\r\n$1\r\n2\r\n");
  }
}

// The entry that removes the key has the rules of the group's level.
TEST_F(UpgradeTest, DueKeyAtTheLowerLevel_IsRemovedOnEveryNode) {
  const auto keys = [this](size_t node) {
    return cluster_.server(node).store(GroupId(1))->key_count();
  };
  EXPECT_EQ(Call(0, {"SET", "k", "v", "PX", "1000"}), "+OK\r\n");
  EXPECT_EQ(keys(cluster_.LeaderOf(GroupId(1))), 1u);
  cluster_.world().RunFor(Seconds(5));
  EXPECT_EQ(level(), 2u);
  for (size_t node = 0; node < cluster_.size(); ++node) {
    EXPECT_EQ(keys(node), 0u) << "node " << node;
  }
}

TEST_F(UpgradeTest, NodeLeftBehind_ForwardsAndCatchesUp) {
  for (size_t node = 0; node < cluster_.size(); ++node) StartProgram(node, 0);
  ASSERT_TRUE(cluster_.world().RunUntilTrue(
      [this] { return level() == kv::kRulesVersion; }));
  const size_t old = (cluster_.LeaderOf(GroupId(1)) + 1) % 3;
  const size_t leader = cluster_.LeaderOf(GroupId(1));
  StartProgram(old, 2);
  const auto halted = [&] {
    return cluster_.server(old).host().core(GroupId(1))->halted_at() !=
           raft::Index();
  };
  ASSERT_TRUE(cluster_.world().RunUntilTrue(halted));
  cluster_.world().RunFor(Seconds(2));
  ExpectShownAsHalted(old);
  EXPECT_EQ(Call(leader, {"SETBIT", "bits", "7", "1"}), ":0\r\n");
  ExpectTraffic();
  StartProgram(old, 0);
  EXPECT_FALSE(halted());
  EXPECT_EQ(Call(old, {"GETBIT", "bits", "7"}), ":1\r\n");
  ExpectTraffic();
}

// It learns the level from the reports of the others. Its own program does not
// hold the level back.
TEST(UpgradeWithout_NodeWithoutAReplica, ForwardsTheNewCommandsOnceItKnows) {
  TestCluster cluster({.nodes = 4, .adjust = [](Config& config) {
                         config.level_max = config.node.value() < 4 ? 2 : 0;
                         config.shards = {
                             {.group = GroupId(1),
                              .name = "g1",
                              .slots = {{0, 16383}},
                              .replicas = {NodeId(1), NodeId(2), NodeId(3)}}};
                       }});
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectResp(3);
  // The outcome of a batch to a leader that restarts may be unknown.
  const auto settled = [&](const std::vector<std::string_view>& words) {
    std::string reply = cluster.Command(*client, words);
    for (int i = 0; i < 9 && reply.starts_with("-UNKNOWN"); ++i) {
      reply = cluster.Command(*client, words);
    }
    return reply;
  };
  EXPECT_EQ(cluster.Command(*client, {"SETBIT", "bits", "7", "1"}), kTooEarly);
  for (size_t node = 0; node < 3; ++node) {
    Config config = cluster.config(node);
    config.level_max = 0;
    ASSERT_TRUE(cluster.RestartWith(node, config).ok());
    ASSERT_TRUE(cluster.AwaitLeaders());
    EXPECT_EQ(settled({"SET", "k", "v"}), "+OK\r\n");
  }
  cluster.world().RunFor(Seconds(5));
  EXPECT_EQ(settled({"SETBIT", "bits", "7", "1"}), ":0\r\n");
  EXPECT_EQ(settled({"GETBIT", "bits", "7"}), ":1\r\n");
}

}  // namespace
}  // namespace quorate::node

// Programs of two versions in one cluster, as clients see it. The newer one is
// made up: it knows one level more, whose batches mean the same.
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

constexpr uint32_t kOlder = kv::kRulesVersion;
constexpr uint32_t kNewer = kv::kRulesVersion + 1;

// Three voters and a read-only node, all with the older program.
class UpgradeTest : public ::testing::Test {
 protected:
  UpgradeTest()
      : cluster_(
            {.nodes = 3, .read_only_nodes = 1, .adjust = [](Config& config) {
               config.program_level = kOlder;
             }}) {
    EXPECT_TRUE(cluster_.AwaitLeaders());
  }

  void StartProgram(size_t node, uint32_t program_level,
                    uint32_t level_max = 0) {
    Config config = cluster_.config(node);
    config.program_level = program_level;
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
  void ExpectShownAsHalted(size_t halted, std::string_view advice) {
    const std::string ready = Page(halted, "/readyz");
    EXPECT_TRUE(ready.starts_with("HTTP/1.1 503 ")) << ready;
    EXPECT_NE(ready.find("[-]group 1 is halted: from entry "),
              std::string::npos)
        << ready;
    EXPECT_NE(ready.find(advice), std::string::npos) << ready;
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
    return cluster_.server(cluster_.LeaderOf(GroupId(1)))
        .host()
        .core(GroupId(1))
        ->configuration()
        .level.value();
  }
  void UpgradeAll() {
    for (size_t node = 0; node < cluster_.size(); ++node) {
      StartProgram(node, kNewer);
    }
    ASSERT_TRUE(
        cluster_.world().RunUntilTrue([this] { return level() == kNewer; }));
  }

  TestCluster cluster_;
  int writes_ = 0;
};

TEST_F(UpgradeTest, NodeByNode_TheLevelRisesWithTheLastNode) {
  for (size_t node = 0; node < cluster_.size(); ++node) {
    ExpectTraffic();
    EXPECT_EQ(level(), kOlder);
    StartProgram(node, kNewer);
  }
  ASSERT_TRUE(
      cluster_.world().RunUntilTrue([this] { return level() == kNewer; }));
  ExpectTraffic();
  const size_t leader = cluster_.LeaderOf(GroupId(1));
  EXPECT_NE(
      Page(leader, "/metrics").find("quorate_raft_level{group=\"1\"} 2\n"),
      std::string::npos);
}

// An operator keeps a way back.
TEST_F(UpgradeTest, NodeThatIsHeldToTheOlderLevel_HoldsItsGroups) {
  StartProgram(0, kNewer, /*level_max=*/kOlder);
  for (size_t node = 1; node < cluster_.size(); ++node) {
    StartProgram(node, kNewer);
  }
  cluster_.world().RunFor(Seconds(5));
  ExpectTraffic();
  EXPECT_EQ(level(), kOlder);
  StartProgram(1, kOlder);
  ExpectTraffic();
  StartProgram(1, kNewer);
  StartProgram(0, kNewer);
  ASSERT_TRUE(
      cluster_.world().RunUntilTrue([this] { return level() == kNewer; }));
  ExpectTraffic();
}

TEST_F(UpgradeTest, NodeLeftBehind_ForwardsAndCatchesUp) {
  UpgradeAll();
  const size_t old = (cluster_.LeaderOf(GroupId(1)) + 1) % 3;
  const auto halted = [&] {
    return cluster_.server(old).host().core(GroupId(1))->halted_at() !=
           raft::Index();
  };
  StartProgram(old, kOlder);
  ASSERT_TRUE(cluster_.world().RunUntilTrue(halted));
  cluster_.world().RunFor(Seconds(2));
  ExpectShownAsHalted(old, "start the newer program");
  ExpectTraffic();
  StartProgram(old, kNewer, /*level_max=*/kOlder);
  ASSERT_TRUE(cluster_.world().RunUntilTrue(halted));
  cluster_.world().RunFor(Seconds(2));
  ExpectShownAsHalted(old, "remove raft.level_max, which is 1");
  ExpectTraffic();
  StartProgram(old, kNewer);
  EXPECT_FALSE(halted());
  ExpectTraffic();
}

// It learns the level from the reports of the others. Its own program does not
// hold the level back, and forwards what it knows.
TEST(UpgradeWithout_NodeWithoutAReplica, ForwardsAtEachLevel) {
  for (const uint32_t program : {kOlder, kNewer}) {
    TestCluster cluster({.nodes = 4, .adjust = [](Config& config) {
                           config.program_level = kOlder;
                           config.shards = {
                               {.group = GroupId(1),
                                .name = "g1",
                                .slots = {{0, 16383}},
                                .replicas = {NodeId(1), NodeId(2), NodeId(3)}}};
                         }});
    ASSERT_TRUE(cluster.AwaitLeaders());
    Config without = cluster.config(3);
    without.program_level = program;
    ASSERT_TRUE(cluster.RestartWith(3, without).ok());
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
    for (size_t node = 0; node < 3; ++node) {
      EXPECT_EQ(settled({"SET", "k", "v"}), "+OK\r\n");
      Config config = cluster.config(node);
      config.program_level = kNewer;
      ASSERT_TRUE(cluster.RestartWith(node, config).ok());
      ASSERT_TRUE(cluster.AwaitLeaders());
    }
    ASSERT_TRUE(cluster.world().RunUntilTrue([&] {
      return cluster.server(0).host().core(GroupId(1))->configuration().level ==
             raft::Level(kNewer);
    }));
    cluster.world().RunFor(Seconds(5));
    EXPECT_EQ(settled({"SET", "k", "w"}), "+OK\r\n") << program;
    EXPECT_EQ(settled({"GET", "k"}), "$1\r\nw\r\n") << program;
  }
}

}  // namespace
}  // namespace quorate::node

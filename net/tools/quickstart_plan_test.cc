#include "net/tools/quickstart_plan.h"

#include <string>

#include "gtest/gtest.h"
#include "node/config/config.h"

namespace quorate::net {
namespace {

std::string Refusal(const QuickstartOptions& options) {
  const auto plan = PlanQuickstart(options);
  EXPECT_TRUE(absl::IsInvalidArgument(plan.status())) << plan.status();
  return std::string(plan.status().message());
}

TEST(QuickstartPlan, Defaults_AreThreeNodesOnConsecutivePorts) {
  const auto plan = PlanQuickstart({.data_dir = "/d"});
  ASSERT_TRUE(plan.ok()) << plan.status();
  ASSERT_EQ(plan->nodes.size(), 3u);
  EXPECT_EQ(plan->nodes[0].resp, "127.0.0.1:7001");
  EXPECT_EQ(plan->nodes[2].resp, "127.0.0.1:7003");
  EXPECT_EQ(plan->nodes[0].resp_cluster, "127.0.0.1:7101");
  EXPECT_EQ(plan->nodes[2].resp_cluster, "127.0.0.1:7103");
  EXPECT_EQ(plan->nodes[2].http, "127.0.0.1:8003");
  EXPECT_EQ(plan->nodes[2].peer, "127.0.0.1:17003");
  EXPECT_EQ(plan->nodes[1].config_file, "/d/node-2.toml");
  EXPECT_FALSE(plan->nodes[2].read_only);
}

TEST(QuickstartPlan, ReadReplicas_ComeAfterTheVoters) {
  const auto plan =
      PlanQuickstart({.data_dir = "/d", .nodes = 3, .read_replicas = 2});
  ASSERT_TRUE(plan.ok());
  ASSERT_EQ(plan->nodes.size(), 5u);
  EXPECT_FALSE(plan->nodes[2].read_only);
  EXPECT_TRUE(plan->nodes[3].read_only);
  EXPECT_TRUE(plan->nodes[4].read_only);
}

TEST(QuickstartPlan, HighPorts_GetPeerPortsBelow) {
  const auto plan = PlanQuickstart({.data_dir = "/d", .port = 60'000});
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->nodes[0].peer, "127.0.0.1:50000");
}

TEST(QuickstartPlan, ClusterPort_IsUsed) {
  const auto plan =
      PlanQuickstart({.data_dir = "/d", .port = 7001, .cluster_port = 6001});
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->nodes[1].resp, "127.0.0.1:7002");
  EXPECT_EQ(plan->nodes[1].resp_cluster, "127.0.0.1:6002");
}

TEST(QuickstartPlan, InvalidOptions_AreRefusedByName) {
  EXPECT_NE(Refusal({.nodes = 0}).find("--nodes 0"), std::string::npos);
  EXPECT_NE(Refusal({.nodes = 16}).find("--nodes 16"), std::string::npos);
  EXPECT_NE(Refusal({.groups = 0}).find("--groups 0"), std::string::npos);
  EXPECT_NE(Refusal({.read_replicas = -1}).find("--read-replicas -1"),
            std::string::npos);
  EXPECT_NE(Refusal({.port = 65'534}).find("--port 65534"), std::string::npos);
  EXPECT_NE(Refusal({.http_port = 0}).find("--http-port 0"), std::string::npos);
  EXPECT_NE(Refusal({.port = 65'500}).find("--cluster-port 65600"),
            std::string::npos);
  EXPECT_NE(Refusal({.cluster_port = -1}).find("--cluster-port -1"),
            std::string::npos);
}

TEST(QuickstartPlan, PortsThatOverlap_AreRefusedByNumber) {
  EXPECT_NE(Refusal({.port = 7001, .http_port = 7003}).find("port 7003"),
            std::string::npos);
  EXPECT_NE(Refusal({.port = 7001, .http_port = 17'002}).find("port 17002"),
            std::string::npos);
  EXPECT_NE(Refusal({.port = 7001, .http_port = 7103}).find("port 7103"),
            std::string::npos);
  EXPECT_EQ(
      Refusal({.port = 7001, .cluster_port = 7003}),
      "port 7003 has two uses: --cluster-port of node 1 and --port of "
      "node 3. Each of the 3 nodes takes the next port after --port 7001, "
      "--cluster-port 7003 and --http-port 8001; its peer port is that of "
      "--port plus 10000, and its admin port that of --http-port plus 100: "
      "give ports that are further apart");
}

TEST(QuickstartPlan, ConfigurationFiles_AreReadableByANode) {
  const QuickstartOptions options{.data_dir = "/a \"strange\" \\ place",
                                  .nodes = 3,
                                  .groups = 5,
                                  .read_replicas = 1};
  const auto plan = PlanQuickstart(options);
  ASSERT_TRUE(plan.ok());
  for (const QuickstartNode& node : plan->nodes) {
    const auto config = node::ParseConfig(
        QuickstartToml(options, *plan, node, ClusterId(77)), "q.toml");
    ASSERT_TRUE(config.ok()) << config.status();
    EXPECT_EQ(config->cluster, ClusterId(77));
    EXPECT_EQ(config->node, node.id);
    EXPECT_EQ(config->data_dir, node.data_dir);
    EXPECT_EQ(config->shards.size(), 5u);
    EXPECT_EQ(config->shards[0].replicas.size(), 3u);
    EXPECT_EQ(config->listen.resp, node.resp);
    EXPECT_TRUE(config->http_get_writes);
    EXPECT_EQ(config->listen.resp_cluster, node.resp_cluster);
    EXPECT_FALSE(config->bootstrap);
    EXPECT_TRUE(config->FindNode(NodeId(4))->read_only);
  }
}

TEST(QuickstartState, Formatted_ParsesToItself) {
  const QuickstartState state{.cluster = ClusterId(~uint64_t{0}),
                              .nodes = 5,
                              .groups = 7,
                              .read_replicas = 2,
                              .bootstrapped = true};
  const auto parsed = ParseQuickstartState(FormatQuickstartState(state));
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(*parsed, state);
}

TEST(QuickstartState, CutAnywhere_IsRefused) {
  const std::string text = FormatQuickstartState({.cluster = ClusterId(12)});
  for (size_t size = 0; size < text.size(); ++size) {
    EXPECT_FALSE(ParseQuickstartState(text.substr(0, size)).ok()) << size;
  }
  EXPECT_FALSE(ParseQuickstartState(text + "more 1\n").ok());
  EXPECT_FALSE(ParseQuickstartState("nodes x\n").ok());
}

TEST(QuickstartState, OtherOptions_AreRefusedWithTheOldOnes) {
  const QuickstartState state{.nodes = 3, .groups = 3};
  EXPECT_TRUE(CheckFits({.nodes = 3, .groups = 3}, state).ok());
  const absl::Status status =
      CheckFits({.data_dir = "/d", .nodes = 5, .groups = 3}, state);
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  for (const char* words : {"/d", "--nodes 3 --groups 3 --read-replicas 0"}) {
    EXPECT_NE(status.ToString().find(words), std::string::npos) << status;
  }
}

}  // namespace
}  // namespace quorate::net

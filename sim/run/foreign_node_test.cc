// A node of a cluster stands for a foreign one that the others let in.
#include "sim/run/foreign_node.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "sim/checks/replica_checker.h"
#include "sim/cluster/cluster.h"
#include "sim/world/world.h"

namespace quorate::sim {
namespace {

constexpr GroupId kForeignGroup(1);

class ForeignNodeTest : public testing::Test {
 protected:
  // Runs until a node of the cluster leads.
  NodeId Elect(Cluster& cluster) {
    world_.SetStepHook(
        [&cluster](MachineId machine) { cluster.AfterTurn(machine); });
    cluster.Start();
    NodeId leader;
    EXPECT_TRUE(world_.RunUntilTrue([&] {
      leader = cluster.LeaderOf(kForeignGroup);
      return leader != NodeId();
    }));
    return leader;
  }

  World world_{{.seed = 1}};
  ReplicaChecker checker_{[this](std::string what) { world_.Violate(what); }};
};

TEST_F(ForeignNodeTest, LeadsWithVotesOfOthers_Found) {
  Cluster cluster(world_, checker_, {.nodes = 3, .groups = 1});
  const NodeId leader = Elect(cluster);
  EXPECT_EQ(ForeignNode::CheckRoles(*cluster.server(leader), cluster.shards()),
            "foreign: it leads group 1 with votes of other nodes");
  const NodeId follower(leader.value() % 3 + 1);
  EXPECT_EQ(
      ForeignNode::CheckRoles(*cluster.server(follower), cluster.shards()), "");
}

TEST_F(ForeignNodeTest, LeadsAlone_IsAllowed) {
  Cluster cluster(world_, checker_, {.nodes = 1, .groups = 1, .replicas = 1});
  const NodeId leader = Elect(cluster);
  EXPECT_EQ(ForeignNode::CheckRoles(*cluster.server(leader), cluster.shards()),
            "");
}

TEST_F(ForeignNodeTest, FoundsACluster_Found) {
  EXPECT_EQ(ForeignNode::CheckStart(absl::UnavailableError("no answer")), "");
  EXPECT_EQ(ForeignNode::CheckStart(absl::OkStatus()),
            "foreign: it founded a cluster without the other nodes");
}

}  // namespace
}  // namespace quorate::sim

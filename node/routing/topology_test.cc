// The texts that describe the cluster are made again only when the view has
// changed. With many slots and groups they are long, and clients ask often.
#include "node/routing/topology.h"

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "env/check.h"
#include "gtest/gtest.h"
#include "node/cluster/cluster_map.h"
#include "node/config/config.h"
#include "node/config/map_parts.h"
#include "node/routing/router.h"
#include "raft/host/host.h"
#include "shardctrl/map.h"
#include "sim/world/world.h"

namespace quorate::node {
namespace {

// Node n1 of three, with groups that the other nodes have, too.
Config MakeConfig() {
  Config config;
  config.cluster = ClusterId(42);
  config.node = NodeId(1);
  config.data_dir = "unused";
  config.listen.allow_non_loopback = true;
  config.nodes = {{.id = NodeId(1),
                   .resp = "n1:7001",
                   .http = "n1:8001",
                   .peer = "n1:9001"},
                  {.id = NodeId(2),
                   .resp = "n2:7001",
                   .http = "n2:8001",
                   .peer = "n2:9001"},
                  {.id = NodeId(3),
                   .resp = "n3:7001",
                   .http = "n3:8001",
                   .peer = "n3:9001"}};
  CHECK(CompleteConfig(&config, {.groups = 8, .replicas = 3}).ok());
  return config;
}

raft::HostOptions MakeOptions(const Config& config) {
  raft::HostOptions options;
  options.cluster = config.cluster;
  options.node = config.node;
  return options;
}

// The topology of a node that has not started. Its view has no leader and takes
// the other nodes as working, so one of them is listed for each group.
class Parts {
 public:
  explicit Parts(env::Env& env)
      : config_(MakeConfig()),
        cluster_(config_),
        host_(
            env, MakeOptions(config_),
            [](GroupId, const raft::Configuration&) {
              return std::unique_ptr<raft::StateMachine>();
            },
            /*observer=*/nullptr),
        output_(config_.limits.output_total_bytes),
        memory_(config_.limits.memory_bytes),
        work_(env.loop, config_.bounds.turn_work),
        router_(env, host_, config_, cluster_, output_, memory_, work_,
                [](std::string_view) { return Slot(0); }),
        topology_(config_, cluster_, router_) {}

  Router& router() { return router_; }
  Topology& topology() { return topology_; }
  ClusterMap& cluster() { return cluster_; }

 private:
  const Config config_;
  ClusterMap cluster_;
  raft::Host host_;
  OutputBudget output_;
  MemoryBudget memory_;
  TurnWork work_;
  Router router_;
  Topology topology_;
};

class TopologyTest : public ::testing::Test {
 protected:
  TopologyTest() {
    const sim::MachineId machine = world_.AddMachine({.name = "n1"});
    world_.Start(machine, nullptr);
    parts_ = std::make_unique<Parts>(world_.env(machine));
  }

  Topology& topology() { return parts_->topology(); }
  LiveView& view() { return parts_->router().view(); }
  // Where the texts are in memory. A text that is made again is at another
  // place, because the old one is freed after the new one is made.
  std::vector<const void*> Places() {
    return {topology().SlotsReply(2).data(), topology().SlotsReply(3).data(),
            topology().ShardsReply(2).data(), topology().ShardsReply(3).data(),
            topology().NodesText().data()};
  }

  sim::World world_{{.seed = 1}};
  std::unique_ptr<Parts> parts_;
};

TEST_F(TopologyTest, ViewThatStays_TextsAreMadeOnce) {
  const std::vector<const void*> places = Places();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(topology().nodes().size(), 3u);
    EXPECT_EQ(topology().Find(topology().self().id), &topology().self());
    EXPECT_EQ(Places(), places);
  }
}

TEST_F(TopologyTest, ViewThatChanged_TextsAreMadeAgain) {
  const std::string slots(topology().SlotsReply(2));
  const std::string nodes(topology().NodesText());
  view().LearnLeader(GroupId(1), raft::Term(1), NodeId(3));
  EXPECT_NE(topology().SlotsReply(2), slots);
  EXPECT_NE(topology().NodesText(), nodes);
}

TEST_F(TopologyTest, MapThatChanged_TextsAreMadeAgain) {
  const std::vector<const void*> places = Places();
  topology().OnClusterChanged();
  EXPECT_NE(Places(), places);
  EXPECT_EQ(Places(), Places());
}

// Its replica could not be found by clients that read at replicas.
TEST_F(TopologyTest, ReplicaOfTwoGroups_IsListedWithTheOneThatHasSlots) {
  shardctrl::ShardMap::Parts parts = MapParts(MakeConfig());
  parts.version = shardctrl::MapVersion(2);
  parts.nodes.push_back({.id = NodeId(4),
                         .name = "n4",
                         .peer_address = "n4:1",
                         .resp_address = "n4:2",
                         .resp_cluster_address = "n4:3",
                         .http_address = "n4:4"});
  for (shardctrl::Assignment& assignment : parts.assignments) {
    if (assignment.group == GroupId(1)) assignment.group = GroupId(2);
  }
  parts_->cluster().SetMap(*shardctrl::ShardMap::Create(std::move(parts)));
  parts_->router().links().OnMapChanged();
  view().OnMapChanged();
  parts_->router().OnMapChanged();
  topology().OnClusterChanged();
  const auto report = [this](uint32_t node, std::vector<uint32_t> groups,
                             uint32_t leader) {
    NodeReport of_node{.start = 1, .changes = 1};
    for (const uint32_t group : groups) {
      of_node.rows.push_back({.group = GroupId(group),
                              .state = ReplicaState::kFine,
                              .leader = NodeId(leader),
                              .term = raft::Term(1)});
    }
    static_cast<StatusObserver&>(view()).OnReport(
        NodeId(node), StoreIncarnation(node), of_node);
  };
  report(3, {1, 3, 4, 5, 6, 7, 8}, 3);
  report(4, {2}, 4);
  report(2, {1, 2}, 0);
  EXPECT_EQ(topology().nodes()[1].master, NodeId(4));
}

// A node without an address can be told to no client.
TEST_F(TopologyTest, NodesOfAnotherMap_AreListedIfTheirAddressIsKnown) {
  shardctrl::ShardMap::Parts parts = MapParts(MakeConfig());
  parts.version = shardctrl::MapVersion(2);
  parts.nodes.push_back({.id = NodeId(4), .name = "n4"});
  parts.groups.push_back(
      {.id = GroupId(9), .name = "g9", .voters = {NodeId(4)}});
  ClusterMap& cluster = parts_->cluster();
  cluster.SetMap(*shardctrl::ShardMap::Create(std::move(parts)));
  view().OnMapChanged();
  parts_->router().OnMapChanged();
  topology().OnClusterChanged();
  EXPECT_EQ(topology().nodes().size(), 3u);
  ASSERT_TRUE(cluster.LearnFromItself({.node = NodeId(4),
                                       .store = StoreIncarnation(1),
                                       .start = 1,
                                       .peer = "n4:1",
                                       .resp = "n4:2",
                                       .resp_cluster = "n4:3",
                                       .http = "n4:4"}));
  topology().OnClusterChanged();
  EXPECT_EQ(topology().nodes().size(), 4u);
  EXPECT_NE(topology().NodesText().find("n4:3@1"), std::string::npos);
}

}  // namespace
}  // namespace quorate::node

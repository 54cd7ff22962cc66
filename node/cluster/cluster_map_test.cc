#include "node/cluster/cluster_map.h"

#include <string>
#include <utility>
#include <vector>

#include "env/check.h"
#include "gtest/gtest.h"
#include "node/config/map_parts.h"

namespace quorate::node {
namespace {

// Node 1 of three.
Config MakeConfig() {
  Config config;
  config.node = NodeId(1);
  config.data_dir = "unused";
  config.listen.allow_non_loopback = true;
  for (const char* const name : {"a", "b", "c"}) {
    const std::string host(name);
    config.nodes.push_back(
        {.id = NodeId(static_cast<uint32_t>(config.nodes.size() + 1)),
         .resp = host + ":7001",
         .resp_cluster = host + ":7101",
         .http = host + ":8001",
         .peer = host + ":9001"});
  }
  CHECK(CompleteConfig(&config, {.groups = 2}).ok());
  return config;
}

NodeAddresses Report(uint32_t node, uint64_t store, uint64_t start,
                     const std::string& host) {
  return {.node = NodeId(node),
          .store = StoreIncarnation(store),
          .start = start,
          .peer = host + ":9001",
          .resp = host + ":7001",
          .resp_cluster = host + ":7101",
          .http = host + ":8001"};
}

class ClusterMapTest : public ::testing::Test {
 protected:
  ClusterMapTest() : config_(MakeConfig()), map_(config_) {
    map_.SetObserver(
        [this](ClusterMap::Change change) { changes_.push_back(change); });
  }
  std::string HostOf(uint32_t node) {
    const std::string& peer = map_.FindNode(NodeId(node))->peer;
    return peer.substr(0, peer.find(':'));
  }

  const Config config_;
  ClusterMap map_;
  std::vector<ClusterMap::Change> changes_;
};

TEST_F(ClusterMapTest, NewerReport_ReplacesAddresses) {
  EXPECT_EQ(HostOf(2), "b");
  EXPECT_TRUE(map_.LearnFromItself(Report(2, 7, 4, "x")));
  EXPECT_EQ(HostOf(2), "x");
  EXPECT_EQ(map_.FindNode(NodeId(2))->resp_cluster, "x:7101");
  EXPECT_EQ(changes_.size(), 1u);
  EXPECT_FALSE(map_.LearnFromItself(Report(2, 7, 3, "b")));
  EXPECT_FALSE(map_.LearnFromItself(Report(2, 7, 4, "x")));
  EXPECT_EQ(HostOf(2), "x");
  EXPECT_EQ(changes_.size(), 1u);
}

TEST_F(ClusterMapTest, ReportOfAnotherNode_IsTakenOnlyIfNewer) {
  EXPECT_TRUE(map_.LearnFromOther(Report(2, 7, 4, "x")));
  EXPECT_FALSE(map_.LearnFromOther(Report(2, 7, 3, "y")));
  EXPECT_EQ(HostOf(2), "x");
  EXPECT_TRUE(map_.LearnFromOther(Report(2, 7, 5, "y")));
  EXPECT_EQ(HostOf(2), "y");
  EXPECT_FALSE(map_.heard(NodeId(2)));
}

// A node may come back with another store, which counts from 1.
TEST_F(ClusterMapTest, NodeWithAnotherStore_IsBelievedOnlyItself) {
  EXPECT_TRUE(map_.LearnFromItself(Report(2, 7, 4, "x")));
  EXPECT_TRUE(map_.LearnFromItself(Report(2, 3, 1, "y")));
  EXPECT_EQ(HostOf(2), "y");
  EXPECT_FALSE(map_.LearnFromOther(Report(2, 7, 9, "x")));
  EXPECT_EQ(HostOf(2), "y");
}

TEST_F(ClusterMapTest, MalformedReport_IsIgnored) {
  NodeAddresses report = Report(2, 7, 4, "x");
  report.http = "nonsense";
  EXPECT_FALSE(map_.LearnFromItself(report));
  report.http = std::string(kAddressBytesMax, 'h') + ":1";
  EXPECT_FALSE(map_.LearnFromItself(report));
  EXPECT_FALSE(map_.heard(NodeId(2)));
  EXPECT_EQ(HostOf(2), "b");
}

TEST_F(ClusterMapTest, ReportsOfMoreNodes_AreIgnored) {
  shardctrl::ShardMap::Parts parts = MapParts(config_);
  parts.version = shardctrl::MapVersion(2);
  map_.SetMap(*shardctrl::ShardMap::Create(std::move(parts)));
  for (uint32_t node = 4; node < 4 + ClusterMap::kReportsMax; ++node) {
    EXPECT_TRUE(map_.LearnFromOther(Report(node, 1, 1, "x"))) << node;
  }
  EXPECT_FALSE(map_.LearnFromOther(Report(9999, 1, 1, "x")));
  EXPECT_TRUE(map_.LearnFromOther(Report(4, 1, 2, "y")));
}

TEST_F(ClusterMapTest, OwnAddresses_AreThoseOfTheFile) {
  EXPECT_FALSE(map_.LearnFromOther(Report(1, 7, 4, "x")));
  EXPECT_EQ(map_.self().peer, "a:9001");
}

TEST_F(ClusterMapTest, Map_AddsAndRemovesNodesAndGroups) {
  shardctrl::ShardMap::Parts parts = MapParts(config_);
  parts.version = shardctrl::MapVersion(2);
  std::erase_if(parts.nodes, [](const shardctrl::Node& node) {
    return node.id == NodeId(3);
  });
  parts.nodes.push_back({.id = NodeId(4), .name = "n4"});
  parts.groups = {{.id = GroupId(9), .name = "g9", .voters = {NodeId(2)}}};
  for (auto& assignment : parts.assignments) assignment.group = GroupId(9);
  map_.SetMap(*shardctrl::ShardMap::Create(std::move(parts)));
  EXPECT_EQ(changes_,
            std::vector<ClusterMap::Change>{ClusterMap::Change::kMap});
  EXPECT_EQ(map_.nodes().size(), 3u);
  EXPECT_EQ(map_.FindNode(NodeId(3)), nullptr);
  ASSERT_NE(map_.FindNode(NodeId(4)), nullptr);
  EXPECT_EQ(map_.FindListed(NodeId(4)), nullptr);
  EXPECT_TRUE(map_.LearnFromItself(Report(4, 1, 1, "d")));
  EXPECT_EQ(map_.FindListed(NodeId(4))->peer, "d:9001");
}

// This node may have a configuration that is newer than its map.
// A node of the founding may be lost before it reports.
TEST_F(ClusterMapTest, NodeThatNeverReported_IsWhereTheFileSays) {
  shardctrl::ShardMap::Parts parts = MapParts(config_);
  parts.version = shardctrl::MapVersion(2);
  for (shardctrl::Node& node : parts.nodes) {
    node.peer_address.clear();
    node.resp_address.clear();
    node.resp_cluster_address.clear();
    node.http_address.clear();
  }
  map_.SetMap(*shardctrl::ShardMap::Create(std::move(parts)));
  EXPECT_EQ(map_.FindListed(NodeId(3))->peer, "c:9001");
  EXPECT_TRUE(map_.LearnFromItself(Report(3, 9, 1, "z")));
  EXPECT_EQ(map_.FindListed(NodeId(3))->peer, "z:9001");
}

TEST_F(ClusterMapTest, NodesOfMembers_AreNodesUntilTheMapHasThem) {
  map_.SetMembers({NodeId(1), NodeId(2)});
  EXPECT_TRUE(changes_.empty());
  map_.SetMembers({NodeId(2), NodeId(7)});
  EXPECT_EQ(changes_,
            std::vector<ClusterMap::Change>{ClusterMap::Change::kNodes});
  ASSERT_EQ(map_.nodes().size(), 4u);
  EXPECT_EQ(map_.nodes().back().id, NodeId(7));
  EXPECT_EQ(map_.FindListed(NodeId(7)), nullptr);
  EXPECT_TRUE(map_.LearnFromItself(Report(7, 1, 1, "g")));
  EXPECT_EQ(HostOf(7), "g");
  shardctrl::ShardMap::Parts parts = MapParts(config_);
  parts.version = shardctrl::MapVersion(2);
  map_.SetMap(*shardctrl::ShardMap::Create(std::move(parts)));
  EXPECT_EQ(HostOf(7), "g");
  map_.SetMembers({NodeId(2)});
  EXPECT_EQ(map_.FindNode(NodeId(7)), nullptr);
  EXPECT_EQ(changes_.back(), ClusterMap::Change::kNodes);
}

// All nodes of the first map may be gone.
TEST_F(ClusterMapTest, NodesThatReported_AreNodesUntilTheNextMap) {
  EXPECT_TRUE(map_.LearnFromOther(Report(7, 1, 1, "g")));
  EXPECT_EQ(changes_,
            std::vector<ClusterMap::Change>{ClusterMap::Change::kNodes});
  EXPECT_EQ(HostOf(7), "g");
  shardctrl::ShardMap::Parts parts = MapParts(config_);
  parts.version = shardctrl::MapVersion(2);
  map_.SetMap(*shardctrl::ShardMap::Create(std::move(parts)));
  EXPECT_EQ(map_.FindNode(NodeId(7)), nullptr);
  EXPECT_TRUE(map_.reports().empty());
  EXPECT_TRUE(map_.LearnFromItself(Report(7, 1, 2, "g")));
  EXPECT_EQ(map_.FindNode(NodeId(7)), nullptr);
}

// It serves clients until it is stopped.
TEST_F(ClusterMapTest, MapWithoutThisNode_KeepsItsRow) {
  shardctrl::ShardMap::Parts parts = MapParts(config_);
  parts.version = shardctrl::MapVersion(2);
  parts.nodes.erase(parts.nodes.begin());
  for (auto& group : parts.groups) {
    std::erase(group.voters, NodeId(1));
    group.preferred_leader = NodeId();
  }
  map_.SetMap(*shardctrl::ShardMap::Create(std::move(parts)));
  EXPECT_EQ(map_.self().peer, "a:9001");
  EXPECT_EQ(map_.nodes().front().id, NodeId(1));
}

}  // namespace
}  // namespace quorate::node

// The plan of a cluster, and how a configuration is compared with it.
#include "node/config/bootstrap_plan.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kv/store/parameters.h"
#include "node/base/text.h"
#include "node/config/config.h"
#include "node/config/map_parts.h"
#include "shardctrl/controller/state.h"

namespace quorate::node {
namespace {

shardctrl::ShardMap MapOf(const Config& config) {
  auto map = shardctrl::ShardMap::Create(MapParts(config));
  EXPECT_TRUE(map.ok()) << map.status();
  return *std::move(map);
}

raft::BootstrapPlan PlanOf(const Config& config) {
  return MakeBootstrapPlan(MapOf(config), config.division, config.rules);
}

std::string Even(std::string_view sharding, int nodes, int read_only = 0) {
  std::string text = Concat(
      "[cluster]\nid = 7\n[node]\nid = 1\ndata_dir = \"d\"\n[sharding]\n",
      sharding, "\n");
  for (int i = 1; i <= nodes + read_only; ++i) {
    Append(&text, "[[nodes]]\nid = ", i, "\nresp = \"127.0.0.1:", 7000 + i,
           "\"\nhttp = \"127.0.0.1:", 8000 + i,
           "\"\npeer = \"127.0.0.1:", 9000 + i,
           "\"\nread_only = ", i > nodes ? "true" : "false", "\n");
  }
  return text;
}

std::string ByHand(std::string_view slots1, std::string_view slots2) {
  return Concat(
      "[cluster]\nid = 7\n[node]\nid = 1\ndata_dir = \"d\"\n"
      "[[shards]]\nname = \"A\"\naddress = \"127.0.0.1:8001\"\nslots = \"",
      slots1,
      "\"\nreplicas = [\"127.0.0.1:8002\"]\n"
      "[[shards]]\nname = \"B\"\naddress = \"127.0.0.1:8002\"\nslots = \"",
      slots2, "\"\nreplicas = [\"127.0.0.1:8001\"]\n");
}

Config ConfigOf(const std::string& text) {
  auto config = ParseConfig(text, "q.toml");
  EXPECT_TRUE(config.ok()) << config.status();
  return *std::move(config);
}

// The difference that a start with the file `today` reports on a directory of a
// cluster that was founded with the file `then`.
std::string Difference(const std::string& then, const std::string& today) {
  const Config config = ConfigOf(today);
  const raft::BootstrapPlan founded = PlanOf(ConfigOf(then));
  EXPECT_TRUE(CheckAgainstBootstrap(PlanOf(config), founded).ok());
  return DifferenceFromBootstrap(config, PlanOf(config), founded);
}

// The slots of two shards alternate. No file has more ranges.
TEST(BootstrapPlan, ManyRanges_FitIntoTheParameters) {
  std::string slots[2];
  for (int slot = 0; slot < 16'384; ++slot) {
    Append(&slots[slot % 2], slot, slot + 2 < 16'384 ? "," : "");
  }
  const shardctrl::ShardMap map = MapOf(ConfigOf(ByHand(slots[0], slots[1])));
  ASSERT_EQ(map.assignments().size(), 16'384u);
  const raft::BootstrapPlan plan = MakeBootstrapPlan(map, {}, {});
  EXPECT_EQ(raft::ValidatePlan(plan), absl::OkStatus());
}

TEST(BootstrapCheck, SameFile_HasNoDifference) {
  EXPECT_EQ(Difference(Even("groups = 3", 3), Even("groups = 3", 3)), "");
  EXPECT_EQ(
      Difference(ByHand("0-99", "100-16383"), ByHand("0-99", "100-16383")), "");
  // An equal division, written in another form.
  EXPECT_EQ(Difference(ByHand("0-99", "100-16383"),
                       ByHand("0-49,50-99", "100-16383")),
            "");
  EXPECT_EQ(
      Difference(Even("groups = 2\nreplicas = 3", 3), Even("groups = 2", 3)),
      "");
}

TEST(BootstrapCheck, EveryDifference_NamesKeyFileAndCluster) {
  EXPECT_EQ(Difference(Even("groups = 1", 3), Even("groups = 2", 3)),
            "key 'sharding.groups': the file says 2 groups (1, 2), the founded "
            "cluster has 1 group (1)");
  EXPECT_EQ(Difference(ByHand("0-8191", "8192-16383"),
                       ByHand("0-12000", "12001-16383")),
            "key 'shards[].slots': the file says group 1 with slots 0-12000, "
            "the founded cluster has group 1 with slots 0-8191");
  EXPECT_EQ(Difference(Even("groups = 1", 3), Even("groups = 1", 4)),
            "key 'nodes[].id': the file says group 1 with voting nodes 1, 2, "
            "3, 4, the founded cluster has group 1 with voting nodes 1, 2, 3");
  EXPECT_EQ(
      Difference(Even("groups = 1", 3), Even("groups = 1\nreplicas = 1", 3)),
      "key 'sharding.replicas': the file says group 1 with voting node 1, the "
      "founded cluster has group 1 with voting nodes 1, 2, 3");
  EXPECT_EQ(Difference(Even("groups = 1", 3), Even("groups = 1", 2, 1)),
            "key 'nodes[].read_only': the file says read-only node 3, the "
            "founded cluster has no read-only node");
}

TEST(BootstrapCheck, Voters_AreComparedWithoutTheirOrder) {
  const std::string text = ByHand("0-99", "100-16383");
  Config config = ConfigOf(text);
  std::swap(config.shards[0].replicas[0], config.shards[0].replicas[1]);
  EXPECT_EQ(
      DifferenceFromBootstrap(config, PlanOf(config), PlanOf(ConfigOf(text))),
      "");
}

std::string Refusal(const std::string& then, const std::string& today) {
  const absl::Status status =
      CheckAgainstBootstrap(PlanOf(ConfigOf(today)), PlanOf(ConfigOf(then)));
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  return std::string(status.message());
}

std::string Ranges(std::string_view split_keys) {
  return Concat(Even("groups = 2", 3),
                "[founding]\npartitioner = \"key_ranges\"\nsplit_keys = [",
                split_keys, "]\n");
}

TEST(BootstrapCheck, AnotherPartitioner_IsRefused) {
  const std::string hash = Even("groups = 2", 3);
  const std::string last =
      Concat(hash, "[founding]\npartitioner = \"last_character\"\nslots = 7\n");
  EXPECT_EQ(Refusal(last, hash),
            "key 'founding.partitioner': the configuration file says "
            "hash_slots with 16384 slots, but the cluster of this data "
            "directory was founded with last_character with 7 slots. This "
            "never changes: restore the keys of [founding]");
  EXPECT_NE(Refusal(hash, last), "");
  EXPECT_NE(Refusal(Ranges("\"a\", \"b\""), Ranges("\"a\"")), "");
  EXPECT_EQ(Refusal(Ranges("\"a\", \"b\""), Ranges("\"a\", \"c\"")),
            "key 'founding.split_keys': the configuration file has other split "
            "keys than the cluster of this data directory was founded with. "
            "They never change: restore the key");
  EXPECT_EQ(Difference(last, last), "");
  EXPECT_EQ(Difference(Ranges("\"a\""), Ranges("\"a\"")), "");
}

TEST(BootstrapPlan, SplitKeys_AreParametersOfEveryGroup) {
  const raft::BootstrapPlan plan = PlanOf(ConfigOf(Ranges("\"g\", \"n\"")));
  for (size_t i = 0; i < 2; ++i) {
    const auto parameters =
        kv::DecodeParameters(plan.groups[i].parameters.view());
    ASSERT_TRUE(parameters.ok()) << parameters.status();
    EXPECT_EQ(parameters->division,
              (KeyDivision{Partitioner::kKeyRanges, 3, {"g", "n"}}));
  }
}

TEST(FoundedParts, OfTheSameFile_LackThePreferredLeadersAlone) {
  const Config config = ConfigOf(Even("groups = 3", 3, 1));
  shardctrl::ShardMap::Parts parts = MapParts(config);
  for (shardctrl::Group& group : parts.groups) {
    group.preferred_leader = NodeId();
  }
  EXPECT_EQ(*shardctrl::ShardMap::Create(FoundedParts(config, PlanOf(config))),
            *shardctrl::ShardMap::Create(parts));
}

// Node 4 of the file is a router, and node 3 is not in the file.
TEST(FoundedParts, OfAnotherFile_HaveTheGroupsOfTheFounding) {
  const raft::BootstrapPlan founded = PlanOf(ConfigOf(Even("groups = 2", 3)));
  Config config = ConfigOf(Even("groups = 5", 4));
  std::erase_if(config.nodes,
                [](const NodeConfig& node) { return node.id == NodeId(3); });
  const auto map = shardctrl::ShardMap::Create(FoundedParts(config, founded));
  ASSERT_TRUE(map.ok()) << map.status();
  EXPECT_EQ(map->groups().size(), 2u);
  EXPECT_EQ(map->nodes().size(), 4u);
  EXPECT_EQ(map->nodes()[2].peer_address, "");
  EXPECT_EQ(map->nodes()[3].peer_address, config.FindNode(NodeId(4))->peer);
  EXPECT_EQ(map->GroupsOn(NodeId(4)), std::vector<GroupId>{});
  EXPECT_EQ(map->GroupsOn(NodeId(3)).size(), 2u);
}

TEST(BootstrapPlan, Groups_HaveMembersAndSlotsOfTheFile) {
  const raft::BootstrapPlan plan = PlanOf(ConfigOf(Even("groups = 2", 3, 1)));
  ASSERT_EQ(plan.groups.size(), 3u);
  EXPECT_FALSE(plan.groups[2].machine_kind == kv::kStoreKind);
  EXPECT_EQ(plan.groups[2].voters, plan.groups[1].voters);
  EXPECT_TRUE(plan.groups[2].learners.empty());
  const raft::GroupPlan& second = plan.groups[1];
  EXPECT_EQ(second.group, GroupId(2));
  EXPECT_EQ(second.voters,
            (std::vector<NodeId>{NodeId(1), NodeId(2), NodeId(3)}));
  EXPECT_EQ(second.learners, std::vector<NodeId>{NodeId(4)});
  const auto parameters = kv::DecodeParameters(second.parameters.view());
  ASSERT_TRUE(parameters.ok()) << parameters.status();
  EXPECT_EQ(parameters->owned,
            (std::vector<kv::SlotRun>{
                {Slot(8192), Slot(16383), kv::kFoundingEpoch}}));
}

// An operator may wish for fewer.
TEST(BootstrapPlan, GroupsOfManyVoters_HaveAController) {
  const raft::BootstrapPlan plan = PlanOf(ConfigOf(Even("groups = 1", 12)));
  ASSERT_EQ(plan.groups.size(), 2u);
  EXPECT_EQ(plan.groups[0].voters.size(), 12u);
  EXPECT_EQ(plan.groups[1].voters.size(), 5u);
}

TEST(BootstrapCheck, ClusterWithoutAController_IsRefused) {
  const raft::BootstrapPlan today = PlanOf(ConfigOf(Even("groups = 2", 3)));
  raft::BootstrapPlan founded = today;
  std::erase_if(founded.groups, [](const raft::GroupPlan& group) {
    return group.group == shardctrl::kControllerGroup;
  });
  EXPECT_EQ(CheckAgainstBootstrap(today, today), absl::OkStatus());
  EXPECT_EQ(CheckAgainstBootstrap(today, founded).code(),
            absl::StatusCode::kFailedPrecondition);
}

// A program with other limits goes on with those of the cluster.
TEST(BootstrapCheck, ReplicatedLimits_AreNotCompared) {
  const Config config = ConfigOf(Even("groups = 2", 3));
  kv::Rules others = config.rules;
  others.expiries_per_entry += 1;
  const raft::BootstrapPlan today =
      MakeBootstrapPlan(MapOf(config), {}, config.rules);
  const raft::BootstrapPlan founded =
      MakeBootstrapPlan(MapOf(config), {}, others);
  EXPECT_TRUE(CheckAgainstBootstrap(today, founded).ok());
  EXPECT_EQ(DifferenceFromBootstrap(config, today, founded), "");
  EXPECT_EQ(FoundedRules(founded), others);
}

TEST(BootstrapCheck, UnreadableParameters_AreNamed) {
  const Config config = ConfigOf(Even("groups = 2", 3));
  raft::BootstrapPlan founded = PlanOf(config);
  founded.groups[1].parameters = Buffer::Copy("?");
  EXPECT_TRUE(absl::IsDataLoss(CheckAgainstBootstrap(PlanOf(config), founded)));
}

}  // namespace
}  // namespace quorate::node

#include "shardctrl/map.h"

#include <string>

#include "gtest/gtest.h"

namespace quorate::shardctrl {
namespace {

SlotRange Range(uint16_t first, uint16_t last) {
  return {Slot(first), Slot(last)};
}

Node MakeNode(uint32_t id) {
  return {.id = NodeId(id),
          .name = "n" + std::to_string(id),
          .peer_address = "h" + std::to_string(id) + ":3",
          .resp_address = "h" + std::to_string(id) + ":1",
          .http_address = "h" + std::to_string(id) + ":2"};
}

// Three nodes and two groups with half of the slots each.
ShardMap::Parts GoodParts() {
  ShardMap::Parts parts;
  parts.nodes = {MakeNode(3), MakeNode(1), MakeNode(2)};
  parts.groups = {
      {.id = GroupId(2), .name = "b", .voters = {NodeId(2), NodeId(3)}},
      {.id = GroupId(1),
       .name = "a",
       .voters = {NodeId(2), NodeId(1)},
       .non_voters = {NodeId(3)}}};
  parts.assignments = {{Range(8192, 16383), GroupId(2)},
                       {Range(0, 8191), GroupId(1)}};
  return parts;
}

std::string ErrorOf(ShardMap::Parts parts) {
  const absl::StatusOr<ShardMap> map = ShardMap::Create(std::move(parts));
  EXPECT_EQ(map.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(map.status().message());
}

TEST(ShardMap, GoodParts_AreSorted) {
  const absl::StatusOr<ShardMap> map = ShardMap::Create(GoodParts());
  ASSERT_TRUE(map.ok()) << map.status();
  EXPECT_EQ(map->nodes()[0].id, NodeId(1));
  EXPECT_EQ(map->groups()[0].voters,
            (std::vector<NodeId>{NodeId(1), NodeId(2)}));
  EXPECT_EQ(map->assignments()[0].group, GroupId(1));
  EXPECT_EQ(map->GroupsOn(NodeId(3)),
            (std::vector<GroupId>{GroupId(1), GroupId(2)}));
  EXPECT_EQ(map->GroupsOn(NodeId(1)), (std::vector<GroupId>{GroupId(1)}));
}

TEST(ShardMap, NeighbouringRangesOfOneGroup_AreMerged) {
  ShardMap::Parts parts = GoodParts();
  parts.assignments = {{Range(0, 99), GroupId(1)},
                       {Range(100, 199), GroupId(1)},
                       {Range(200, 16382), GroupId(2)},
                       {Range(16383, 16383), GroupId(1)}};
  const absl::StatusOr<ShardMap> map = ShardMap::Create(std::move(parts));
  ASSERT_TRUE(map.ok()) << map.status();
  EXPECT_EQ(map->assignments().size(), 3u);
  EXPECT_EQ(map->RangesOf(GroupId(1)),
            (std::vector<SlotRange>{Range(0, 199), Range(16383, 16383)}));
  EXPECT_TRUE(map->RangesOf(GroupId(9)).empty());
}

TEST(ShardMap, Empty_KnowsNothing) {
  const ShardMap map;
  EXPECT_TRUE(map.empty());
  EXPECT_EQ(map.version(), MapVersion(0));
  EXPECT_EQ(map.slot_count(), 0u);
}

TEST(ShardMap, SlotsOfNoGroupOrOfTwo_AreRefused) {
  ShardMap::Parts parts = GoodParts();
  parts.assignments[0].slots = Range(8200, 16383);
  EXPECT_EQ(ErrorOf(parts), "shard map: slots 8192-8199 belong to no group");
  parts.assignments[0].slots = Range(8000, 16383);
  EXPECT_EQ(ErrorOf(parts), "shard map: slot 8000 belongs to groups 2 and 1");
  parts.assignments[0].slots = Range(8192, 16384);
  EXPECT_EQ(ErrorOf(parts),
            "shard map: there is no range of slots 8192-16384: they go from "
            "0 to 16383");
  parts = GoodParts();
  parts.assignments[0].group = GroupId(7);
  EXPECT_EQ(ErrorOf(parts),
            "shard map: slots 8192-16383 belong to group 7, which is not "
            "there");
}

TEST(ShardMap, BadNodes_AreRefused) {
  ShardMap::Parts parts = GoodParts();
  parts.nodes[0].id = NodeId(1);
  EXPECT_EQ(ErrorOf(parts), "shard map: node 1 is there twice");
  parts = GoodParts();
  parts.nodes[0].id = NodeId(0);
  EXPECT_EQ(ErrorOf(parts), "shard map: a node has id 0");
  parts = GoodParts();
  parts.nodes[0].name = "n1";
  EXPECT_EQ(ErrorOf(parts), "shard map: two nodes are named \"n1\"");
  parts = GoodParts();
  parts.nodes[0].http_address = "h1:1";
  EXPECT_EQ(ErrorOf(parts),
            "shard map: address h1:1 is used twice, the second time by node "
            "3");
}

TEST(ShardMap, NodeWithoutAddresses_MayReportThemItself) {
  ShardMap::Parts parts = GoodParts();
  parts.nodes[1] = {.id = NodeId(1), .name = "n1"};
  EXPECT_TRUE(ShardMap::Create(parts).ok());
}

TEST(ShardMap, BadGroups_AreRefused) {
  ShardMap::Parts parts = GoodParts();
  parts.groups[0].voters = {};
  EXPECT_EQ(ErrorOf(parts), "shard map: group \"b\" has no voters");
  parts.groups[0].voters = {NodeId(9)};
  EXPECT_EQ(ErrorOf(parts),
            "shard map: group \"b\" has a replica on node 9, which is not "
            "there");
  parts.groups[0].voters = {NodeId(2), NodeId(2)};
  EXPECT_EQ(ErrorOf(parts),
            "shard map: group \"b\" has two replicas on node 2");
  parts = GoodParts();
  parts.groups[0].preferred_leader = NodeId(1);
  EXPECT_EQ(ErrorOf(parts),
            "shard map: group \"b\" prefers as its leader node 1, which is no "
            "voter of it");
  parts = GoodParts();
  parts.nodes[0].read_only = true;
  EXPECT_EQ(ErrorOf(parts),
            "shard map: group \"b\" has a voter on node 3, which is "
            "read-only");
  parts = GoodParts();
  parts.groups[0].id = GroupId(1);
  EXPECT_EQ(ErrorOf(parts), "shard map: group 1 is there twice");
}

TEST(ShardMap, SlotCount_MustSuitThePartitioner) {
  ShardMap::Parts parts = GoodParts();
  parts.slot_count = 3;
  EXPECT_EQ(ErrorOf(parts), "shard map: hash_slots needs 16384 slots, not 3");
  parts.partitioner = Partitioner::kLastCharacter;
  parts.slot_count = 257;
  EXPECT_EQ(ErrorOf(parts),
            "shard map: last_character needs 1 to 256 slots, not 257");
}

TEST(FormatSlotRanges, Ranges_AreText) {
  EXPECT_EQ(FormatSlotRanges({}), "none");
  EXPECT_EQ(FormatSlotRanges({Range(0, 5460), Range(7000, 7000)}),
            "0-5460,7000");
}

TEST(SlotRanges, AreReadAsTheyAreWritten) {
  const std::vector<SlotRange> ranges = {{Slot(0), Slot(5460)},
                                         {Slot(6000), Slot(6000)}};
  EXPECT_EQ(ParseSlotRanges(FormatSlotRanges(ranges)), ranges);
  for (const char* const text :
       {"", "a", "1-", "-1", "2-1", "1,,2", "1-2-3", "16384", "0-16384"}) {
    EXPECT_EQ(ParseSlotRanges(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace quorate::shardctrl

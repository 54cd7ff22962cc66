#include "shardctrl/static_sharding.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace quorate::shardctrl {
namespace {

Node MakeNode(uint32_t id, bool read_only = false) {
  return {.id = NodeId(id),
          .name = "n" + std::to_string(id),
          .peer_address = "h" + std::to_string(id) + ":3",
          .resp_address = "h" + std::to_string(id) + ":1",
          .http_address = "h" + std::to_string(id) + ":2",
          .read_only = read_only};
}

std::string ErrorOf(StaticSharding sharding) {
  const absl::StatusOr<ShardMap> map = BuildStaticMap(std::move(sharding));
  EXPECT_EQ(map.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(map.status().message());
}

TEST(BuildStaticMap, Count_SplitsEvenlyOverAllVotingNodes) {
  const absl::StatusOr<ShardMap> map =
      BuildStaticMap({.nodes = {MakeNode(1), MakeNode(2), MakeNode(3),
                                MakeNode(4, /*read_only=*/true)},
                      .group_count = 3});
  ASSERT_TRUE(map.ok()) << map.status();
  EXPECT_EQ(FormatSlotRanges(map->RangesOf(GroupId(1))), "0-5461");
  EXPECT_EQ(FormatSlotRanges(map->RangesOf(GroupId(2))), "5462-10922");
  EXPECT_EQ(FormatSlotRanges(map->RangesOf(GroupId(3))), "10923-16383");
  const Group* group = map->FindGroup("g2");
  ASSERT_NE(group, nullptr);
  EXPECT_EQ(group->voters,
            (std::vector<NodeId>{NodeId(1), NodeId(2), NodeId(3)}));
  EXPECT_EQ(group->non_voters, (std::vector<NodeId>{NodeId(4)}));
}

TEST(BuildStaticMap, SlotsByHand_AreTakenAsTheyStand) {
  const absl::StatusOr<ShardMap> map = BuildStaticMap(
      {.nodes = {MakeNode(1), MakeNode(2)},
       .groups = {
           {.name = "left", .slots = {"0-99", "200-16383"}},
           {.id = GroupId(9), .slots = {"100-199"}, .voters = {NodeId(2)}}}});
  ASSERT_TRUE(map.ok()) << map.status();
  EXPECT_EQ(map->GroupOf(Slot(150)), GroupId(9));
  EXPECT_EQ(map->GroupOf(Slot(250)), GroupId(1));
  EXPECT_EQ(map->FindGroup("g9")->voters, (std::vector<NodeId>{NodeId(2)}));
}

TEST(BuildStaticMap, ShardTable_MakesNodesOfItsAddresses) {
  const absl::StatusOr<ShardMap> map = BuildStaticMap(
      {.shards = {{.name = "Delhi",
                   .idx = 1,
                   .address = "127.0.0.1:8081",
                   .replicas = {"127.0.0.1:8080"}},
                  {.name = "Moscow", .idx = 0, .address = "127.0.0.1:8080"}}});
  ASSERT_TRUE(map.ok()) << map.status();
  ASSERT_EQ(map->nodes().size(), 2u);
  EXPECT_EQ(map->nodes()[0].http_address, "127.0.0.1:8080");
  EXPECT_EQ(map->nodes()[0].resp_address, "127.0.0.1:9080");
  EXPECT_EQ(map->nodes()[0].peer_address, "127.0.0.1:10080");
  EXPECT_EQ(map->FindGroup("Moscow")->voters, (std::vector<NodeId>{NodeId(1)}));
  EXPECT_EQ(map->FindGroup("Delhi")->voters,
            (std::vector<NodeId>{NodeId(1), NodeId(2)}));
  EXPECT_EQ(FormatSlotRanges(map->RangesOf(GroupId(2))), "8192-16383");
}

TEST(BuildStaticMap, ShardTable_WithTheLastCharacter_HasAsManySlotsAsShards) {
  const absl::StatusOr<ShardMap> map = BuildStaticMap(
      {.partitioner = Partitioner::kLastCharacter,
       .shards = {{.name = "a", .idx = 0, .address = "h:1000"},
                  {.name = "b", .idx = 1, .address = "h:1001"},
                  {.name = "c", .idx = 2, .address = "h:1002"}}});
  ASSERT_TRUE(map.ok()) << map.status();
  EXPECT_EQ(map->slot_count(), 3u);
  EXPECT_EQ(map->GroupOf(Slot(2)), map->FindGroup("c")->id);
}

TEST(BuildStaticMap, ShardTable_FindsItsNodesByAnyAddress) {
  const absl::StatusOr<ShardMap> map = BuildStaticMap(
      {.nodes = {MakeNode(5), MakeNode(6)},
       .shards = {
           {.name = "a", .idx = 0, .address = "h5:1", .replicas = {"h6:2"}}}});
  ASSERT_TRUE(map.ok()) << map.status();
  EXPECT_EQ(map->FindGroup("a")->voters,
            (std::vector<NodeId>{NodeId(5), NodeId(6)}));
  EXPECT_EQ(ErrorOf({.nodes = {MakeNode(5)},
                     .shards = {{.name = "a", .address = "h7:1"}}}),
            "sharding: no node has the address h7:1");
}

TEST(BuildStaticMap, WhatCannotBe_IsRefusedInWords) {
  const std::vector<Node> nodes = {MakeNode(1)};
  EXPECT_EQ(ErrorOf({.nodes = nodes}),
            "sharding: nothing says how keys are divided: expected one of a "
            "count of groups, a table of groups, a table of shards");
  EXPECT_EQ(ErrorOf({.nodes = nodes, .group_count = 1, .groups = {{}}}),
            "sharding: more than one thing says how keys are divided: "
            "expected one of a count of groups, a table of groups, a table "
            "of shards");
  EXPECT_EQ(ErrorOf({.nodes = nodes, .group_count = 0}),
            "sharding: there may be 1 to 4096 groups, not 0");
  EXPECT_EQ(ErrorOf({.nodes = nodes, .group_count = 4097}),
            "sharding: there may be 1 to 4096 groups, not 4097");
  EXPECT_EQ(ErrorOf({.shards = {{.name = "a", .idx = 1, .address = "h:1"}}}),
            "sharding: shards need each idx from 0 to 0 once; there is 1 in "
            "place of 0");
  EXPECT_EQ(ErrorOf({.shards = {{.name = "a", .address = "nowhere"}}}),
            "sharding: \"nowhere\" is no address: expected \"host:port\"");
  EXPECT_EQ(ErrorOf({.shards = {{.name = "a", .address = "h:65000"}}}),
            "sharding: \"h:65000\": port 65000 plus 1000 is beyond 65535");
  EXPECT_EQ(
      ErrorOf(
          {.shards = {{.name = "a", .address = "h:1", .replicas = {"h:1"}}}}),
      "sharding: shard \"a\" names address h:1 twice");
  EXPECT_EQ(ErrorOf({.nodes = nodes, .groups = {{.slots = {"0-x"}}}}),
            "sharding: group \"g1\": \"0-x\" is no slot and no range of slots "
            "such as 0-16383");
}

// Deals slots out one by one, each group's share in turn: slow and plainly right.
std::vector<GroupId> DealSlowly(uint32_t slot_count,
                                const std::vector<GroupId>& groups) {
  std::vector<uint32_t> shares(groups.size());
  for (uint32_t slot = 0; slot < slot_count; ++slot) {
    ++shares[slot % groups.size()];
  }
  std::vector<GroupId> owners;
  for (size_t i = 0; i < groups.size(); ++i) {
    owners.insert(owners.end(), shares[i], groups[i]);
  }
  return owners;
}

RC_GTEST_PROP(AssignEvenly, AnyCounts_AgreesWithDealingOneByOne, ()) {
  const auto slot_count = *rc::gen::inRange<uint32_t>(1, kHashSlotCount + 1);
  const auto group_count = *rc::gen::inRange<uint32_t>(1, 400);
  std::vector<GroupId> groups;
  for (uint32_t i = 0; i < group_count; ++i) {
    groups.push_back(GroupId(i * 3 + 1));
  }
  std::vector<GroupId> owners;
  for (const Assignment& assignment : AssignEvenly(slot_count, groups)) {
    RC_ASSERT(assignment.slots.first.value() == owners.size());
    owners.insert(owners.end(), assignment.slots.size(), assignment.group);
  }
  RC_ASSERT(owners == DealSlowly(slot_count, groups));
}

RC_GTEST_PROP(BuildStaticMap, AnyCount_GivesAMapWhoseRangesAreContiguous, ()) {
  const auto count = *rc::gen::inRange<uint32_t>(1, 300);
  const absl::StatusOr<ShardMap> map =
      BuildStaticMap({.nodes = {MakeNode(1)}, .group_count = count});
  RC_ASSERT(map.ok());
  RC_ASSERT(map->assignments().size() == count);
  for (const Group& group : map->groups()) {
    const uint32_t size = map->RangesOf(group.id).at(0).size();
    RC_ASSERT(size == kHashSlotCount / count ||
              size == kHashSlotCount / count + 1);
  }
}

}  // namespace
}  // namespace quorate::shardctrl

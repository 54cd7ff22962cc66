#include "node/cluster/slot_owners.h"

#include <string>
#include <utility>
#include <vector>

#include "env/check.h"
#include "gtest/gtest.h"

namespace quorate::node {
namespace {

// A map of three groups, with these assignments.
shardctrl::ShardMap Map(uint64_t version,
                        std::vector<shardctrl::Assignment> assignments) {
  shardctrl::ShardMap::Parts parts;
  parts.version = shardctrl::MapVersion(version);
  parts.nodes = {{.id = NodeId(1), .name = "n1", .peer_address = "n1:1"}};
  for (uint32_t g = 1; g <= 3; ++g) {
    parts.groups.push_back({.id = GroupId(g),
                            .name = "g" + std::to_string(g),
                            .voters = {NodeId(1)}});
  }
  parts.assignments = std::move(assignments);
  auto map = shardctrl::ShardMap::Create(std::move(parts));
  CHECK(map.ok()) << map.status().message();
  return *std::move(map);
}

shardctrl::Assignment Give(uint16_t first, uint16_t last, uint32_t group) {
  return {{Slot(first), Slot(last)}, GroupId(group)};
}

SlotOwners::Former Lost(uint32_t group, uint64_t version) {
  return {GroupId(group), shardctrl::MapVersion(version)};
}

using Formers = std::vector<SlotOwners::Former>;

TEST(SlotOwners, FirstMap_HasNoFormerGroups) {
  const SlotOwners owners(Map(1, {Give(0, 99, 1), Give(100, 16383, 2)}));
  EXPECT_EQ(owners.RangeOf(Slot(99)).group, GroupId(1));
  EXPECT_EQ(owners.RangeOf(Slot(100)).group, GroupId(2));
  EXPECT_EQ(owners.RangeOf(Slot(100)).position, 1u);
  EXPECT_EQ(owners.RangeOf(Slot(16383)).former, Formers());
  EXPECT_FALSE(owners.changed());
}

TEST(SlotOwners, MapWithTheSameAssignments_ChangesTheVersionOnly) {
  SlotOwners owners(Map(1, {Give(0, 99, 1), Give(100, 16383, 2)}));
  owners.Update(Map(2, {Give(0, 99, 1), Give(100, 16383, 2)}));
  EXPECT_EQ(owners.version(), shardctrl::MapVersion(2));
  EXPECT_FALSE(owners.changed());
}

TEST(SlotOwners, SlotsThatMove_KnowTheirFormerGroup_OthersDoNot) {
  SlotOwners owners(Map(1, {Give(0, 99, 1), Give(100, 16383, 2)}));
  owners.Update(
      Map(2, {Give(0, 49, 1), Give(50, 199, 3), Give(200, 16383, 2)}));
  EXPECT_EQ(owners.version(), shardctrl::MapVersion(2));
  EXPECT_TRUE(owners.changed());
  EXPECT_EQ(owners.RangeOf(Slot(49)).former, Formers());
  EXPECT_EQ(owners.RangeOf(Slot(50)).group, GroupId(3));
  EXPECT_EQ(owners.RangeOf(Slot(99)).former, Formers({Lost(1, 2)}));
  EXPECT_EQ(owners.RangeOf(Slot(100)).former, Formers({Lost(2, 2)}));
  EXPECT_EQ(owners.RangeOf(Slot(199)).group, GroupId(3));
  EXPECT_EQ(owners.RangeOf(Slot(200)).group, GroupId(2));
  EXPECT_EQ(owners.RangeOf(Slot(200)).former, Formers());
  EXPECT_EQ(owners.RangesOf(Slot(40), Slot(150)).size(), 3u);
  EXPECT_EQ(owners.RangesOf(Slot(60), Slot(60)).size(), 1u);
}

TEST(SlotOwners, SlotThatMovesOnAndBack_KnowsTheLastLossOfEachGroup) {
  SlotOwners owners(Map(1, {Give(0, 16383, 1)}));
  owners.Update(Map(2, {Give(0, 16383, 2)}));
  owners.Update(Map(3, {Give(0, 16383, 3)}));
  EXPECT_EQ(owners.RangeOf(Slot(7)).former, Formers({Lost(1, 2), Lost(2, 3)}));
  owners.Update(Map(4, {Give(0, 16383, 1)}));
  EXPECT_EQ(owners.RangeOf(Slot(7)).former, Formers({Lost(2, 3), Lost(3, 4)}));
  owners.Update(Map(5, {Give(0, 16383, 2)}));
  EXPECT_EQ(owners.RangeOf(Slot(7)).former, Formers({Lost(3, 4), Lost(1, 5)}));
}

}  // namespace
}  // namespace quorate::node

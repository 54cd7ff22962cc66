#include "shardctrl/planner.h"

#include <algorithm>
#include <map>
#include <vector>

#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace quorate::shardctrl {
namespace {

// Returns the owner of every slot, computed by walking all assignments.
std::map<uint32_t, GroupId> OwnersOf(
    const std::vector<Assignment>& assignments) {
  std::map<uint32_t, GroupId> owners;
  for (const Assignment& assignment : assignments) {
    for (uint32_t slot = assignment.slots.first.value();
         slot <= assignment.slots.last.value(); ++slot) {
      EXPECT_TRUE(owners.emplace(slot, assignment.group).second);
    }
  }
  return owners;
}

TEST(AssignEvenly, ThreeGroups_AreThatOfRedisCluster) {
  const std::vector<GroupId> groups = {GroupId(1), GroupId(2), GroupId(3)};
  const std::vector<Assignment> assignments =
      AssignEvenly(kHashSlotCount, groups);
  ASSERT_EQ(assignments.size(), 3u);
  EXPECT_EQ(assignments[0].slots.last, Slot(5460));
  EXPECT_EQ(assignments[1].slots.last, Slot(10921));
  EXPECT_EQ(assignments[2].slots.last, Slot(16383));
}

RC_GTEST_PROP(AssignEvenly, AnyCounts_CoverAllSlotsOnceEvenlyAndInOrder, ()) {
  const auto slot_count = *rc::gen::inRange<uint32_t>(1, kHashSlotCount + 1);
  const auto group_count = *rc::gen::inRange<uint32_t>(1, 400);
  std::vector<GroupId> groups;
  for (uint32_t i = 0; i < group_count; ++i) {
    groups.push_back(GroupId(i * 3 + 1));
  }
  const auto owners = OwnersOf(AssignEvenly(slot_count, groups));
  RC_ASSERT(owners.size() == slot_count);
  std::map<GroupId, uint32_t> sizes;
  for (GroupId group : groups) sizes[group] = 0;
  GroupId previous;
  for (uint32_t slot = 0; slot < slot_count; ++slot) {
    RC_ASSERT(owners.at(slot) >= previous);
    previous = owners.at(slot);
    ++sizes[previous];
  }
  const auto [least, most] = std::minmax_element(
      sizes.begin(), sizes.end(),
      [](const auto& a, const auto& b) { return a.second < b.second; });
  RC_ASSERT(most->second - least->second <= 1);
}

}  // namespace
}  // namespace quorate::shardctrl

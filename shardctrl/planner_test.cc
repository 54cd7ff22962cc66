#include "shardctrl/planner.h"

#include <algorithm>
#include <map>
#include <utility>
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

// Owners of slots, drawn slot by slot or in ranges.
std::vector<Assignment> AnyOwners(uint32_t slot_count, uint32_t group_count) {
  std::vector<Assignment> owners;
  const auto longest = *rc::gen::element<uint32_t>(1, 5, slot_count);
  for (uint32_t first = 0; first < slot_count;) {
    const uint32_t size = std::min(*rc::gen::inRange<uint32_t>(1, longest + 1),
                                   slot_count - first);
    owners.push_back(
        {.slots = {Slot(static_cast<uint16_t>(first)),
                   Slot(static_cast<uint16_t>(first + size - 1))},
         .group = GroupId(*rc::gen::inRange<uint32_t>(1, group_count + 1))});
    first += size;
  }
  return owners;
}

// The groups with these bits.
std::vector<GroupId> GroupsOf(uint32_t bits) {
  std::vector<GroupId> groups;
  for (uint32_t bit = 0; bit < 32; ++bit) {
    if ((bits >> bit & 1u) != 0) groups.push_back(GroupId(bit + 1));
  }
  return groups;
}

// Weights of at most `heaviest`.
std::vector<SlotShare> SharesOf(const std::vector<GroupId>& groups,
                                uint64_t heaviest = 1) {
  std::vector<SlotShare> shares;
  for (GroupId group : groups) {
    shares.push_back(
        {.group = group,
         .weight =
             heaviest == 1 ? 1 : *rc::gen::inRange<uint64_t>(1, heaviest + 1)});
  }
  return shares;
}

uint64_t WeightOf(const std::vector<SlotShare>& shares) {
  uint64_t sum = 0;
  for (const SlotShare& share : shares) sum += share.weight;
  return sum;
}

std::map<GroupId, int64_t> CountsOf(const std::map<uint32_t, GroupId>& owners) {
  std::map<GroupId, int64_t> counts;
  for (const auto& [slot, group] : owners) ++counts[group];
  return counts;
}

size_t RangesIn(const std::map<uint32_t, GroupId>& owners) {
  size_t ranges = 0;
  GroupId last;
  for (const auto& [slot, group] : owners) {
    if (group != last) ++ranges;
    last = group;
  }
  return ranges;
}

std::map<uint32_t, GroupId> After(std::map<uint32_t, GroupId> owners,
                                  const std::vector<SlotTransfer>& transfers) {
  for (const SlotTransfer& transfer : transfers) {
    for (uint32_t slot = transfer.slots.first.value();
         slot <= transfer.slots.last.value(); ++slot) {
      EXPECT_EQ(owners.at(slot), transfer.from);
      EXPECT_NE(transfer.from, transfer.to);
      owners.at(slot) = transfer.to;
    }
  }
  return owners;
}

// The fewest slots that any balanced result moves: tries each choice of the
// groups whose share is rounded up.
int64_t FewestMoved(const std::map<GroupId, int64_t>& counts,
                    const std::vector<SlotShare>& shares, uint64_t slot_count) {
  const uint64_t weight = WeightOf(shares);
  auto fewest = static_cast<int64_t>(slot_count);
  for (uint32_t bits = 0; bits < (1u << shares.size()); ++bits) {
    uint64_t given = 0;
    int64_t kept = 0;
    bool rounds = true;
    for (size_t i = 0; i < shares.size(); ++i) {
      const uint64_t up = bits >> i & 1u;
      rounds &= up == 0 || slot_count * shares[i].weight % weight != 0;
      const uint64_t share = slot_count * shares[i].weight / weight + up;
      given += share;
      const auto at = counts.find(shares[i].group);
      const int64_t has = at == counts.end() ? 0 : at->second;
      kept += std::min(has, static_cast<int64_t>(share));
    }
    if (!rounds || given != slot_count) continue;
    fewest = std::min(fewest, static_cast<int64_t>(slot_count) - kept);
  }
  return fewest;
}

std::vector<Assignment> Shuffled(std::vector<Assignment> owners) {
  for (size_t i = owners.size(); i > 1; --i) {
    std::swap(owners[i - 1], owners[*rc::gen::inRange<size_t>(0, i)]);
  }
  return owners;
}

RC_GTEST_PROP(PlanBalance, AnyOwners_AreBalancedWithTheFewestMovedSlots, ()) {
  const auto slot_count = *rc::gen::inRange<uint32_t>(1, 100);
  const auto owners = AnyOwners(slot_count, 8);
  auto shares = SharesOf(GroupsOf(*rc::gen::inRange<uint32_t>(1, 256)),
                         *rc::gen::element<uint64_t>(1, 3, 1000));
  const auto transfers = PlanBalance(owners, shares);
  const auto before = OwnersOf(owners);
  const auto after = After(before, transfers);
  auto counts = CountsOf(after);
  const auto weight = static_cast<int64_t>(WeightOf(shares));
  int64_t all = 0;
  for (const SlotShare& share : shares) {
    const int64_t count = counts[share.group];
    const int64_t excess =
        count * weight - slot_count * static_cast<int64_t>(share.weight);
    RC_ASSERT(excess < weight);
    RC_ASSERT(excess > -weight);
    all += count;
  }
  RC_ASSERT(all == slot_count);
  int64_t moved = 0;
  for (const SlotTransfer& transfer : transfers) moved += transfer.slots.size();
  RC_ASSERT(moved == FewestMoved(CountsOf(before), shares, slot_count));
  // Each party cuts one range at most.
  RC_ASSERT(RangesIn(after) <= RangesIn(before) + 16);

  std::vector<Assignment> planned;
  for (const auto& [slot, group] : after) {
    const Slot id(static_cast<uint16_t>(slot));
    planned.push_back({.slots = {id, id}, .group = group});
  }
  RC_ASSERT(PlanBalance(planned, shares).empty());
  std::reverse(shares.begin(), shares.end());
  RC_ASSERT(PlanBalance(Shuffled(owners), shares) == transfers);
}

RC_GTEST_PROP(PlanBalance, PinnedSlots_StayAndOthersFillUp, ()) {
  const auto slot_count = *rc::gen::inRange<uint32_t>(1, 100);
  const auto owners = AnyOwners(slot_count, 6);
  const auto groups = GroupsOf(*rc::gen::inRange<uint32_t>(1, 64));
  std::vector<SlotRange> pinned;
  for (uint32_t slot = 0; slot < slot_count; ++slot) {
    const Slot id(static_cast<uint16_t>(slot));
    if (*rc::gen::inRange(0, 4) == 0) pinned.push_back({id, id});
  }
  const auto transfers = PlanBalance(owners, SharesOf(groups), pinned);
  for (const SlotTransfer& transfer : transfers) {
    for (SlotRange slot : pinned) {
      RC_ASSERT(!transfer.slots.Contains(slot.first));
    }
  }
  // A group lacks slots only if the others cannot give any.
  const auto after = After(OwnersOf(owners), transfers);
  auto counts = CountsOf(after);
  const auto share = static_cast<int64_t>(slot_count / groups.size());
  const bool lacks =
      std::any_of(groups.begin(), groups.end(),
                  [&](GroupId group) { return counts[group] < share; });
  for (const auto& [slot, group] : after) {
    const bool shares =
        std::find(groups.begin(), groups.end(), group) != groups.end();
    const bool too_many = !shares || counts[group] > share + 1;
    const bool stays = std::any_of(
        pinned.begin(), pinned.end(),
        [&](SlotRange range) { return range.first.value() == slot; });
    RC_ASSERT(!lacks || !too_many || stays);
  }
}

TEST(PlanBalance, ThreeGroupsOfFive_GiveConnectedRanges) {
  const std::vector<GroupId> three = {GroupId(1), GroupId(2), GroupId(3)};
  const auto owners = AssignEvenly(kHashSlotCount, three);
  const auto transfers = PlanBalance(owners, SharesOf(GroupsOf(31)));
  const auto after = After(OwnersOf(owners), transfers);
  EXPECT_EQ(RangesIn(after), 5u);
  EXPECT_EQ(CountsOf(after).at(GroupId(5)), 3276);
}

TEST(PlanBalance, ALeavingGroup_GivesToItsNeighbours) {
  const std::vector<GroupId> three = {GroupId(1), GroupId(2), GroupId(3)};
  const auto owners = AssignEvenly(kHashSlotCount, three);
  const auto after =
      After(OwnersOf(owners), PlanBalance(owners, SharesOf(GroupsOf(0b101))));
  EXPECT_EQ(RangesIn(after), 2u);
  EXPECT_EQ(CountsOf(after).at(GroupId(1)), 8192);
}

TEST(PlanBalance, GroupsThatDoNotTake_LeaveTheSlotsToOthers) {
  const std::vector<GroupId> one = {GroupId(3)};
  const auto owners = AssignEvenly(16, one);
  const std::vector<SlotRange> pinned = {{Slot(0), Slot(9)}};
  std::vector<SlotShare> shares = SharesOf(GroupsOf(15));
  shares[0].takes = shares[1].takes = shares[2].takes = false;
  const auto transfers = PlanBalance(owners, shares, pinned);
  const auto after = After(OwnersOf(owners), transfers);
  EXPECT_EQ(CountsOf(after).at(GroupId(4)), 4);
  EXPECT_EQ(CountsOf(after).at(GroupId(3)), 12);
}

TEST(PlanBalance, AGroupOfTwiceTheWeight_GetsTwiceTheSlots) {
  const std::vector<GroupId> three = {GroupId(1), GroupId(2), GroupId(3)};
  const auto owners = AssignEvenly(kHashSlotCount, three);
  const auto transfers =
      PlanBalance(owners, {{.group = GroupId(1), .weight = 100},
                           {.group = GroupId(2), .weight = 200},
                           {.group = GroupId(3), .weight = 100}});
  const auto after = After(OwnersOf(owners), transfers);
  EXPECT_EQ(CountsOf(after).at(GroupId(1)), 4096);
  EXPECT_EQ(CountsOf(after).at(GroupId(2)), 8192);
  EXPECT_EQ(RangesIn(after), 3u);
}

}  // namespace
}  // namespace quorate::shardctrl

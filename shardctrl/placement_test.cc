#include "shardctrl/placement.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace quorate::shardctrl {
namespace {

using Nodes = std::vector<PlacementNode>;
using Groups = std::vector<PlacementGroup>;

std::vector<NodeId> Ids(std::vector<uint32_t> numbers) {
  std::vector<NodeId> ids;
  for (uint32_t number : numbers) ids.push_back(NodeId(number));
  return ids;
}

Nodes EqualNodes(uint32_t count) {
  Nodes nodes;
  for (uint32_t n = 1; n <= count; ++n) nodes.push_back({.id = NodeId(n)});
  return nodes;
}

bool IsIn(const std::vector<NodeId>& ids, NodeId id) {
  return std::count(ids.begin(), ids.end(), id) > 0;
}

// True if the group has more replicas than it shall have.
bool Shrinks(const Nodes& nodes, const PlacementGroup& group) {
  uint32_t present = 0;
  for (const PlacementNode& node : nodes) {
    if (IsIn(group.present, node.id)) ++present;
  }
  return present > group.replicas;
}

// Numbers that are to be small, the first one first:
//   - missing replicas;
//   - those on their way to nodes that are down, or kept there by a group that
//     shrinks;
//   - pairs in a zone, then pairs on a host;
//   - imbalance, then moves.
using Goals = std::tuple<int64_t, int64_t, int64_t, int64_t, int64_t, int64_t>;

Goals GoalsOf(const Nodes& nodes, const Groups& groups,
              const std::vector<PlacedGroup>& placed) {
  int64_t missing = 0, down = 0, zones = 0, hosts = 0, balance = 0, moves = 0;
  std::map<NodeId, int64_t> counts;
  std::map<NodeId, const PlacementNode*> by;
  for (const PlacementNode& node : nodes) by[node.id] = &node;
  for (size_t g = 0; g < groups.size(); ++g) {
    const auto& list = placed[g].nodes;
    missing += groups[g].replicas - static_cast<int64_t>(list.size());
    for (size_t i = 0; i < list.size(); ++i) {
      ++counts[list[i]];
      const bool present = IsIn(groups[g].present, list[i]);
      moves += present ? 0 : IsIn(groups[g].coming, list[i]) ? 1 : 2;
      down += by[list[i]]->down && (!present || Shrinks(nodes, groups[g]));
      for (size_t j = 0; j < i; ++j) {
        const PlacementNode &a = *by[list[i]], &b = *by[list[j]];
        zones += a.zone == b.zone;
        hosts += a.host == b.host && !a.host.empty();
      }
    }
  }
  // The steps of the planner's sum of count^2 / weight, rounded as it rounds.
  for (const PlacementNode& node : nodes) {
    for (int64_t k = 1; k <= counts[node.id]; ++k) {
      balance += (2 * k - 1) * (int64_t{1} << 32) / node.weight;
    }
  }
  return {missing, down, zones, hosts, balance, moves};
}

// The slow planner: tries every placement, and returns the best goals.
Goals BestGoals(const Nodes& nodes, const Groups& groups) {
  std::vector<PlacedGroup> placed(groups.size());
  Goals best;
  bool first = true;
  const std::function<void(size_t)> try_all = [&](size_t g) {
    if (g == groups.size()) {
      const Goals goals = GoalsOf(nodes, groups, placed);
      if (first || goals < best) best = goals;
      first = false;
      return;
    }
    for (uint32_t set = 0; set < 1u << nodes.size(); ++set) {
      placed[g].nodes.clear();
      bool may = true;
      for (size_t n = 0; n < nodes.size(); ++n) {
        if ((set >> n & 1) == 0) continue;
        placed[g].nodes.push_back(nodes[n].id);
        may &= !nodes[n].down || IsIn(groups[g].present, nodes[n].id) ||
               IsIn(groups[g].coming, nodes[n].id);
      }
      if (!may || placed[g].nodes.size() > groups[g].replicas) continue;
      try_all(g + 1);
    }
  };
  try_all(0);
  return best;
}

Groups Applied(Groups groups, const std::vector<PlacedGroup>& placed) {
  for (size_t g = 0; g < groups.size(); ++g) {
    groups[g].present = placed[g].nodes;
    groups[g].coming.clear();
  }
  return groups;
}

Nodes SomeNodes(uint32_t count_max) {
  Nodes nodes;
  const auto count = *rc::gen::inRange<uint32_t>(1, count_max + 1);
  for (uint32_t n = 1; n <= count; ++n) {
    const auto zone = *rc::gen::element<std::string>("", "a", "b", "c");
    const auto host = *rc::gen::element<std::string>("", "", "x", "y");
    // A machine is in one zone.
    nodes.push_back({.id = NodeId(n),
                     .weight = *rc::gen::element<uint32_t>(1, 1, 1, 2, 3),
                     .zone = zone,
                     .host = host.empty() ? "" : host + zone,
                     .down = *rc::gen::inRange(0, 4) == 0});
  }
  return nodes;
}

std::vector<NodeId> SomeIds(uint32_t count_max, uint32_t id_max) {
  std::set<NodeId> ids;
  const auto count = *rc::gen::inRange<uint32_t>(0, count_max + 1);
  for (uint32_t i = 0; i < count; ++i) {
    ids.insert(NodeId(*rc::gen::inRange<uint32_t>(1, id_max + 1)));
  }
  return {ids.begin(), ids.end()};
}

Groups SomeGroups(uint32_t count_max, uint32_t replicas_max, uint32_t id_max) {
  Groups groups;
  const auto count = *rc::gen::inRange<uint32_t>(1, count_max + 1);
  for (uint32_t g = 1; g <= count; ++g) {
    groups.push_back(
        {.id = GroupId(g),
         .replicas = *rc::gen::inRange<uint32_t>(1, replicas_max + 1),
         .present = SomeIds(replicas_max, id_max),
         .coming = SomeIds(1, id_max)});
  }
  return groups;
}

RC_GTEST_PROP(Place_SmallInputs, ReachesTheGoalsOfTheSlowPlanner, ()) {
  const Nodes nodes = SomeNodes(4);
  // Node 5 is gone: its replicas must move.
  const Groups groups = SomeGroups(3, 3, 5);
  const auto placed = Place(nodes, groups);
  RC_ASSERT(GoalsOf(nodes, groups, placed) == BestGoals(nodes, groups));
}

RC_GTEST_PROP(Place_AnyInput, IsStableAndIgnoresTheOrder, ()) {
  Nodes nodes = SomeNodes(9);
  Groups groups = SomeGroups(12, 5, 10);
  const auto placed = Place(nodes, groups);
  RC_ASSERT(Place(nodes, Applied(groups, placed)) == placed);
  std::reverse(nodes.begin(), nodes.end());
  std::rotate(groups.begin(), groups.begin() + groups.size() / 2, groups.end());
  for (PlacementGroup& group : groups) {
    std::reverse(group.present.begin(), group.present.end());
  }
  RC_ASSERT(Place(nodes, groups) == placed);
}

RC_GTEST_PROP(Place_WithoutZones, CountsPerWeightDifferByOneAtMost, ()) {
  Nodes nodes = EqualNodes(*rc::gen::inRange<uint32_t>(3, 10));
  for (PlacementNode& node : nodes) {
    node.weight = *rc::gen::inRange<uint32_t>(1, 4);
  }
  const Groups groups = SomeGroups(40, 3, 9);
  std::map<NodeId, int64_t> counts;
  std::map<NodeId, std::set<GroupId>> held;
  for (const PlacedGroup& group : Place(nodes, groups)) {
    for (NodeId node : group.nodes) {
      ++counts[node];
      held[node].insert(group.id);
    }
  }
  for (const PlacementNode& a : nodes) {
    for (const PlacementNode& b : nodes) {
      // A node that has a replica of every group can take no more.
      if (std::includes(held[b.id].begin(), held[b.id].end(),
                        held[a.id].begin(), held[a.id].end())) {
        continue;
      }
      RC_ASSERT((counts[a.id] - 1) * b.weight <=
                counts[b.id] * a.weight + std::max(a.weight, b.weight));
    }
  }
}

TEST(Place, NodeAdded_TakesItsShareAndNothingElseMoves) {
  Groups groups;
  for (uint32_t g = 1; g <= 40; ++g) {
    groups.push_back({.id = GroupId(g), .replicas = 3});
  }
  groups = Applied(groups, Place(EqualNodes(3), groups));
  const auto placed = Place(EqualNodes(4), groups);
  std::map<NodeId, size_t> counts;
  size_t moved = 0;
  for (size_t g = 0; g < groups.size(); ++g) {
    for (NodeId node : placed[g].nodes) {
      ++counts[node];
      moved += std::count(groups[g].present.begin(), groups[g].present.end(),
                          node) == 0;
    }
  }
  EXPECT_EQ(moved, 30u);
  for (uint32_t n = 1; n <= 4; ++n) EXPECT_EQ(counts[NodeId(n)], 30u) << n;
}

TEST(Place, ReplicaComing_IsKept) {
  const Nodes nodes = EqualNodes(5);
  const auto placed = Place(nodes, Groups{{.id = GroupId(1),
                                           .replicas = 3,
                                           .present = Ids({1, 2, 9}),
                                           .coming = Ids({5})}});
  EXPECT_EQ(placed[0].nodes, Ids({1, 2, 5}));
}

TEST(Place, NodeThatIsDown_GetsNothingAndIsDroppedFirst) {
  Nodes nodes = EqualNodes(4);
  nodes[0].down = nodes[3].down = true;
  const Groups groups = {
      {.id = GroupId(1), .replicas = 2, .present = Ids({1, 2, 3})},
      {.id = GroupId(2), .replicas = 3, .present = Ids({1, 2, 3})},
      {.id = GroupId(3), .replicas = 4, .present = Ids({1, 2, 3})},
      // Its replica for node 4 is not there yet.
      {.id = GroupId(4),
       .replicas = 2,
       .present = Ids({2}),
       .coming = Ids({4})}};
  const auto placed = Place(nodes, groups);
  EXPECT_EQ(placed[0].nodes, Ids({2, 3}));
  EXPECT_EQ(placed[1].nodes, Ids({1, 2, 3}));
  EXPECT_EQ(placed[2].nodes, Ids({1, 2, 3}));
  EXPECT_EQ(placed[3].nodes, Ids({2, 3}));
}

TEST(Place, AllowedNodes_AreTheOnlyOnes) {
  const auto placed =
      Place(EqualNodes(4),
            Groups{{.id = GroupId(1), .replicas = 1, .allowed = Ids({3, 9})}});
  EXPECT_EQ(placed[0].nodes, Ids({3}));
}

TEST(Place, ThousandGroups_Balanced) {
  Nodes nodes = EqualNodes(9);
  for (size_t n = 0; n < nodes.size(); ++n) {
    nodes[n].zone = std::string(1, static_cast<char>('a' + n % 3));
  }
  Groups groups;
  for (uint32_t g = 1; g <= 1000; ++g) {
    groups.push_back({.id = GroupId(g), .replicas = 3});
  }
  const auto placed = Place(nodes, groups);
  const auto [missing, down, zones, hosts, balance, moves] =
      GoalsOf(nodes, groups, placed);
  EXPECT_EQ(missing, 0);
  EXPECT_EQ(down, 0);
  EXPECT_EQ(zones, 0);
  EXPECT_EQ(hosts, 0);
  groups = Applied(groups, placed);
  nodes.pop_back();
  std::map<NodeId, int64_t> counts;
  for (const PlacedGroup& group : Place(nodes, groups)) {
    for (NodeId node : group.nodes) ++counts[node];
  }
  for (const PlacementNode& node : nodes) {
    // Zone c has two nodes left for its 1,000 replicas.
    EXPECT_NEAR(counts[node.id], node.zone == "c" ? 500 : 333, 1);
  }
}

TEST(Explain, EachChange_HasItsReason) {
  Nodes nodes = EqualNodes(4);
  const Groups groups = {
      {.id = GroupId(1), .replicas = 3, .present = Ids({1, 2, 9})},
      {.id = GroupId(2), .replicas = 3, .present = Ids({1, 2})},
      {.id = GroupId(3), .replicas = 1, .present = Ids({1, 2})},
  };
  const std::vector<PlacedGroup> placed = {{GroupId(1), Ids({1, 2, 3})},
                                           {GroupId(2), Ids({1, 2, 4})},
                                           {GroupId(3), Ids({4})}};
  using Reason = PlacementReason;
  EXPECT_EQ(ExplainPlacement(nodes, groups, placed),
            (std::vector<PlacementChange>{
                {GroupId(1), NodeId(9), NodeId(3), Reason::kNotAllowed},
                {GroupId(2), NodeId(), NodeId(4), Reason::kMissing},
                {GroupId(3), NodeId(1), NodeId(4), Reason::kBalance},
                {GroupId(3), NodeId(2), NodeId(), Reason::kSurplus}}));
}

}  // namespace
}  // namespace quorate::shardctrl

#include "sim/members/placement_goals.h"

#include <algorithm>
#include <cstdlib>

#include "absl/strings/str_cat.h"

namespace quorate::sim {

// A node that is down keeps what is there or on its way, and gets no other.
std::set<NodeId> PlacementGoals::Candidates(const Group& group) const {
  std::set<NodeId> candidates;
  for (const auto& [id, node] : nodes) {
    if (group.allowed.has_value() && !group.allowed->contains(id)) continue;
    const bool there = group.present.contains(id) || group.coming.contains(id);
    if (node.down && (group.answering_only || !there)) continue;
    candidates.insert(id);
  }
  return candidates;
}

std::map<GroupId, size_t> PlacementGoals::CountVoters() const {
  std::map<GroupId, size_t> counts;
  for (const auto& [id, group] : groups) {
    counts[id] = std::min<size_t>(group.replicas, Candidates(group).size());
  }
  return counts;
}

std::string PlacementGoals::CheckNodes(GroupId id,
                                       const std::set<NodeId>& chosen) const {
  const Group& group = groups.at(id);
  const std::set<NodeId> candidates = Candidates(group);
  for (const NodeId node : chosen) {
    if (candidates.contains(node)) continue;
    return absl::StrCat("group ", id.value(), " may have no replica on node ",
                        node.value());
  }
  const size_t count = std::min<size_t>(group.replicas, candidates.size());
  if (chosen.size() == count) return "";
  return absl::StrCat("group ", id.value(), " has ", chosen.size(),
                      " replicas, and ", count, " can be");
}

bool PlacementGoals::IsBetter(const Group& group,
                              const std::set<NodeId>& chosen, NodeId from,
                              NodeId to,
                              const std::map<NodeId, int64_t>& counts) const {
  const std::set<NodeId> candidates = Candidates(group);
  size_t have = 0;
  for (const NodeId one : group.present) have += candidates.count(one);
  const bool shrinks = have > group.replicas;
  const auto distance = [&](NodeId id) {
    if (group.present.contains(id)) return 0;
    return group.coming.contains(id) ? 1 : 2;
  };
  // No replica is on its way to a node that is down, and a group that gives
  // some up keeps none there.
  const auto hopeless = [&](NodeId id) {
    return nodes.at(id).down && (shrinks || distance(id) > 0) ? 1 : 0;
  };
  const int down = hopeless(to) - hopeless(from);
  if (down != 0) return down < 0;
  int zones = 0, hosts = 0;
  for (const NodeId other : chosen) {
    if (other == from) continue;
    const Node& there = nodes.at(other);
    const auto near = [&](NodeId id) {
      const Node& node = nodes.at(id);
      const bool machine = node.host == there.host && !node.host.empty();
      return std::pair(node.zone == there.zone ? 1 : 0, machine ? 1 : 0);
    };
    zones += near(to).first - near(from).first;
    hosts += near(to).second - near(from).second;
  }
  if (zones != 0) return zones < 0;
  if (hosts != 0) return hosts < 0;
  // The sum of count^2 / weight. One replica more there costs more / heavy, and
  // one less here saves less / light.
  const int64_t more = 2 * counts.at(to) + 1, heavy = nodes.at(to).weight;
  const int64_t less = 2 * counts.at(from) - 1, light = nodes.at(from).weight;
  const int64_t difference = more * light - less * heavy;
  // The planner rounds, so a difference below a millionth is none, and says
  // nothing of the goal after it.
  if (std::abs(difference) * 1'000'000 > heavy * light) return difference < 0;
  return difference == 0 && distance(to) < distance(from);
}

std::string PlacementGoals::Check(
    const std::map<GroupId, std::set<NodeId>>& chosen) const {
  std::map<NodeId, int64_t> counts;
  for (const auto& [id, node] : nodes) counts[id] = 0;
  for (const auto& [id, on] : chosen) {
    if (std::string bad = CheckNodes(id, on); !bad.empty()) return bad;
    for (const NodeId node : on) ++counts[node];
  }
  for (const auto& [id, on] : chosen) {
    const Group& group = groups.at(id);
    for (const NodeId to : Candidates(group)) {
      if (on.contains(to)) continue;
      for (const NodeId from : on) {
        if (!IsBetter(group, on, from, to, counts)) continue;
        return absl::StrCat("the replica of group ", id.value(), " on node ",
                            from.value(), " would be better on node ",
                            to.value());
      }
    }
  }
  return "";
}

}  // namespace quorate::sim

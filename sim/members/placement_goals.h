// sim/members/placement_goals.h: checks that a choice of nodes for replicas
// satisfies the goals of the planner, without a planner.
//
// The goals are those of docs/controller.md, the first one first. A choice is
// wrong if the move of one replica to another node would serve them better.
#ifndef QUORATE_SIM_MEMBERS_PLACEMENT_GOALS_H_
#define QUORATE_SIM_MEMBERS_PLACEMENT_GOALS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "env/ids.h"

namespace quorate::sim {

struct PlacementGoals {
  struct Node {
    uint32_t weight = 1;
    std::string zone = {};
    std::string host = {};  // Empty: one that no other node is on.
    bool down = false;
  };
  struct Group {
    uint32_t replicas = 1;
    std::set<NodeId> present = {};  // They have the group's entries.
    std::set<NodeId> coming = {};   // They get them now.
    std::optional<std::set<NodeId>> allowed = {};  // Nullopt: all nodes.
    bool answering_only = false;                   // No node that is down.
  };

  std::map<NodeId, Node> nodes = {};
  std::map<GroupId, Group> groups = {};

  // The nodes that may have a replica of the group.
  std::set<NodeId> Candidates(const Group& group) const;
  // The number of replicas that each group must get.
  std::map<GroupId, size_t> CountVoters() const;
  // Empty, or a goal that the nodes of some group do not serve.
  std::string Check(const std::map<GroupId, std::set<NodeId>>& chosen) const;

 private:
  // Empty, or that these nodes may not have the replicas of the group.
  std::string CheckNodes(GroupId id, const std::set<NodeId>& chosen) const;
  // True if a replica of the group serves the goals better on `to` than on
  // `from`, where nodes have so many replicas.
  bool IsBetter(const Group& group, const std::set<NodeId>& chosen, NodeId from,
                NodeId to, const std::map<NodeId, int64_t>& counts) const;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_MEMBERS_PLACEMENT_GOALS_H_

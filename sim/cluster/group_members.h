// sim/cluster/group_members.h: the members of a group of a cluster at a moment,
// and its slots.
#ifndef QUORATE_SIM_CLUSTER_GROUP_MEMBERS_H_
#define QUORATE_SIM_CLUSTER_GROUP_MEMBERS_H_

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "env/ids.h"

namespace quorate::sim {

// Nodes have the numbers of their places (Places::NumberOf). Zero: a member
// lives nowhere.
struct GroupMembers {
  std::vector<NodeId> members() const {
    std::vector<NodeId> all = voters;
    for (const std::vector<NodeId>* others : {&outgoing, &learners}) {
      for (const NodeId node : *others) {
        if (std::ranges::count(all, node) == 0) all.push_back(node);
      }
    }
    return all;
  }
  // Whether a majority is such a node, in each half of a joint configuration.
  template <typename Is>
  bool Majority(Is is) const {
    const auto most = [&](const std::vector<NodeId>& half) {
      const auto such = std::ranges::count_if(half, is);
      return half.empty() || static_cast<size_t>(such) * 2 > half.size();
    };
    return most(voters) && most(outgoing);
  }
  bool Has(NodeId node) const {
    return std::ranges::count(voters, node) > 0 ||
           std::ranges::count(outgoing, node) > 0 ||
           std::ranges::count(learners, node) > 0;
  }

  GroupId group;
  std::vector<NodeId> voters;
  // The other half of the voters in a joint configuration.
  std::vector<NodeId> outgoing = {};
  std::vector<NodeId> learners = {};
  // Its slots: the first and the last one of each range.
  std::vector<std::pair<uint16_t, uint16_t>> slots = {};
  bool stores = true;  // False: it is that of the controller.
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CLUSTER_GROUP_MEMBERS_H_

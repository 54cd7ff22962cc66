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

// Nodes have the numbers of their places (Places::NumberOf). Zero: the member
// lives nowhere, since its disk is gone.
struct GroupMembers {
  // Those that live somewhere.
  std::vector<NodeId> members() const {
    std::vector<NodeId> all = voters;
    all.insert(all.end(), learners.begin(), learners.end());
    std::erase(all, NodeId());
    return all;
  }
  // Whether a majority of the voters is such a node. While the voters change,
  // there are two majorities.
  template <typename Is>
  bool Majority(Is is) const {
    const auto most = [&is](const std::vector<NodeId>& nodes) {
      const auto such = std::ranges::count_if(
          nodes, [&is](NodeId node) { return node != NodeId() && is(node); });
      return static_cast<size_t>(such) * 2 > nodes.size();
    };
    return most(voters) && (outgoing.empty() || most(outgoing));
  }
  bool Has(NodeId node) const {
    return std::ranges::count(voters, node) > 0 ||
           std::ranges::count(learners, node) > 0;
  }

  GroupId group;
  std::vector<NodeId> voters;
  std::vector<NodeId> learners = {};
  std::vector<NodeId> outgoing = {};  // The voters before, in a joint change.
  // Its slots: the first and the last one of each range.
  std::vector<std::pair<uint16_t, uint16_t>> slots = {};
  bool stores = true;  // False: it is that of the controller.
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CLUSTER_GROUP_MEMBERS_H_

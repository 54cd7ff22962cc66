// sim/members/majority_loss.h: the loss of disks that takes their majority from
// groups, but no entry that they had.
//
// Every voter that is left has all entries that any replica has, and has
// applied those that are committed. So `recover` must bring back everything.
// The raft/host tests lose entries.
#ifndef QUORATE_SIM_MEMBERS_MAJORITY_LOSS_H_
#define QUORATE_SIM_MEMBERS_MAJORITY_LOSS_H_

#include <cstddef>
#include <vector>

#include "absl/functional/function_ref.h"
#include "env/ids.h"
#include "sim/cluster/cluster.h"
#include "sim/members/member_rules.h"

namespace quorate::sim {

struct MajorityLoss {
  std::vector<size_t> places = {};  // Their disks are lost. Empty: none can be.
  std::vector<GroupId> groups = {};  // They lose their majority.
};

// Voters of `group` are lost, but not that of the place `survivor`. `stays`:
// whether the controller goes on with the store of a place.
MajorityLoss PlanMajorityLoss(const Cluster& cluster, const MemberRules& rules,
                              GroupId group, size_t survivor,
                              absl::FunctionRef<bool(size_t)> stays);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_MEMBERS_MAJORITY_LOSS_H_

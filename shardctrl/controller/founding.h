// shardctrl/controller/founding.h: the first state of the controller, made from
// what the cluster is founded with.
//
// The state is the founding parameters of the controller's group, so all its
// replicas begin with one.
#ifndef QUORATE_SHARDCTRL_CONTROLLER_FOUNDING_H_
#define QUORATE_SHARDCTRL_CONTROLLER_FOUNDING_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "env/ids.h"
#include "raft/core/types.h"
#include "shardctrl/controller/state.h"
#include "shardctrl/map.h"
#include "shardctrl/partition.h"

namespace quorate::shardctrl {

struct ClusterFounding {
  struct Group {
    GroupId id = {};
    std::string name = {};
    // Its members; entry 1 of the group.
    raft::Configuration configuration = {};
  };
  Partitioner partitioner = Partitioner::kHashSlots;
  uint32_t slot_count = kHashSlotCount;
  // Of groups that are created later.
  uint32_t default_replicas = 3;
  GroupTemplate created_groups = {};
  // Id, name, place, weight, role, addresses and store of each node.
  std::vector<NodeRecord> nodes = {};
  // The controller's own group, too. Its configuration needs no parameters
  // here: they are what is being made.
  std::vector<Group> groups = {};
  std::vector<Assignment> slots = {};
};

// Every list may have any order. kInvalidArgument: a member's node is unknown,
// or has another store, or the state is not valid (ValidateState).
absl::StatusOr<ClusterState> FoundCluster(ClusterFounding founding);

}  // namespace quorate::shardctrl

#endif  // QUORATE_SHARDCTRL_CONTROLLER_FOUNDING_H_

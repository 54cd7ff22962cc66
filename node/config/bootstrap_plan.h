// node/config/bootstrap_plan.h: the plan of a cluster that a configuration file
// makes, and how the file is compared with the plan of the founded cluster.
//
// The founded plan always wins. After the founding the file says what its own
// node needs. Members, slots and addresses may have moved on since it was
// written. A start is stopped only by what can never change.
// Pure.
#ifndef QUORATE_NODE_CONFIG_BOOTSTRAP_PLAN_H_
#define QUORATE_NODE_CONFIG_BOOTSTRAP_PLAN_H_

#include <string>

#include "absl/status/status.h"
#include "kv/command/rules.h"
#include "node/config/config.h"
#include "raft/host/bootstrap_record.h"
#include "shardctrl/map.h"

namespace quorate::node {

// The groups of the map, and that of the controller. `division` is that of the
// map.
raft::BootstrapPlan MakeBootstrapPlan(const shardctrl::ShardMap& map,
                                      const KeyDivision& division,
                                      const kv::Rules& rules);

// OK if the division of keys into slots is that of `founded`. Otherwise
// kFailedPrecondition with both and the remedy. `today` is the plan
// that the file makes. The replicated limits are not compared: the founded ones
// hold, whatever this program has.
absl::Status CheckAgainstBootstrap(const raft::BootstrapPlan& today,
                                   const raft::BootstrapPlan& founded);

// The first difference between the plans, with the key of the file, its value
// and the founded value. Empty if there is none. Requires: the plans passed
// CheckAgainstBootstrap, and `today` is the plan that `config` makes.
std::string DifferenceFromBootstrap(const Config& config,
                                    const raft::BootstrapPlan& today,
                                    const raft::BootstrapPlan& founded);

// The replicated limits of the stores of a founded cluster. Requires: the plan
// has a store.
kv::Rules FoundedRules(const raft::BootstrapPlan& founded);

// The parts of the founded cluster's shard map: its stores, and the nodes of
// plan and file. A node that the file does not name has no addresses.
shardctrl::ShardMap::Parts FoundedParts(const Config& config,
                                        const raft::BootstrapPlan& founded);

}  // namespace quorate::node

#endif  // QUORATE_NODE_CONFIG_BOOTSTRAP_PLAN_H_

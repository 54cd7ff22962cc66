// node/config/bootstrap_plan.h: the plan of a cluster that a configuration file
// makes, and how the file is compared with the plan of the founded cluster.
//
// The founded plan always wins: a file that contradicts it stops the start.
// Pure.
#ifndef QUORATE_NODE_CONFIG_BOOTSTRAP_PLAN_H_
#define QUORATE_NODE_CONFIG_BOOTSTRAP_PLAN_H_

#include "absl/status/status.h"
#include "kv/command/rules.h"
#include "node/config/config.h"
#include "raft/host/bootstrap_record.h"
#include "shardctrl/map.h"

namespace quorate::node {

raft::BootstrapPlan MakeBootstrapPlan(const shardctrl::ShardMap& map,
                                      const kv::Rules& rules);

// OK if `config` agrees with `founded`. Otherwise kFailedPrecondition with the
// key of the file, its value, the founded value and the remedy. The replicated
// limits are not compared: the founded ones hold, whatever this program has.
// Requires: `today` is the plan that `config` makes.
absl::Status CheckAgainstBootstrap(const Config& config,
                                   const raft::BootstrapPlan& today,
                                   const raft::BootstrapPlan& founded);

}  // namespace quorate::node

#endif  // QUORATE_NODE_CONFIG_BOOTSTRAP_PLAN_H_

// node/controller/host_view.h: the replicas of a node, as
// shardctrl::Reconcile sees them. It takes no action.
#ifndef QUORATE_NODE_CONTROLLER_HOST_VIEW_H_
#define QUORATE_NODE_CONTROLLER_HOST_VIEW_H_

#include "env/ids.h"
#include "node/controller/action_runner.h"
#include "node/routing/live_view.h"
#include "raft/host/host.h"
#include "shardctrl/controller/reconcile.h"

namespace quorate::node {

shardctrl::HostView HostViewOf(NodeId self, const raft::Host& host,
                               const LiveView& live,
                               const ActionRunner& runner);

}  // namespace quorate::node

#endif  // QUORATE_NODE_CONTROLLER_HOST_VIEW_H_

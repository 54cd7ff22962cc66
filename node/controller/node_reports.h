// node/controller/node_reports.h: the reports of a node about itself, and those
// of the controller's leader about nodes that are silent, or work again.
#ifndef QUORATE_NODE_CONTROLLER_NODE_REPORTS_H_
#define QUORATE_NODE_CONTROLLER_NODE_REPORTS_H_

#include <cstdint>
#include <functional>
#include <utility>

#include "absl/container/btree_map.h"
#include "env/ids.h"
#include "env/time.h"
#include "node/controller/action_runner.h"
#include "shardctrl/controller/state.h"

namespace quorate::node {

class NodeReports {
 public:
  // A node that is still silent is reported again this often.
  static constexpr Duration kSilenceInterval = Seconds(5);

  // `runner` outlives the object. `works`: another node is connected, and is
  // neither refused nor stopped (LiveView::works).
  NodeReports(NodeId self, ActionRunner& runner,
              std::function<bool(NodeId)> works)
      : self_(self), runner_(runner), works_(std::move(works)) {}
  NodeReports(const NodeReports&) = delete;
  NodeReports& operator=(const NodeReports&) = delete;

  // Unless the controller knows the addresses with this start, or a later one.
  void ReportAddresses(const shardctrl::ClusterState& state,
                       StoreIncarnation store, uint64_t start,
                       const shardctrl::ReportedAddresses& own);
  // `leads`: this node leads the controller's group.
  void ReportSilence(const shardctrl::ClusterState& state, bool leads,
                     MonoTime now);

 private:
  const NodeId self_;
  ActionRunner& runner_;
  const std::function<bool(NodeId)> works_;
  // When the silence of a node was reported last.
  absl::btree_map<NodeId, MonoTime> silence_reported_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_CONTROLLER_NODE_REPORTS_H_

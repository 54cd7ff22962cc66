#include "node/controller/node_reports.h"

#include "shardctrl/controller/command.h"

namespace quorate::node {

using Kind = shardctrl::ReconcileAction::Kind;
using shardctrl::ControllerCommand;

void NodeReports::ReportAddresses(const shardctrl::ClusterState& state,
                                  StoreIncarnation store, uint64_t start,
                                  const shardctrl::ReportedAddresses& own) {
  const shardctrl::NodeRecord* const node = state.FindNode(self_);
  if (node == nullptr || node->start_number > start ||
      (node->start_number == start && node->addresses == own)) {
    return;
  }
  // The node was replaced: each report would be refused.
  if (node->store != store && !node->IsUnboundFounder()) return;
  runner_.Report(ControllerCommand::ReportNode{.node = self_,
                                               .store = store,
                                               .start_number = start,
                                               .addresses = own},
                 {.kind = Kind::kReportGroup, .node = self_});
}

void NodeReports::ReportSilence(const shardctrl::ClusterState& state,
                                bool leads, MonoTime now) {
  if (!leads) return silence_reported_.clear();
  for (const shardctrl::NodeRecord& node : state.nodes) {
    if (node.store == StoreIncarnation() ||
        node.state == shardctrl::NodeState::kRemoved) {
      continue;
    }
    const ActionRunner::Busy busy = {.kind = Kind::kReportReplica,
                                     .node = node.id};
    if (works_(node.id)) {
      silence_reported_.erase(node.id);
      if (node.silent_since > WallTime{0}) {
        runner_.Report(ControllerCommand::ReportSign{node.id}, busy);
      }
      continue;
    }
    MonoTime& last =
        silence_reported_.try_emplace(node.id, MonoTime::Min()).first->second;
    if (last != MonoTime::Min() && now - last < kSilenceInterval) continue;
    last = now;
    runner_.Report(ControllerCommand::ReportSilence{node.id}, busy);
  }
}

}  // namespace quorate::node

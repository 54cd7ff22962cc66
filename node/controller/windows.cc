#include "node/controller/windows.h"

namespace quorate::node {

std::string_view WindowOf(shardctrl::ReconcileAction::Kind kind) {
  using Kind = shardctrl::ReconcileAction::Kind;
  switch (kind) {
    case Kind::kPrepare:
      return "window.replica.prepare";
    case Kind::kReportReplica:
      return "window.replica.report";
    case Kind::kFound:
      return "window.replica.found";
    case Kind::kJoin:
      return "window.replica.join";
    case Kind::kReportGroup:
      return "window.group.report";
    case Kind::kChange:
      return "window.group.change";
    case Kind::kTransfer:
      return "window.group.transfer";
    case Kind::kDrop:
      return "window.replica.drop";
    case Kind::kReportEmpty:
      return "window.node.report_empty";
    case Kind::kRecover:
      return "window.replica.recover";
    case Kind::kHold:
      return "window.replica.hold";
  }
  return "window.replica";
}

std::string_view WindowOf(MovePhase source, bool copied) {
  if (source == MovePhase::kNone) return "window.move.prepare";
  if (source != MovePhase::kTracking) return "window.move.freeze";
  return copied ? "window.move.delta" : "window.move.copy";
}

}  // namespace quorate::node

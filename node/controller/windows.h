// node/controller/windows.h: marks of work that a fault may interrupt, for
// env::Tracer::Sometimes.
#ifndef QUORATE_NODE_CONTROLLER_WINDOWS_H_
#define QUORATE_NODE_CONTROLLER_WINDOWS_H_

#include <string_view>

#include "shardctrl/controller/reconcile.h"
#include "shardctrl/move.h"

namespace quorate::node {

// The node begins the action.
std::string_view WindowOf(shardctrl::ReconcileAction::Kind kind);
// The source of a move is in a new phase, in which it stays if its driver ends.
// `copied`: the destination has all slots.
std::string_view WindowOf(MovePhase source, bool copied);

}  // namespace quorate::node

#endif  // QUORATE_NODE_CONTROLLER_WINDOWS_H_

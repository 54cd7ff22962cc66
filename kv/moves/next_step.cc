#include "kv/moves/next_step.h"

namespace quorate::kv {

MoveAction NextStep(const OpenMove& move, absl::FunctionRef<bool()> few_left) {
  const auto once_answered = [&](MoveAction action) {
    return move.answers_due ? MoveAction::kAwait : action;
  };
  if (!move.destination.has_value() || *move.destination == MovePhase::kNone) {
    return once_answered(MoveAction::kPrepare);
  }
  if (move.source == MovePhase::kNone) return once_answered(MoveAction::kTrack);
  if (*move.destination == MovePhase::kSealed) {
    return once_answered(MoveAction::kDecide);
  }
  if (move.piece_left) return MoveAction::kStage;
  if (move.source == MovePhase::kFrozen) {
    // A log has the last piece and the seal in this order.
    return move.sent == move.changes ? MoveAction::kSeal : MoveAction::kAwait;
  }
  // The destination has all that was settled.
  if (move.answers_due) return MoveAction::kAwait;
  return few_left() ? MoveAction::kFreeze : MoveAction::kTrack;
}

MoveAction NextStep(const DecidedMove& move) {
  // The source keeps the slots until the destination serves them.
  if (move.activated && move.is_source && !move.destination_ended) {
    return MoveAction::kAwait;
  }
  if (move.phase == MovePhase::kNone) return MoveAction::kReportEnd;
  if (!move.activated) return MoveAction::kAbort;
  return move.is_source ? MoveAction::kRelease : MoveAction::kActivate;
}

}  // namespace quorate::kv

// kv/moves/next_step.h: the rule by which a move of slots goes on
// (docs/slot-moves.md).
//
// It is a pure function. The step follows from the states of both groups and
// from the controller's decision, as the leader of one group knows them. So a
// leader needs no memory, and it goes on where another one stopped. A step that
// is repeated changes nothing.
#ifndef QUORATE_KV_MOVES_NEXT_STEP_H_
#define QUORATE_KV_MOVES_NEXT_STEP_H_

#include <cstdint>
#include <optional>

#include "absl/functional/function_ref.h"
#include "kv/command/move_command.h"

namespace quorate::kv {

// Each but the last three is the step of kv/command/move_command.h of its name.
enum class MoveAction : uint8_t {
  kPrepare,  // Its answer says where the destination is.
  kTrack,    // It names the last change that the destination has.
  kStage,    // The next piece.
  kFreeze,
  kSeal,
  kActivate,
  kRelease,
  kAbort,
  kDecide,     // The controller is asked to decide that the slots are moved.
  kReportEnd,  // The controller learns that the group has forgotten the move.
  kAwait,      // An answer, or the other group, comes first.
};

// A move that is not decided, as the leader of its source knows it.
struct OpenMove {
  MovePhase source = MovePhase::kNone;
  ChangeNumber changes = {};  // The last change at the source.
  // By the last answer of the destination. Nullopt: it is to say where it is.
  std::optional<MovePhase> destination = {};
  // A slot is left that was not sent, or a change that is settled.
  bool piece_left = false;
  ChangeNumber sent = {};    // The last change that was sent.
  bool answers_due = false;  // To steps that were sent.
};
// `few_left`: whether the changes that were not sent are so few that clients
// may wait for them. It is called only where the answer depends on it.
MoveAction NextStep(const OpenMove& move, absl::FunctionRef<bool()> few_left);

// A move that is decided, as the leader of one of its groups knows it.
struct DecidedMove {
  bool activated = false;  // Else it was cancelled.
  bool is_source = false;
  // By the last answer of this group. Nullopt: none came to this leader. Its
  // store may lack the last entries of the log.
  std::optional<MovePhase> phase = {};
  bool destination_ended = false;  // The controller knows it.
};
MoveAction NextStep(const DecidedMove& move);

}  // namespace quorate::kv

#endif  // QUORATE_KV_MOVES_NEXT_STEP_H_

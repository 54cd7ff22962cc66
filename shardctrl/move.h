// shardctrl/move.h: the numbers that name a move of slots and order the owners
// of a slot, its phases, and its size.
#ifndef QUORATE_SHARDCTRL_MOVE_H_
#define QUORATE_SHARDCTRL_MOVE_H_

#include <cstddef>
#include <cstdint>

#include "env/strong_types.h"

namespace quorate {

// Names a move of slots from one group to another. The controller assigns it
// and never uses it twice. Zero: no move.
using MoveId = StrongId<struct MoveIdTag>;

// Rises with each group that comes to own a slot, so of two owners the one with
// the greater epoch is the later. Zero: that of a group that was founded before
// slots had epochs.
using SlotEpoch = StrongOrdinal<struct SlotEpochTag>;

// A move of slots at a group that takes part in it. The numbers are stored:
// never renumber them.
enum class MovePhase : uint8_t {
  kNone = 0,       // The group does not know the move (any more).
  kTracking = 1,   // Source.
  kFrozen = 2,     // Source.
  kReleasing = 3,  // Source: data are left to be removed.
  kStaging = 4,    // Destination.
  kSealed = 5,     // Destination.
  kDropping = 6,   // Destination: given up, data are left to be removed.
};
constexpr bool IsMovePhase(MovePhase phase) {
  return phase <= MovePhase::kDropping;
}
constexpr bool IsSourcePhase(MovePhase phase) {
  return phase <= MovePhase::kReleasing;
}
constexpr bool IsDestinationPhase(MovePhase phase) {
  return phase == MovePhase::kNone ||
         (IsMovePhase(phase) && !IsSourcePhase(phase));
}

// The most ranges of slots of one move. Each step names them all. Part of the
// replicated rules.
inline constexpr size_t kMoveRangesMax = 1024;

}  // namespace quorate

#endif  // QUORATE_SHARDCTRL_MOVE_H_

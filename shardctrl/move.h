// shardctrl/move.h: the numbers that name a move of slots and order the owners
// of a slot, and the size of a move.
#ifndef QUORATE_SHARDCTRL_MOVE_H_
#define QUORATE_SHARDCTRL_MOVE_H_

#include <cstddef>

#include "env/strong_types.h"

namespace quorate {

// Names a move of slots from one group to another. The controller assigns it
// and never uses it twice. Zero: no move.
using MoveId = StrongId<struct MoveIdTag>;

// Rises with each group that comes to own a slot, so of two owners the one with
// the greater epoch is the later. Zero: that of a group that was founded before
// slots had epochs.
using SlotEpoch = StrongOrdinal<struct SlotEpochTag>;

// The most ranges of slots of one move. Each step names them all. Part of the
// replicated rules.
inline constexpr size_t kMoveRangesMax = 1024;

}  // namespace quorate

#endif  // QUORATE_SHARDCTRL_MOVE_H_

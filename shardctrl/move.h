// shardctrl/move.h: the numbers that name a move of slots and order the owners
// of a slot.
#ifndef QUORATE_SHARDCTRL_MOVE_H_
#define QUORATE_SHARDCTRL_MOVE_H_

#include "env/strong_types.h"

namespace quorate {

// Names a move of slots from one group to another. The controller assigns it
// and never uses it twice. Zero: no move.
using MoveId = StrongId<struct MoveIdTag>;

// Rises with each group that comes to own a slot, so of two owners the one with
// the greater epoch is the later. Zero: that of a group that was founded before
// slots had epochs.
using SlotEpoch = StrongOrdinal<struct SlotEpochTag>;

}  // namespace quorate

#endif  // QUORATE_SHARDCTRL_MOVE_H_

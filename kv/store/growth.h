// kv/store/growth.h: the most memory that a command may add to a store.
//
// A leader decides by it whether a command may be proposed. So it looks at the
// command alone, and counts a value that replaces another one in full.
#ifndef QUORATE_KV_STORE_GROWTH_H_
#define QUORATE_KV_STORE_GROWTH_H_

#include <cstdint>

#include "kv/command/command.h"

namespace quorate::kv {

// True for the commands that Redis refuses at its memory limit (the flag
// denyoom). A kAtomic with one of them is such a command too, and one with a
// read whose result a session keeps. So is each command with an
// Idempotency-Key, which adds a row, each piece of a slot that moves, and the
// step that announces their bytes. Other commands add at most the row of a
// client's session.
bool MayGrow(const CommandView& command);

// An upper bound of the bytes that the command adds to Store::memory_bytes(),
// its session's row and result included; 0 unless MayGrow(command). The step
// that announces a move counts as all its pieces.
uint64_t GrowthBound(const CommandView& command);

// The memory that a move of slots of so many bytes needs at its destination.
uint64_t MemoryForSlots(uint64_t bytes);

}  // namespace quorate::kv

#endif  // QUORATE_KV_STORE_GROWTH_H_

// sim/tools/pool_allocator.h: the allocator of programs that run simulations.
//
// A simulated run allocates about ten times for each event, mostly small blocks
// that live for a short time. Lists of free blocks by size serve them with a
// few instructions. Memory that is freed stays with the process.
//
// A program uses it by naming it in its attribute `malloc`. Tests and builds
// with sanitizers do not, so that the C library and sanitizers see each block.
#ifndef QUORATE_SIM_TOOLS_POOL_ALLOCATOR_H_
#define QUORATE_SIM_TOOLS_POOL_ALLOCATOR_H_

#include <cstdint>

namespace quorate::sim {

// Calls of operator new by this thread. 0 in builds with a sanitizer.
uint64_t Allocations();

}  // namespace quorate::sim

#endif  // QUORATE_SIM_TOOLS_POOL_ALLOCATOR_H_

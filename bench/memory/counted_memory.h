// bench/memory/counted_memory.h: counts the memory that a program allocates. A
// program that links this library has replaced operators new and delete.
//
// Counted bytes are those that the allocator sets aside, so they include its
// rounding, but not its own bookkeeping.
#ifndef QUORATE_BENCH_MEMORY_COUNTED_MEMORY_H_
#define QUORATE_BENCH_MEMORY_COUNTED_MEMORY_H_

#include <cstdint>

namespace quorate::bench {

// Bytes that are allocated now by all threads of the program.
int64_t AllocatedBytes();

// Bytes of the program that are in the machine's memory now.
int64_t ResidentBytes();

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_MEMORY_COUNTED_MEMORY_H_

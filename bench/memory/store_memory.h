// bench/memory/store_memory.h: the memory of stores in this process, by counted
// allocations (bench/memory/counted_memory.h).
#ifndef QUORATE_BENCH_MEMORY_STORE_MEMORY_H_
#define QUORATE_BENCH_MEMORY_STORE_MEMORY_H_

#include <cstdint>
#include <vector>

#include "bench/figures.h"

namespace quorate::bench {

// Memory of a key beyond key and value, and of a group that has no keys:
// - key_overhead_bytes: keys of 16 bytes with values of 100 bytes; the same
//   with another size of the value in the name;
// - key_overhead_resident_bytes: the growth of the process instead;
// - key_overhead_expiring_bytes: keys that have an expiry;
// - group_fixed_bytes: the store of a group without keys, and
//   group_first_key_bytes: its growth by one key.
// Requires: keys > 0.
std::vector<Figure> StoreMemoryFigures(uint64_t keys);

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_MEMORY_STORE_MEMORY_H_

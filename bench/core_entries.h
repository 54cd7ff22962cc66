// bench/core_entries.h: the speed of consensus alone, by three cores of one
// group in this process. Disks and links take no time, and messages are not
// encoded.
#ifndef QUORATE_BENCH_CORE_ENTRIES_H_
#define QUORATE_BENCH_CORE_ENTRIES_H_

#include <cstdint>
#include <vector>

#include "bench/figures.h"

namespace quorate::bench {

// Entries of 64 bytes that one processor commits on all three replicas in a
// second. It makes their payloads, too; there is no state machine.
// - core_entries_per_second: 64 proposals in each step of the leader;
// - core_entries_per_second_single: one proposal in each step.
// Requires: entries > 0.
std::vector<Figure> CoreEntriesFigures(uint64_t entries);

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_CORE_ENTRIES_H_

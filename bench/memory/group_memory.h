// bench/memory/group_memory.h: the memory of the groups of whole nodes in this
// process, by counted allocations (bench/memory/counted_memory.h).
#ifndef QUORATE_BENCH_MEMORY_GROUP_MEMORY_H_
#define QUORATE_BENCH_MEMORY_GROUP_MEMORY_H_

#include <vector>

#include "absl/status/statusor.h"
#include "bench/figures.h"

namespace quorate::bench {

// group_node_bytes: what a node allocates for each idle group that it has, with
// everything that the node knows of the group. Three nodes run on the real disk
// and on loopback; each group has a replica on each of them.
absl::StatusOr<std::vector<Figure>> GroupMemoryFigures();

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_MEMORY_GROUP_MEMORY_H_

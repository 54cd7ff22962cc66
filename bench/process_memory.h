// bench/process_memory.h: the memory of server processes that hold keys: a node
// of this store and Redis beside it.
#ifndef QUORATE_BENCH_PROCESS_MEMORY_H_
#define QUORATE_BENCH_PROCESS_MEMORY_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/figures.h"

namespace quorate::bench {

// Two systems get keys of 16 bytes with values of 100 bytes. These are three
// nodes with one group and default settings, and Redis with an append-only
// file. A minute after the last write it reads the resident memory:
// - rss_redis_bytes, and rss_quorate_bytes of the largest node;
// - rss_ratio_to_redis: the quotient;
// - rss_after_flushall_bytes of the largest node, a minute after a FLUSHALL.
// Rows with Redis are left out if redis-server is not installed. Takes about
// three minutes.
absl::StatusOr<std::vector<Figure>> ProcessMemoryFigures(uint64_t keys);

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_PROCESS_MEMORY_H_

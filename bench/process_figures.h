// bench/process_figures.h: figures of whole server processes: their memory, and
// the time of a start.
#ifndef QUORATE_BENCH_PROCESS_FIGURES_H_
#define QUORATE_BENCH_PROCESS_FIGURES_H_

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

// Three nodes with ten groups get so many keys of 16 bytes with values of
// 1 KiB, and take no snapshots. One node is stopped and started again. The
// others serve meanwhile, and its files are in the page cache.
// - restart_seconds: until a linearizable GET of each group was answered
//   through that node;
// - restart_log_bytes: the entries that it read.
// Takes about a minute for a million keys.
absl::StatusOr<std::vector<Figure>> RestartTimeFigures(uint64_t keys);

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_PROCESS_FIGURES_H_

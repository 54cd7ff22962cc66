// bench/restart_time.h: how long a node with a long log takes from the start of
// its process until it serves.
#ifndef QUORATE_BENCH_RESTART_TIME_H_
#define QUORATE_BENCH_RESTART_TIME_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/figures.h"

namespace quorate::bench {

// Three nodes with ten groups get so many keys of 16 bytes with values of
// 1 KiB, and take no snapshots. One node is stopped and started again. The
// others serve meanwhile, and its files are in the page cache.
// - restart_seconds: until a linearizable GET of each group was answered
//   through that node;
// - restart_log_bytes: the entries that it read.
// Takes about a minute for a million keys.
absl::StatusOr<std::vector<Figure>> RestartTimeFigures(uint64_t keys);

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_RESTART_TIME_H_

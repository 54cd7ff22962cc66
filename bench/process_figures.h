// bench/process_figures.h: figures of whole server processes: their memory, the
// time of a start, and the cost of snapshots and of a follower that stands
// still.
//
// Each function also returns
// - rss_over_budget: the most memory that a node of any of its clusters ever
//   had, divided by its budget. The budget is 1.3 times the keys, values and
//   overhead that it counts, plus 512 MiB;
// - longest_turn_ms: the processor time of the longest turn of a node's loop.
#ifndef QUORATE_BENCH_PROCESS_FIGURES_H_
#define QUORATE_BENCH_PROCESS_FIGURES_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/figures.h"

namespace quorate::bench {

inline constexpr std::string_view kOverBudget = "rss_over_budget";
inline constexpr std::string_view kLongestTurn = "longest_turn_ms";

// Two systems get keys of 16 bytes with values of 100 bytes. These are three
// nodes with one group and default settings, and Redis with an append-only
// file. A minute after the last write it reads the resident memory:
// - rss_redis_bytes, and rss_quorate_bytes of the largest node;
// - rss_ratio_to_redis: the quotient;
// - rss_after_flushall_bytes of the largest node, a minute after a FLUSHALL.
// Before the FLUSHALL come KEYS, SCAN and MGET of thousands of keys, and
// pipelines of 2,000 requests on each of 50 connections.
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

// Two clusters of three nodes with one group and 1 GiB of keys with values of 1
// KiB. The nodes of one write a snapshot all the time, the others none. Five
// rounds put the same load on each in turn: SET of 64 bytes over 50
// connections.
// - snapshot_p999_ratio: the median p99.9 with snapshots by that without;
// - set_p999_us, set_p999_with_snapshots_us: the medians;
// - snapshot_seconds: the longest time of a snapshot, of one on each node in
//   each round. Failed attempts before it count, too;
// - snapshot_bytes: the size of the smallest of them.
// Takes about ten minutes.
absl::StatusOr<std::vector<Figure>> SnapshotFigures();

// Three nodes with one group and default settings take SETs of 1 KiB. One
// follower stands still for ten seconds (SIGSTOP).
// - stalled_follower_windows: what the leader sends to it meanwhile, in windows
//   of CoreOptions::inflight_bytes_max;
// - running_follower_windows: what it sends in ten seconds before;
// - stalled_follower_seconds: until it has the newest entries again.
absl::StatusOr<std::vector<Figure>> StalledFollowerFigures();

// Three nodes with one group and default settings. A client writes through a
// follower, one key after the other, while the leader ends. It is started again
// before the next round; there are ten rounds of each kind.
// - stop_gap_ms: the median of the longest writes while the leader stops
//   (SIGTERM); stop_gap_max_ms: the longest of all;
// - stop_errors: the writes with another answer than OK meanwhile;
// - kill_gap_ms, kill_gap_max_ms: the same after SIGKILL.
// Takes about two minutes.
absl::StatusOr<std::vector<Figure>> LeaderGapFigures();

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_PROCESS_FIGURES_H_

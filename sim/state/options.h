// sim/state/options.h: the options of a simulated world. The defaults describe
// a world without faults: least latency, first in, first out.
// docs/testing/fault-model.md describes each fault and when a run can recover
// from it.
//
// All options may be changed while a world runs, through
// World::network_options() and similar functions.
#ifndef QUORATE_SIM_STATE_OPTIONS_H_
#define QUORATE_SIM_STATE_OPTIONS_H_

#include <cstddef>
#include <cstdint>

#include "env/random.h"
#include "env/time.h"

namespace quorate::sim {

// Messages between nodes (env::Transport). Ratios are per message.
struct NetworkOptions {
  Duration latency_min = Microseconds(100);
  // With probability `jitter` a delay of up to `jitter_max`. The order on a
  // link and lane is kept.
  Ratio jitter{};
  Duration jitter_max = Milliseconds(2);
  Ratio spike{};  // A delay of up to `spike_max`. Order is kept.
  Duration spike_max = Milliseconds(200);
  Ratio loss{};
  Ratio duplicate{};  // A second copy, up to `reorder_max` later.
  // A delay of up to `reorder_max`. Later messages overtake.
  Ratio reorder{};
  Duration reorder_max = Milliseconds(50);
  // An old message of the link arrives again, up to `replay_max` later.
  Ratio replay{};
  Duration replay_max = Seconds(5);
  Ratio corrupt{};  // One bit is flipped.
  // The capacity for bytes in flight on one lane of one link. Above half of it
  // the lane reports congestion, and beyond it messages are lost. An empty lane
  // accepts any message.
  size_t lane_bytes_max = 8 << 20;
  // The bandwidth of each direction of each link, for messages and streams
  // together. 0: no bound.
  int64_t bytes_per_second = 0;
};

// Byte streams (env::Streams).
struct StreamOptions {
  Duration latency_min = Microseconds(100);
  Ratio jitter{};  // Per segment.
  Duration jitter_max = Milliseconds(2);
  // Per arrival: only some bytes arrive now, the rest up to `split_max` later.
  Ratio split{};
  Duration split_max = Milliseconds(1);
  // Per segment: both ends are reset, and a part of the bytes in flight is
  // lost.
  Ratio reset{};
  // Per close: only some of the written bytes are delivered.
  Ratio lost_tail{};
  Ratio refuse{};  // Per connect.
  Ratio hang{};    // Per connect: no reply until the timeout.
  Duration connect_timeout = Seconds(5);
  // How long a segment that cannot get through is sent again before the stream
  // fails.
  Duration retransmit_max = Seconds(15);
  // Bytes in flight to a receiver and waiting for its program to read.
  size_t buffer_bytes = 64 << 10;
};

// A machine's disk (env::Disk). Ratios are per operation.
struct DiskOptions {
  Duration read_latency = Microseconds(50);
  Duration write_latency = Microseconds(10);  // A write into the page cache.
  // The latency of syncs, durable writes and directory operations.
  Duration sync_latency = Microseconds(200);
  Ratio jitter{};
  Duration jitter_max = Milliseconds(1);
  Ratio slow{};
  Duration slow_max = Milliseconds(100);
  Ratio read_error{};   // A transient error.
  Ratio write_error{};  // Hits writes, durable writes and truncations.
  // Hits syncs. It also hits the sync in a durable write: the write is
  // complete, but not durable.
  Ratio sync_error{};
  // Hits writes that are not durable. The write is reported as done, but its
  // data never become durable. The next sync or durable write of the file, by
  // any handle, reports the error, although its own data are durable.
  Ratio writeback_error{};
  // Operations wait for the end of earlier ones of their use (env/disk.h).
  bool one_at_a_time = false;
  // The limit for the sum of all files' sizes.
  uint64_t capacity_bytes = uint64_t{1} << 40;
  // Free bytes that the disk reports and no file can take, as with a quota.
  uint64_t unusable_bytes = 0;
};

// Turns of a machine's loop.
struct LoopOptions {
  Duration turn_cost = Microseconds(1);  // At least 1 ns.
  Duration input_cost = Nanoseconds(100);
  // Per byte that the program sends or writes.
  Duration byte_cost{};
  // Per turn with several inputs: they run in a random order, in which each
  // source keeps its own.
  Ratio shuffle{};
  // Per turn: due timers run before the other inputs instead of after them.
  Ratio timers_first{};
  // Per turn: the turn takes up to `hiccup_max` longer.
  Ratio hiccup{};
  Duration hiccup_max = Milliseconds(20);
};

// Clocks of machines.
struct ClockFaultOptions {
  // Per start after a loss of power: the monotonic clock has a new first
  // reading, up to `boot_max`.
  Ratio new_at_boot{};
  Duration boot_max = Seconds(100 * 24 * 3600);
};

// env::Buggify: a site is active on a machine with probability `active`, for
// the whole run, and then fires with probability `fire`.
struct BuggifyOptions {
  Ratio active{};
  Ratio fire{1, 4};
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_STATE_OPTIONS_H_

// sim/state/options.h: the knobs of a simulated world. As they stand here they
// describe the boring world: least latency, no fault, first in first out. What
// each fault means and when a run can recover from it:
// docs/testing/fault-model.md.
//
// All of them may be changed while a world runs (World::network_options() and
// so on).
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
  // With probability `jitter` up to `jitter_max` more. Order on a link and lane
  // is kept all the same.
  Ratio jitter{};
  Duration jitter_max = Milliseconds(2);
  Ratio spike{};  // A delay of up to `spike_max`; order is kept.
  Duration spike_max = Milliseconds(200);
  Ratio loss{};
  Ratio duplicate{};  // A second copy, up to `reorder_max` later.
  Ratio reorder{};    // Up to `reorder_max` late, overtaken by what follows.
  Duration reorder_max = Milliseconds(50);
  Ratio replay{};  // An old message of the link comes again, up to `replay_max`
                   // later.
  Duration replay_max = Seconds(5);
  Ratio corrupt{};  // One bit flipped.
  // Bytes on their way on one lane of one link. Above half of it the lane
  // reports congestion, above it sends are lost; an empty lane takes any
  // message.
  size_t lane_bytes_max = 8 << 20;
};

// Byte streams (env::Streams).
struct StreamOptions {
  Duration latency_min = Microseconds(100);
  Ratio jitter{};  // Per segment.
  Duration jitter_max = Milliseconds(2);
  Ratio split{};  // Per arrival: only some bytes now, the rest up to
                  // `split_max` later.
  Duration split_max = Milliseconds(1);
  Ratio reset{};  // Per segment: both ends are reset; what was on its way is
                  // lost in part.
  Ratio lost_tail{};  // Per close: only some of what was written is delivered.
  Ratio refuse{};     // Per connect.
  Ratio hang{};       // Per connect: no answer until the timeout.
  Duration connect_timeout = Seconds(5);
  // A segment that cannot get through is sent again for so long before the
  // stream fails.
  Duration retransmit_max = Seconds(15);
  size_t buffer_bytes =
      64 << 10;  // Held for a reader that does not read, and on the way to it.
};

// A machine's disk (env::Disk). Ratios are per operation.
struct DiskOptions {
  Duration read_latency = Microseconds(50);
  Duration write_latency = Microseconds(10);  // Into the page cache.
  Duration sync_latency =
      Microseconds(200);  // Also of durable writes and of directory operations.
  Ratio jitter{};
  Duration jitter_max = Milliseconds(1);
  Ratio slow{};
  Duration slow_max = Milliseconds(100);
  Ratio read_error{};   // Transient.
  Ratio write_error{};  // Also of durable writes and truncations.
  Ratio
      sync_error{};  // Also of the sync in a durable write: all of it is written, nothing durable.
  uint64_t capacity_bytes = uint64_t{1}
                            << 40;  // Sum of the sizes of all files.
};

// Turns of a machine's loop.
struct LoopOptions {
  Duration turn_cost = Microseconds(1);  // At least 1 ns.
  Duration input_cost = Nanoseconds(100);
  Ratio timers_first{};  // Per turn: due timers run before the other inputs,
                         // not after them.
  // Per turn: it takes up to `hiccup_max` longer.
  Ratio hiccup{};
  Duration hiccup_max = Milliseconds(20);
};

// env::Buggify: a site is active in a run with one probability and then fires
// with the other.
struct BuggifyOptions {
  Ratio active{};
  Ratio fire{1, 4};
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_STATE_OPTIONS_H_

// raft/host/clock_rates.h: how fast the monotonic clock of this node is, in
// comparison with those of other nodes.
//
// Each envelope has the time of its sender. The offset of two clocks is known
// up to the delay of a message, so the quickest message of a window counts. The
// rate is the change of the offset from window to window. Pure.
#ifndef QUORATE_RAFT_HOST_CLOCK_RATES_H_
#define QUORATE_RAFT_HOST_CLOCK_RATES_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

#include "absl/container/btree_map.h"
#include "env/ids.h"
#include "env/time.h"

namespace quorate::raft {

class ClockRates {
 public:
  static constexpr Duration kWindow = Seconds(10);
  // Delays that change by 10 ms look like 170 ppm over the least span.
  static constexpr Duration kSpanMin = Seconds(60);
  static constexpr size_t kWindowsMax = 30;

  // An envelope that the process `process` on `node` sent at `sent`, by its
  // clock, arrived. `disruptions`: those of this node's clock
  // (Now::disruptions). A later process of a node, or another number, makes
  // what was known void.
  void Heard(NodeId node, uint64_t process, MonoTime sent, const Now& now);
  void Forget(NodeId node) { peers_.erase(node); }

  // By how many parts per million this node's clock is faster than that of
  // `node`; none until envelopes have come for kSpanMin.
  std::optional<int64_t> AheadOf(NodeId node) const;
  // True if more than half of the clocks with a known rate differ by more than
  // `ppm_max`. So the wrong clock is this one, or nothing shows which one it
  // is. A node that hears from one other node alone cannot know.
  bool MostDiffer(int64_t ppm_max) const;

 private:
  // The message of a window that was quickest.
  struct Quickest {
    MonoTime arrived;
    // Sent less arrived: less than the true one by the delay.
    Duration offset;
  };
  struct Peer {
    uint64_t process = 0;
    MonoTime window_ends;
    // The last one is of the window that has not ended.
    std::deque<Quickest> windows;
    std::optional<int64_t> ahead_ppm;
  };
  static std::optional<int64_t> RateOf(const Peer& peer);

  uint32_t disruptions_ = 0;
  absl::btree_map<NodeId, Peer> peers_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_HOST_CLOCK_RATES_H_

// raft/host/bounds/log_budget.h: a budget of a node for the entries in the logs
// of its replicas.
//
// A host has one for those in memory, and one for those in memory or on disk.
// Each replica has a share. Once the sum exceeds the budget, the host asks
// one replica at a time for relief, the one with most first. A replica that can
// do with less also lets the host ask. Used only by the host.
#ifndef QUORATE_RAFT_HOST_BOUNDS_LOG_BUDGET_H_
#define QUORATE_RAFT_HOST_BOUNDS_LOG_BUDGET_H_

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "env/quota.h"
#include "env/random.h"
#include "raft/core/types.h"

namespace quorate::raft {

// Returns the larger of `bytes_min` and half the size of the last snapshot. So
// a large state is not written again for a little log. The result is at most
// `bytes_max`, unless `bytes_min` is larger. A draw for each snapshot then
// takes 3/4 to 5/4 of it, so that replicas do not write at the same time.
inline uint64_t SnapshotThreshold(uint64_t bytes_min, uint64_t bytes_max,
                                  GroupId group, const SnapshotDescriptor& last,
                                  const Random& random) {
  const uint64_t bytes =
      std::max(bytes_min, std::min(last.size_bytes / 2, bytes_max));
  return bytes - bytes / 4 +
         random.Below(bytes / 2 + 1, "raft.host.snapshot_threshold",
                      group.value(), last.position.index.value());
}

class LogBudget final : public Quota {
 public:
  // `ask` is called when replicas should be asked, and must not ask them during
  // the call. `bytes_max` 0: there is no budget, and `ask` may be null.
  LogBudget(uint64_t bytes_max, absl::AnyInvocable<void()> ask)
      : bytes_max_(bytes_max), ask_(std::move(ask)) {}

  bool exceeded() const { return bytes_max_ > 0 && bytes() > bytes_max_; }
  // No replica can help now. The next attempt is when the sum has
  // grown by a part of the budget, or after it was smaller.
  void Postpone() {
    postponed_at_bytes_ = bytes();
    ask_from_bytes_ = bytes() + bytes_max_ / 16 + 1;
  }

  // A replica can help now that could not before.
  void Ask() { ask_(); }

  // How many times as fast as otherwise the snapshots are written that make
  // room: 1 within the budget, beyond it the square of sum / budget. So the
  // logs stop growing, however large a state is and however fast it changes.
  uint64_t Haste() const {
    if (!exceeded()) return 1;
    const uint64_t sixteenths =
        std::min(bytes() / (bytes_max_ / 16 + 1), 16 * kExcessMax);
    return std::max<uint64_t>(1, sixteenths * sixteenths / 256);
  }

  // The most that each of `replicas` may keep while the budget is exceeded. The
  // first one of a node asks before it is counted.
  uint64_t KeptBytesMax(uint64_t replicas) const {
    return bytes_max_ / (4 * std::max<uint64_t>(replicas, 1));
  }

 private:
  // Sums beyond this many budgets count as this many.
  static constexpr uint64_t kExcessMax = 32;

  void OnChange(uint64_t) override {
    if (bytes() < postponed_at_bytes_) ask_from_bytes_ = 0;
    if (exceeded() && bytes() >= ask_from_bytes_) ask_();
  }

  const uint64_t bytes_max_;
  absl::AnyInvocable<void()> ask_;
  uint64_t postponed_at_bytes_ = 0;
  uint64_t ask_from_bytes_ = 0;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_HOST_BOUNDS_LOG_BUDGET_H_

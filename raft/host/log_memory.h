// raft/host/log_memory.h: the budget of a node for the entries that the logs of
// its replicas hold in memory.
//
// Replicas report every change. Once the sum exceeds the budget, the host asks
// one replica at a time to give memory back, the one with most first. Used only
// by the host.
#ifndef QUORATE_RAFT_HOST_LOG_MEMORY_H_
#define QUORATE_RAFT_HOST_LOG_MEMORY_H_

#include <cstdint>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "env/check.h"

namespace quorate::raft {

class LogMemory {
 public:
  // `on_excess` is called when replicas should be asked, and must not ask them
  // during the call. `bytes_max` 0: there is no budget.
  LogMemory(uint64_t bytes_max, absl::AnyInvocable<void()> on_excess)
      : bytes_max_(bytes_max), on_excess_(std::move(on_excess)) {}

  // The entries of one replica took `before` bytes, and now take `after`.
  void Change(uint64_t before, uint64_t after) {
    CHECK_GE(bytes_, before);
    bytes_ = bytes_ - before + after;
    if (bytes_ < postponed_at_bytes_) ask_from_bytes_ = 0;
    if (exceeded() && bytes_ >= ask_from_bytes_) on_excess_();
  }

  uint64_t bytes() const { return bytes_; }
  bool exceeded() const { return bytes_max_ > 0 && bytes_ > bytes_max_; }
  // No replica can give memory back now. The next attempt is when the sum has
  // grown by a part of the budget, or after it was smaller.
  void Postpone() {
    postponed_at_bytes_ = bytes_;
    ask_from_bytes_ = bytes_ + bytes_max_ / 16 + 1;
  }

  // The most that each of `replicas` may keep for followers that lag, while the
  // budget is exceeded.
  uint64_t KeptBytesMax(uint64_t replicas) const {
    return bytes_max_ / (4 * replicas);
  }

 private:
  const uint64_t bytes_max_;
  absl::AnyInvocable<void()> on_excess_;
  uint64_t bytes_ = 0;
  uint64_t postponed_at_bytes_ = 0;
  uint64_t ask_from_bytes_ = 0;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_HOST_LOG_MEMORY_H_

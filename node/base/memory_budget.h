// node/base/memory_budget.h: the memory that the stores of a node use, and its
// limit (maxmemory).
//
// Bytes are logical: keys, values, a fixed amount for each key, and sessions.
// Writes that a leader here has proposed are reserved until they are applied or
// have failed. So the writes of this node's own leaders never pass the limit,
// however many come at once. One object per node, shared by all groups.
#ifndef QUORATE_NODE_BASE_MEMORY_BUDGET_H_
#define QUORATE_NODE_BASE_MEMORY_BUDGET_H_

#include <algorithm>
#include <cstdint>

#include "env/quota.h"

namespace quorate::node {

class MemoryBudget {
 public:
  // `limit_bytes` is 0 for no limit.
  explicit MemoryBudget(uint64_t limit_bytes) : limit_bytes_(limit_bytes) {}

  // The bytes of the stores of groups.
  Quota& used() { return used_; }
  // The bytes that proposed entries add at most.
  Quota& reserved() { return reserved_; }
  uint64_t used_bytes() const { return used_.bytes(); }
  uint64_t reserved_bytes() const { return reserved_.bytes(); }

  uint64_t limit_bytes() const { return limit_bytes_; }
  bool limited() const { return limit_bytes_ != 0; }
  // Applies to writes that are proposed from now on.
  void set_limit_bytes(uint64_t limit_bytes) { limit_bytes_ = limit_bytes; }

  // The bytes by which the stores may grow; the largest number: no limit.
  uint64_t left_bytes() const {
    const uint64_t taken = used_bytes() + reserved_bytes();
    return !limited() ? ~uint64_t{0}
                      : limit_bytes_ - std::min(limit_bytes_, taken);
  }
  // True if the stores may grow by this many bytes. A write that adds nothing
  // always fits.
  bool Fits(uint64_t bytes) const {
    return bytes == 0 || bytes <= left_bytes();
  }

  // True if the row of a session may be added. Commands of sessions that add
  // nothing else may exceed the limit by a part. Otherwise clients could not
  // delete at the limit.
  bool FitsRow() const {
    return !limited() ||
           used_bytes() <= limit_bytes_ + limit_bytes_ / kRowsPart;
  }

  // Adds what a write adds at most to `growth`, a share of reserved().
  void Reserve(uint64_t bytes, Quota::Share* growth) {
    growth->Add(bytes);
    if (!limited() || bytes == 0) return;
    const uint64_t sum_bytes = used_bytes() + reserved_bytes();
    if (sum_bytes <= limit_bytes_) return;
    most_bytes_above_limit_ =
        std::max(most_bytes_above_limit_, sum_bytes - limit_bytes_);
  }
  // The most bytes above the limit at which a write was begun. Always 0, since
  // a write begins only if it fits.
  uint64_t most_bytes_above_limit() const { return most_bytes_above_limit_; }

  // Counts commands that were refused because they did not fit.
  void CountRefused(uint64_t commands) { refused_commands_ += commands; }
  uint64_t refused_commands() const { return refused_commands_; }

 private:
  static constexpr uint64_t kRowsPart = 16;

  uint64_t limit_bytes_;
  Quota used_;
  Quota reserved_;
  uint64_t most_bytes_above_limit_ = 0;
  uint64_t refused_commands_ = 0;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_BASE_MEMORY_BUDGET_H_

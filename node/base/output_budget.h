// node/base/output_budget.h: the number of bytes of unsent replies that all
// connections of a node hold together.
//
// Each connection has a share, and results of log entries that are not applied
// yet are reserved. The budget depends on no connection. One object per
// node, shared by all client tables.
#ifndef QUORATE_NODE_BASE_OUTPUT_BUDGET_H_
#define QUORATE_NODE_BASE_OUTPUT_BUDGET_H_

#include <cstddef>

#include "env/quota.h"

namespace quorate::node {

class OutputBudget {
 public:
  explicit OutputBudget(size_t limit_bytes) : limit_bytes_(limit_bytes) {}

  // The bytes of connections.
  Quota& used() { return used_; }
  // The largest sizes that results of proposed log entries may have, and parts
  // of long answers that are not written yet.
  Quota& reserved() { return reserved_; }
  uint64_t used_bytes() const { return used_.bytes(); }
  uint64_t reserved_bytes() const { return reserved_.bytes(); }

  // True while only connections without unsent replies may receive more, and
  // large replies only where Spares() is true.
  bool exhausted() const { return !Fits(1); }
  // True if there is room for a large reply to a connection that has shown that
  // it reads. The last quarter is kept for those connections.
  bool Spares() const { return used_bytes() + reserved_bytes() < limit_bytes_; }
  // True if a reservation of `bytes` fits beside used and reserved bytes,
  // without the last quarter.
  bool Fits(size_t bytes) const {
    return used_bytes() + reserved_bytes() + bytes <= limit_bytes_ / 4 * 3;
  }

 private:
  const size_t limit_bytes_;
  Quota used_;
  Quota reserved_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_BASE_OUTPUT_BUDGET_H_

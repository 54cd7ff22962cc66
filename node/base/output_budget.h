// node/base/output_budget.h: the number of bytes of unsent replies that all
// connections of a node hold together.
//
// Each connection reports its share, and results of log entries that are not
// applied yet are reserved. The budget depends on no connection. One object per
// node, shared by all client tables.
#ifndef QUORATE_NODE_BASE_OUTPUT_BUDGET_H_
#define QUORATE_NODE_BASE_OUTPUT_BUDGET_H_

#include <cstddef>

#include "env/check.h"

namespace quorate::node {

class OutputBudget {
 public:
  explicit OutputBudget(size_t limit_bytes) : limit_bytes_(limit_bytes) {}
  OutputBudget(const OutputBudget&) = delete;
  OutputBudget& operator=(const OutputBudget&) = delete;

  // The share of one connection was `before` bytes and is `now` bytes.
  void Change(size_t before, size_t now) {
    CHECK_GE(held_bytes_, before);
    held_bytes_ += now - before;
  }
  // True while only connections without unsent replies may receive more, and
  // large replies only where Spares() is true.
  bool exhausted() const { return !Fits(1); }
  // True if there is room for a large reply to a connection that has shown that
  // it reads. The last quarter is kept for those connections.
  bool Spares() const { return held_bytes_ + reserved_bytes_ < limit_bytes_; }
  size_t held_bytes() const { return held_bytes_; }

  // Reserves the largest size that results of a proposed log entry may have.
  void Reserve(size_t bytes) { reserved_bytes_ += bytes; }
  void Release(size_t bytes) {
    CHECK_GE(reserved_bytes_, bytes);
    reserved_bytes_ -= bytes;
  }
  // True if a reservation of `bytes` fits beside held and reserved bytes,
  // without the last quarter.
  bool Fits(size_t bytes) const {
    return held_bytes_ + reserved_bytes_ + bytes <= limit_bytes_ / 4 * 3;
  }

 private:
  const size_t limit_bytes_;
  size_t held_bytes_ = 0;
  size_t reserved_bytes_ = 0;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_BASE_OUTPUT_BUDGET_H_

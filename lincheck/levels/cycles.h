// lincheck/levels/cycles.h: finds short cycles in a graph of many nodes. For
// lincheck/levels/levels.h, where what precedes itself shows that an order is
// impossible.
#ifndef QUORATE_LINCHECK_LEVELS_CYCLES_H_
#define QUORATE_LINCHECK_LEVELS_CYCLES_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"

namespace quorate::lincheck {

class Cycles {
 public:
  struct Edge {
    uint32_t from = 0;
    uint32_t to = 0;
    uint32_t label : 31 = 0;  // The caller's.
    uint32_t free : 1 = 0;    // 1: does not count in a cycle's length.
  };

  // Nodes count from 0.
  Cycles(uint32_t nodes, const std::vector<Edge>& edges);

  bool none() const {
    return std::find(peeled_.begin(), peeled_.end(), false) == peeled_.end();
  }
  // A short cycle of those near to some nodes that `begins` is true of, of
  // which few are looked at where there are many. One that `sure` is true of
  // goes before a shorter one. Its edges, each from where the one before it
  // led; empty: there is none.
  std::vector<Edge> Best(
      absl::FunctionRef<bool(uint32_t)> begins,
      absl::FunctionRef<bool(const std::vector<Edge>&)> sure) const;

 private:
  void Peel();
  // The shortest cycle through some node that `n` leads to. Requires: `n` is on
  // a cycle, or between two.
  std::vector<Edge> Near(uint32_t n) const;

  std::vector<Edge> edges_;      // By `from`.
  std::vector<uint32_t> begin_;  // By node, into edges_.
  std::vector<bool> peeled_;     // By node: on no cycle, nor between two.
};

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_LEVELS_CYCLES_H_

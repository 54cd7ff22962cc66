// lincheck/levels/cycles.h: finds short cycles in a graph of many nodes. For
// lincheck/levels/levels.h, where what precedes itself shows that an order is
// impossible.
#ifndef QUORATE_LINCHECK_LEVELS_CYCLES_H_
#define QUORATE_LINCHECK_LEVELS_CYCLES_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

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
  // Whether there is a cycle that `n` is on, or leads to and comes from.
  bool Leads(uint32_t n) const { return !peeled_[n]; }
  // The shortest cycle through some node that `n` leads to: its edges, each
  // from where the one before it led. Requires: Leads(n).
  std::vector<Edge> Near(uint32_t n) const;
  // Without what is free.
  static size_t Length(const std::vector<Edge>& cycle) {
    return static_cast<size_t>(
        std::count_if(cycle.begin(), cycle.end(),
                      [](const Edge& edge) { return !edge.free; }));
  }
  // So many nodes to begin from are worth the time.
  size_t starts_max() const {
    return std::clamp<size_t>(4'000'000 / (edges_.size() + 1), 3, 30);
  }

 private:
  void Peel();

  std::vector<Edge> edges_;      // By `from`.
  std::vector<uint32_t> begin_;  // By node, into edges_.
  std::vector<bool> peeled_;     // By node: on no cycle, nor between two.
};

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_LEVELS_CYCLES_H_

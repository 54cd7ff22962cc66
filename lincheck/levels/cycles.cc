#include "lincheck/levels/cycles.h"

#include <algorithm>
#include <deque>
#include <utility>

namespace quorate::lincheck {

Cycles::Cycles(uint32_t nodes, const std::vector<Edge>& edges)
    : edges_(edges.size()),
      begin_(nodes + size_t{1}, 0),
      peeled_(nodes, false) {
  for (const Edge& edge : edges) ++begin_[edge.from + 1];
  for (size_t n = 0; n < nodes; ++n) begin_[n + 1] += begin_[n];
  std::vector<uint32_t> at(begin_.begin(), begin_.end() - 1);
  for (const Edge& edge : edges) edges_[at[edge.from]++] = edge;
  Peel();
}

void Cycles::Peel() {
  const size_t nodes = peeled_.size();
  // First what nothing leads to, then what leads nowhere.
  for (const bool forward : {true, false}) {
    std::vector<uint32_t> begin(nodes + 1, 0);
    std::vector<uint32_t> count(nodes, 0);
    std::vector<uint32_t> next(edges_.size());
    for (const Edge& edge : edges_) {
      if (peeled_[edge.from] || peeled_[edge.to]) continue;
      ++begin[(forward ? edge.from : edge.to) + 1];
      ++count[forward ? edge.to : edge.from];
    }
    for (size_t n = 0; n < nodes; ++n) begin[n + 1] += begin[n];
    std::vector<uint32_t> at(begin.begin(), begin.end() - 1);
    for (const Edge& edge : edges_) {
      if (peeled_[edge.from] || peeled_[edge.to]) continue;
      next[at[forward ? edge.from : edge.to]++] = forward ? edge.to : edge.from;
    }
    std::vector<uint32_t> open;
    for (uint32_t n = 0; n < nodes; ++n) {
      if (!peeled_[n] && count[n] == 0) open.push_back(n);
    }
    while (!open.empty()) {
      const uint32_t n = open.back();
      open.pop_back();
      peeled_[n] = true;
      for (uint32_t e = begin[n]; e < begin[n + 1]; ++e) {
        if (--count[next[e]] == 0) open.push_back(next[e]);
      }
    }
  }
}

std::vector<Cycles::Edge> Cycles::Near(uint32_t n) const {
  constexpr uint32_t kNone = ~uint32_t{0};
  std::vector<bool> visited(peeled_.size(), false);
  while (!visited[n]) {
    visited[n] = true;
    uint32_t e = begin_[n];
    while (peeled_[edges_[e].to]) ++e;
    n = edges_[e].to;
  }
  const uint32_t start = n;
  std::vector<uint32_t> length(peeled_.size(), kNone);
  std::vector<uint32_t> by(peeled_.size(), kNone);  // The edge that led there.
  std::deque<std::pair<uint32_t, uint32_t>> open = {{0, start}};
  uint32_t shortest = kNone;
  while (!open.empty() && open.front().first < shortest) {
    const auto [walked, at] = open.front();
    open.pop_front();
    if (at != start && walked > length[at]) continue;
    for (uint32_t e = begin_[at]; e < begin_[at + 1]; ++e) {
      const Edge& edge = edges_[e];
      const uint32_t there = walked + (edge.free ? 0 : 1);
      if (peeled_[edge.to] || there >= length[edge.to]) continue;
      length[edge.to] = there;
      by[edge.to] = e;
      if (edge.to == start) {
        shortest = there;
      } else if (edge.free) {
        open.emplace_front(there, edge.to);
      } else {
        open.emplace_back(there, edge.to);
      }
    }
  }
  std::vector<Edge> cycle;
  uint32_t at = start;
  do {
    cycle.push_back(edges_[by[at]]);
    at = edges_[by[at]].from;
  } while (at != start);
  std::reverse(cycle.begin(), cycle.end());
  return cycle;
}

std::vector<Cycles::Edge> Cycles::Best(
    absl::FunctionRef<bool(uint32_t)> begins,
    absl::FunctionRef<bool(const std::vector<Edge>&)> sure) const {
  // So many nodes to begin from are worth the time.
  const size_t starts_max =
      std::clamp<size_t>(4'000'000 / (edges_.size() + 1), 3, 30);
  std::vector<Edge> best;
  std::pair<bool, ptrdiff_t> best_rank;
  size_t starts = 0;
  for (uint32_t n = 0; n < peeled_.size() && starts < starts_max; ++n) {
    if (peeled_[n] || !begins(n)) continue;
    ++starts;
    std::vector<Edge> cycle = Near(n);
    const std::pair rank(!sure(cycle),
                         std::count_if(cycle.begin(), cycle.end(),
                                       [](const Edge& e) { return !e.free; }));
    if (!best.empty() && rank >= best_rank) continue;
    best = std::move(cycle);
    best_rank = rank;
  }
  return best;
}

}  // namespace quorate::lincheck

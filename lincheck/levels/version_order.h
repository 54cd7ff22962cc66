// lincheck/levels/version_order.h: the order of the writes of one partition,
// where it is known, and each operation's place in it. For
// lincheck/levels/levels.h alone.
//
// Versions count upwards. Where values name their writers instead, a chain of
// read-modify-writes or of appends says the order of its writes. The order of
// other writes is a likely one. It may show that a level holds, and not that it
// is broken. Even of writes that did not overlap the order is not sure: levels
// without real time permit the other one.
#ifndef QUORATE_LINCHECK_LEVELS_VERSION_ORDER_H_
#define QUORATE_LINCHECK_LEVELS_VERSION_ORDER_H_

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "lincheck/history.h"
#include "lincheck/links/links.h"
#include "lincheck/model.h"

namespace quorate::lincheck {

struct VersionOrder {
  static constexpr uint32_t kNone = ~uint32_t{0};
  // An operation that counts: a known one, or one of unknown outcome whose
  // write was seen.
  struct Row {
    size_t operation = 0;      // Index into History::operations().
    uint32_t seen = kNone;     // Position of the state it saw.
    uint32_t written = kNone;  // And of the one it left.
  };
  struct State {
    uint32_t writer = kNone;  // Row; kNone: the initial state.
    uint32_t chain = 0;       // Of one chain: in order for sure.
  };

  // Whether the rows tell what each operation saw and wrote. If not: why.
  bool known = false;
  std::string reason;
  // Not empty: these operations contradict every order, and why. If the rows
  // are known, only those orders in which a write replaces the state before its
  // own; the states then stand in none.
  std::vector<size_t> contradiction;

  std::vector<Row> rows;
  std::vector<State> states;  // In order; the initial one first.
  bool by_versions = false;

  // Whether the state at position `a` is before the one at `b` > `a` in every
  // order that fits.
  bool Sure(uint32_t a, uint32_t b) const {
    return a == 0 || by_versions || states[a].chain == states[b].chain;
  }
  // Whether no operation stands before one that had returned before it was
  // invoked. `writes_alone`: reads may.
  bool KeepsTime(const History& history, bool writes_alone) const;
};

// Calls `invoked` with each of `by_invoke`, which have this order. Before each
// it calls `returned` with those of `others` that returned before its
// invocation, in the order of returns. `op_of` says which operation it is.
template <typename OpOf, typename Returned, typename Invoked>
void WalkInTime(absl::Span<const uint32_t> by_invoke,
                std::vector<uint32_t> others, OpOf op_of, Returned returned,
                Invoked invoked) {
  std::erase_if(others, [&](uint32_t r) { return !op_of(r).known(); });
  // As a rule a client takes turns.
  if (!std::is_sorted(others.begin(), others.end(), ByReturn(op_of))) {
    std::sort(others.begin(), others.end(), ByReturn(op_of));
  }
  auto next = others.begin();
  for (const uint32_t r : by_invoke) {
    for (; next != others.end() && op_of(*next).ret < op_of(r).invoke; ++next) {
      returned(*next);
    }
    invoked(r);
  }
}

// `indices` are the operations of one partition.
VersionOrder OrderVersions(const History& history,
                           absl::Span<const size_t> indices,
                           const Model& model);

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_LEVELS_VERSION_ORDER_H_

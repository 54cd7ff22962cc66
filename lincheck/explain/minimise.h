// lincheck/explain/minimise.h: makes a counter-example small. For
// lincheck/explain/explain.h alone.
//
// An operation that was needed once is needed for ever, since relaxing others
// only permits more. So each one is tried once, many together while that
// succeeds. Before that the history is made short: its end is left out if
// possible, and then all operations far from the failure.
#ifndef QUORATE_LINCHECK_EXPLAIN_MINIMISE_H_
#define QUORATE_LINCHECK_EXPLAIN_MINIMISE_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "lincheck/decide/decide.h"
#include "lincheck/history.h"
#include "lincheck/model.h"
#include "lincheck/verdict.h"

namespace quorate::lincheck {

// Indices are those of the operations, in order.
struct Minimised {
  // Not linearizable even if all others are relaxed.
  std::vector<size_t> core;
  // Relaxing any one of them makes it linearizable.
  bool minimal = false;
  // Set if it is minimal. Operations of unknown outcome that explain the core
  // once one of its own is relaxed, and those that the reason names.
  std::vector<size_t> context;
  std::string reason;
  bool by_search = false;  // The reason tells where a search was stuck:
  size_t stuck = 0;        // at this operation.
};

// `decision` is kViolation about these operations, all of one partition.
Minimised Minimise(absl::Span<const Operation> operations, const Model& model,
                   Decision decision, const CheckOptions& options);

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_EXPLAIN_MINIMISE_H_

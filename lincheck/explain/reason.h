// lincheck/explain/reason.h: why no order explains a small history, in words.
// For lincheck/explain/explain.h alone.
//
// All orders are tried, so that the words are whole: which operation has no
// place, what it can have met, and who left that.
#ifndef QUORATE_LINCHECK_EXPLAIN_REASON_H_
#define QUORATE_LINCHECK_EXPLAIN_REASON_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "lincheck/history.h"
#include "lincheck/model.h"
#include "lincheck/verdict.h"

namespace quorate::lincheck {

inline constexpr size_t kReasonOperationsMax = 40;

// Indices are those of the operations.
struct Reason {
  // Empty: there are too many orders to tell.
  std::string text;
  // The operation that has no place; of several the one where the longest order
  // ends.
  size_t blocked = 0;
  bool either = false;  // It depends on others which one has no place.
  // Longest first, those that end at `blocked` before others.
  std::vector<PartialOrder> orders;
};

// Requires: not linearizable; at most kReasonOperationsMax operations.
Reason FindReason(absl::Span<const Operation> operations, const Model& model);

// A sentence that names the operation which would have left the value that
// `stuck` saw, if it failed or was called too late. Empty if another operation
// left the value, or if values do not tell.
std::string FindMissing(absl::Span<const Operation> operations,
                        const Model& model, size_t stuck);

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_EXPLAIN_REASON_H_

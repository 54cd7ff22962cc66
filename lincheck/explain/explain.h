// lincheck/explain/explain.h: the smallest reason why one partition is wrong.
// For lincheck/check/checker.h alone.
#ifndef QUORATE_LINCHECK_EXPLAIN_EXPLAIN_H_
#define QUORATE_LINCHECK_EXPLAIN_EXPLAIN_H_

#include "absl/types/span.h"
#include "lincheck/decide/decide.h"
#include "lincheck/history.h"
#include "lincheck/model.h"
#include "lincheck/verdict.h"

namespace quorate::lincheck {

// `operations` are all of one partition, and `decision` is kViolation about
// them. Indices in the result are those of the argument.
CounterExample ExplainPartition(absl::Span<const Operation> operations,
                                const Model& model, Decision decision,
                                const CheckOptions& options);

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_EXPLAIN_EXPLAIN_H_

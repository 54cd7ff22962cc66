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

// The operations of a small counter-example are not linearizable even if all
// others are relaxed. It is minimal if relaxing any one of them makes it
// linearizable. Its context is set if it is minimal. The context has operations
// of unknown outcome that explain the rest once one is relaxed, and operations
// that the reason names. `blocked` is where a search was stuck, of which the
// reason tells; kNotKnown if zones decided. Indices are those of `operations`,
// in order. `decision` is kViolation about them; all are of one partition.
CounterExample Minimise(absl::Span<const Operation> operations,
                        const Model& model, Decision decision,
                        const CheckOptions& options);

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_EXPLAIN_MINIMISE_H_

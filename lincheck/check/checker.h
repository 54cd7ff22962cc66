// lincheck/check/checker.h: is this history linearizable, and if not, what is
// the smallest reason?
//
// Partitions are checked alone. If every operation names the write it saw,
// zones decide in near-linear time (Gibbons and Korach, extended to
// read-modify-writes: lincheck/links/zones.h). Versions name writes, and so do
// values that all differ. Otherwise a search with memory decides (Wing and
// Gong, Lowe: lincheck/search/search.h).
#ifndef QUORATE_LINCHECK_CHECK_CHECKER_H_
#define QUORATE_LINCHECK_CHECK_CHECKER_H_

#include <cstdint>
#include <string>

#include "lincheck/history.h"
#include "lincheck/model.h"
#include "lincheck/verdict.h"

namespace quorate::lincheck {

// All operations of a counter-example, or the last calls before the one that
// has no place.
CounterExample::Core CoreOf(const CounterExample& counter_example);

Verdict Check(const History& history, const Model& model,
              const CheckOptions& options = {});

// The counter-example of the first wrong partition, which is not checked again.
// Requires: `verdict` is kViolation about this history and model.
CounterExample Explain(const History& history, const Model& model,
                       const Verdict& verdict,
                       const CheckOptions& options = {});

// The counter-example as a few lines of text: reason, then one line per
// operation.
std::string Describe(const History& history, const Model& model,
                     const CounterExample& counter_example);

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_CHECK_CHECKER_H_

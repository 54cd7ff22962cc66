// lincheck/testing/brute_force.h: the slow, obviously right way, for tests:
// every order of a small history.
#ifndef QUORATE_LINCHECK_TESTING_BRUTE_FORCE_H_
#define QUORATE_LINCHECK_TESTING_BRUTE_FORCE_H_

#include "absl/types/span.h"
#include "lincheck/history.h"
#include "lincheck/model.h"

namespace quorate::lincheck {

// True if `operations` (of one partition, at most 20) are linearizable.
bool LinearizableByBruteForce(absl::Span<const Operation> operations,
                              const Model& model);

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_TESTING_BRUTE_FORCE_H_

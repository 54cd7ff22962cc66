// lincheck/testing/levels_brute_force.h: what the levels of
// lincheck/levels/levels.h say, tried out: every choice of unknown outcomes,
// every order. For small histories in tests; it knows nothing of how
// CheckLevels() decides.
//
// After Lamport (sequential consistency) and Terry et al. (session guarantees),
// those for each partition alone.
#ifndef QUORATE_LINCHECK_TESTING_LEVELS_BRUTE_FORCE_H_
#define QUORATE_LINCHECK_TESTING_LEVELS_BRUTE_FORCE_H_

#include <optional>
#include <vector>

#include "absl/types/span.h"
#include "lincheck/history.h"
#include "lincheck/levels/levels.h"
#include "lincheck/model.h"

namespace quorate::lincheck {

// Whether `level`, one below linearizability, holds. Versions of the partitions
// in `counting` count their writes upwards, those of others are only names.
bool HoldsByBruteForce(absl::Span<const Operation> operations,
                       const Model& model, ConsistencyLevel level,
                       const std::vector<bool>& counting);

struct Lag {
  uint64_t versions = 0;
  Time time = 0;
};
// How far reads lag where every operation tells its version.
Lag LagByVersions(absl::Span<const Operation> operations, const Model& model);
// Whether the writes of one partition have an order that explains every result
// and keeps the time of writes. No read may lag further than `most` in it.
// `operations` are those of the partition.
bool LagHoldsByBruteForce(absl::Span<const Operation> operations,
                          const Model& model, const Lag& most);

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_TESTING_LEVELS_BRUTE_FORCE_H_

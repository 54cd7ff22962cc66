// sim/world/liveness.h: requires progress within a bound once faults are
// healed.
//
// Knows the world alone. The caller defines when the work is done, and
// describes the work that is still open.
#ifndef QUORATE_SIM_WORLD_LIVENESS_H_
#define QUORATE_SIM_WORLD_LIVENESS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "env/time.h"
#include "sim/world/world.h"

namespace quorate::sim {

// Runs `world` until `done()`. It is a violation, named `what` and described by
// `describe()`, if that takes longer than `limit` or no event is left. The
// limit begins again while `progress()` changes, at most 30 times. Does
// nothing after a violation, and stops at the first one.
void RequireWithin(
    World& world, std::string_view what, Duration limit,
    absl::FunctionRef<bool()> done, absl::FunctionRef<std::string()> describe,
    absl::FunctionRef<uint64_t()> progress = [] { return uint64_t{0}; });

}  // namespace quorate::sim

#endif  // QUORATE_SIM_WORLD_LIVENESS_H_

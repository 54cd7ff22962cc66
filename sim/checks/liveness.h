// sim/checks/liveness.h: what must happen within a bound once faults are healed.
//
// Knows the world alone: who calls says when it is done and what is still open.
#ifndef QUORATE_SIM_CHECKS_LIVENESS_H_
#define QUORATE_SIM_CHECKS_LIVENESS_H_

#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "env/time.h"
#include "sim/world/world.h"

namespace quorate::sim {

// Runs `world` until `done()`. If that takes longer than `limit`, or nothing is left to happen, it is a violation named `what`,
// with `describe()`. Does nothing after a violation, and stops at the first one.
void RequireWithin(World& world, std::string_view what, Duration limit,
                   absl::FunctionRef<bool()> done,
                   absl::FunctionRef<std::string()> describe);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CHECKS_LIVENESS_H_

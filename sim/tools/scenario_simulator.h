// sim/tools/scenario_simulator.h: adds runs of scenarios to a simulator, which
// makes them for `explore`, and for the tapes that it wrote.
#ifndef QUORATE_SIM_TOOLS_SCENARIO_SIMULATOR_H_
#define QUORATE_SIM_TOOLS_SCENARIO_SIMULATOR_H_

#include <functional>

#include "absl/status/status.h"
#include "sim/explore/scenario.h"
#include "sim/harness/harness.h"
#include "sim/tools/simulator.h"

namespace quorate::sim {

// kInvalidArgument: the program does not simulate the system of the scenario.
absl::Status CheckScenario(Simulated simulated, const Scenario& scenario);

// The simulator, which also makes runs whose options or tape have a scenario.
// `subject_of` returns what such a run simulates.
Simulator WithScenarios(
    Simulator simulator,
    std::function<MakeSubject(const Scenario& scenario)> subject_of);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_TOOLS_SCENARIO_SIMULATOR_H_

// sim/tools/simulate_main.h: the main function of a program that simulates:
// `simulate` for the store, and one for each subject of a user.
//
// Each run has a process of its own (sim/tools/worker.h).
#ifndef QUORATE_SIM_TOOLS_SIMULATE_MAIN_H_
#define QUORATE_SIM_TOOLS_SIMULATE_MAIN_H_

#include <string>
#include <vector>

#include "sim/tools/simulator.h"

namespace quorate::sim {

// Does what the words of the command line say (sim/tools/arguments.h), and
// prints the results. `run` writes the tape of a run with a violation to
// seed-N.tape in the user's directory. Returns the exit status.
int SimulateMain(const Simulator& simulator,
                 const std::vector<std::string>& words);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_TOOLS_SIMULATE_MAIN_H_

// sim/tools/store_simulator.h: the runs of the store (sim/run/run.h), for
// programs.
#ifndef QUORATE_SIM_TOOLS_STORE_SIMULATOR_H_
#define QUORATE_SIM_TOOLS_STORE_SIMULATOR_H_

#include "sim/tools/simulator.h"

namespace quorate::sim {

Simulator StoreSimulator();

}  // namespace quorate::sim

#endif  // QUORATE_SIM_TOOLS_STORE_SIMULATOR_H_

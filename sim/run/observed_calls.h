// sim/run/observed_calls.h: the calls of clients as observations of the world
// (sim/choices/observation.h), for views of a run.
#ifndef QUORATE_SIM_RUN_OBSERVED_CALLS_H_
#define QUORATE_SIM_RUN_OBSERVED_CALLS_H_

#include "sim/checks/recorder.h"
#include "sim/run/client_fleet.h"
#include "sim/world/world.h"

namespace quorate::sim {

// Client 1 has the first machine of the fleet. Both arguments outlive the
// recorder's use of the result. Null: the world takes no observations.
Recorder::Observer ObserverOfCalls(World* world, const ClientFleet* clients);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_RUN_OBSERVED_CALLS_H_

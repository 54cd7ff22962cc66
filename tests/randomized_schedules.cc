// Runs 100 randomized schedules of the store (tests/schedules.h). Those with
// --defaults have the strictest bounds once faults are over.
#include "sim/tools/store_simulator.h"
#include "tests/schedules.h"

int main(int argc, char** argv) {
  return quorate::RunSchedules(
      argc, argv,
      {.simulator = quorate::sim::StoreSimulator(), .defaults = true});
}

// simulate: runs a cluster in a deterministic simulation. See `simulate
// --help`.
#include <string>
#include <vector>

#include "sim/tools/simulate_main.h"
#include "sim/tools/store_simulator.h"

int main(int argc, char** argv) {
  return quorate::sim::SimulateMain(
      quorate::sim::StoreSimulator(),
      std::vector<std::string>(argv + 1, argv + argc));
}

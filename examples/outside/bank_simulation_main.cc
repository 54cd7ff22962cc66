// Simulates the bank with its clients: bank_simulation_main swarm
// --seeds 1..100
#include "bank_simulation.h"
#include "sim/tools/subject_main.h"

int main(int argc, char** argv) {
  return quorate::sim::SubjectMain(argc, argv, [](quorate::sim::World& world) {
    return SimulatedBank(world, quorate::env::Durability::kDurable);
  });
}

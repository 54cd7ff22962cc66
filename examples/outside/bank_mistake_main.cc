// Simulates the bank with a mistake: a line of the journal counts before it is
// durable. Most seeds find it: bank_mistake_main run --seed 1
#include "bank_simulation.h"
#include "sim/tools/subject_main.h"

int main(int argc, char** argv) {
  return quorate::sim::SubjectMain(argc, argv, [](quorate::sim::World& world) {
    return SimulatedBank(world, quorate::env::Durability::kLater);
  });
}

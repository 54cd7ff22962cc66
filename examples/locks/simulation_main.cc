// Simulates the lock service:
// ./bazelw run //examples/locks:simulation -- --help
#include "examples/locks/simulation.h"
#include "sim/tools/subject_main.h"

int main(int argc, char** argv) {
  return quorate::sim::SubjectMain(argc, argv,
                                   quorate::examples::SimulatedLockServer<>);
}

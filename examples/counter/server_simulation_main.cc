// Simulates the counter's server with its clients:
// ./bazelw run //examples/counter:server_simulation -- --help
#include "examples/counter/server_simulation.h"
#include "sim/tools/subject_main.h"

int main(int argc, char** argv) {
  return quorate::sim::SubjectMain(argc, argv,
                                   quorate::examples::SimulatedCounterServer<>);
}

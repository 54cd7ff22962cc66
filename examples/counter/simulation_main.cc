// Simulates the counter: ./bazelw run //examples/counter:simulation -- --help
#include "examples/counter/simulation.h"
#include "sim/tools/subject_main.h"

int main(int argc, char** argv) {
  return quorate::sim::SubjectMain(argc, argv,
                                   quorate::examples::SimulatedCounter<>);
}

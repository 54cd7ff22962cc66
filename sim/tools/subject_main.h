// sim/tools/subject_main.h: the main function of a program that simulates a
// subject of one's own, with the commands and outputs of `simulate`:
//
//   my_simulation run    --seed N [--duration 60s] [--tape-out FILE]
//   my_simulation swarm  --seeds A..B [--jobs N]
//   my_simulation replay TAPE
//   my_simulation diff   SEED|TAPE SEED|TAPE
//
// Its --help lists all flags.
#ifndef QUORATE_SIM_TOOLS_SUBJECT_MAIN_H_
#define QUORATE_SIM_TOOLS_SUBJECT_MAIN_H_

#include <string>

#include "sim/harness/harness.h"

namespace quorate::sim {

struct Simulator;  // sim/tools/simulator.h.

// Returns the exit status: 0 no violation, 1 a violation, 2 wrong usage.
int SubjectMain(int argc, char** argv, const MakeSubject& make);

// The runs of the subject. `program` is the command line without arguments.
Simulator SubjectSimulator(std::string program, const MakeSubject& make);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_TOOLS_SUBJECT_MAIN_H_

// sim/tools/subject_main.h: the main function of a program that simulates a
// subject of one's own, like `simulate` does with the store:
//
//   my_simulation run    --seed N [--duration 60s] [--no-faults]
//                        [--without FAMILIES] [--only FAMILIES]
//                        [--tape-out FILE]
//   my_simulation swarm  --seeds A..B [the same but --tape-out]
//   my_simulation replay TAPE
#ifndef QUORATE_SIM_TOOLS_SUBJECT_MAIN_H_
#define QUORATE_SIM_TOOLS_SUBJECT_MAIN_H_

#include "sim/harness/harness.h"

namespace quorate::sim {

// Each run has a process of its own, so a failed CHECK is a violation, too.
// Prints a line per run with a violation and a summary. Writes the tape of such
// a run to seed-N.tape in the directory from which it was called. Exit status:
// 0 no violation, 1 a violation, 2 wrong usage.
int SubjectMain(int argc, char** argv, const MakeSubject& make);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_TOOLS_SUBJECT_MAIN_H_

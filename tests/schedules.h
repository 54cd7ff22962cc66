// tests/schedules.h: the main function of tests that run randomized schedules
// with fixed seeds, with all checkers of a simulator. Other seeds, and the next
// ones for each of five runs:
//
//   bazel test TEST --test_arg=--seeds=1000..1999
//   bazel test TEST --runs_per_test=5
//
// A failing seed prints the command line that replays it.
#ifndef QUORATE_TESTS_SCHEDULES_H_
#define QUORATE_TESTS_SCHEDULES_H_

#include <cstdint>

#include "sim/tools/simulator.h"

namespace quorate {

struct Schedules {
  sim::Simulator simulator;
  uint64_t count = 100;  // Seeds of one run of the test.
  // A quarter of the seeds runs with --defaults, too.
  bool defaults = false;
  bool members = false;  // Members and slots change in all runs.
};

// Returns the exit status.
int RunSchedules(int argc, char** argv, const Schedules& schedules);

}  // namespace quorate

#endif  // QUORATE_TESTS_SCHEDULES_H_

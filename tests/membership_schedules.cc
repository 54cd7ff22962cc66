// Runs the store with members and slots that change (tests/schedules.h). All of
// them:
//
//   bazel test //tests:membership_schedules --test_arg=--seeds=1..10000
#include "sim/tools/store_simulator.h"
#include "tests/schedules.h"

int main(int argc, char** argv) {
  return quorate::RunSchedules(
      argc, argv,
      {.simulator = quorate::sim::StoreSimulator(), .members = true});
}

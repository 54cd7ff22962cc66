// Runs random scripts of operators in clusters whose members change
// (tests/schedules.h). All of them:
//
//   bazel test //tests:membership_schedules --test_arg=--seeds=1..10000
#include <memory>

#include "sim/members/members_subject.h"
#include "sim/tools/subject_main.h"
#include "tests/schedules.h"

int main(int argc, char** argv) {
  using quorate::sim::MembersSubject;
  return quorate::RunSchedules(
      argc, argv,
      {.simulator = quorate::sim::SubjectSimulator(
           "./bazelw run -c opt //:simulate_members --",
           [](quorate::sim::World& world) {
             return std::make_unique<MembersSubject>(&world);
           })});
}

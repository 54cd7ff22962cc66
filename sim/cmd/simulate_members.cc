// simulate_members: random scripts of operators in simulated clusters whose
// members change. Its commands are those of `simulate`.
#include <memory>

#include "sim/members/members_subject.h"
#include "sim/tools/subject_main.h"

int main(int argc, char** argv) {
  return quorate::sim::SubjectMain(argc, argv, [](quorate::sim::World& world) {
    return std::make_unique<quorate::sim::MembersSubject>(&world);
  });
}

// sim/explore/swap_subject.h: the subject of scenarios about consensus alone: a
// raft::Host with the smallest state machine that shows the order of commands.
#ifndef QUORATE_SIM_EXPLORE_SWAP_SUBJECT_H_
#define QUORATE_SIM_EXPLORE_SWAP_SUBJECT_H_

#include <memory>

#include "sim/harness/subject.h"
#include "sim/world/world.h"

namespace quorate::sim {

// Each command replaces the one value, and returns the one before.
std::unique_ptr<Subject> MakeSwapSubject(World& world);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_EXPLORE_SWAP_SUBJECT_H_

// sim/checks/committed_entry.h: passes a committed entry to the checkers of
// what clients saw.
#ifndef QUORATE_SIM_CHECKS_COMMITTED_ENTRY_H_
#define QUORATE_SIM_CHECKS_COMMITTED_ENTRY_H_

#include "env/ids.h"
#include "raft/core/entry.h"
#include "sim/checks/leaderships.h"
#include "sim/checks/recorder.h"

namespace quorate::sim {

// The first replica of a group of stores applied the entry. `led`: the leader
// of the entry's term.
void NoteCommitted(GroupId group, const raft::Entry& entry,
                   const Leaderships::Led& led, Recorder* recorder);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CHECKS_COMMITTED_ENTRY_H_

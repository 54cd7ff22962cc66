// sim/cluster/entry_words.h: the commands of an entry of a group, in words, for
// views of a run.
#ifndef QUORATE_SIM_CLUSTER_ENTRY_WORDS_H_
#define QUORATE_SIM_CLUSTER_ENTRY_WORDS_H_

#include <string>

#include "env/ids.h"
#include "raft/core/entry.h"

namespace quorate::sim {

// Commands of the store, such as "set k v; get k", and of the controller.
// Requires: entry.kind is kCommands.
std::string CommandsOf(GroupId group, const raft::Entry& entry);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CLUSTER_ENTRY_WORDS_H_

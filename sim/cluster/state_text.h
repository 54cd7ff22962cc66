// sim/cluster/state_text.h: states of the store and the controller
// in words, for violations that explain why two states differ.
#ifndef QUORATE_SIM_CLUSTER_STATE_TEXT_H_
#define QUORATE_SIM_CLUSTER_STATE_TEXT_H_

#include <string>

#include "env/ids.h"
#include "kv/store/store.h"
#include "node/server.h"

namespace quorate::sim {

// Runs of slots, counts, log time, and then a line for each key, in the order
// of keys. The rows of sessions are only counted.
std::string StoreText(const kv::Store& store);
// The state of a group's replica on a node.
std::string StateText(const node::Server& server, GroupId group);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CLUSTER_STATE_TEXT_H_

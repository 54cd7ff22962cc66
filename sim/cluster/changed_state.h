// sim/cluster/changed_state.h: changed bytes of a snapshot of the key-value
// store.
//
// A store must refuse them. A change that the store accepts must leave the
// state as it was.
#ifndef QUORATE_SIM_CLUSTER_CHANGED_STATE_H_
#define QUORATE_SIM_CLUSTER_CHANGED_STATE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "env/random.h"
#include "kv/store/store.h"

namespace quorate::sim {

// Restores `changes` copies of the state machine's bytes of a snapshot, each
// with one drawn change. Returns a violation, or an empty string. Requires: a
// store with these options wrote the bytes.
std::string CheckChangedState(const kv::StoreOptions& options,
                              std::string_view bytes, const Random& random,
                              uint32_t changes);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CLUSTER_CHANGED_STATE_H_

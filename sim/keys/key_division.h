// sim/keys/key_division.h: how the clusters of runs with other partitioners
// than hash slots divide their keys.
//
// Checkers know the removals of a slot by their places in the log. Keys that
// expire have none. So these keys are in the odd slots, and all others in the
// even ones.
#ifndef QUORATE_SIM_KEYS_KEY_DIVISION_H_
#define QUORATE_SIM_KEYS_KEY_DIVISION_H_

#include <cstdint>
#include <vector>

#include "node/config/config.h"
#include "shardctrl/partition.h"

namespace quorate::sim {

// The most groups that have keys of each kind with every partitioner.
inline constexpr uint32_t kDividedGroupsMax = 5;

KeyDivision DivisionOfRun(Partitioner partitioner);

// As node::EvenShards with hash slots. Otherwise each group gets a pair of an
// even slot and the odd one behind it, in turn.
std::vector<node::ShardConfig> DividedShards(
    const std::vector<node::NodeConfig>& nodes,
    const node::EvenSharding& sharding, const KeyDivision& division);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_KEYS_KEY_DIVISION_H_

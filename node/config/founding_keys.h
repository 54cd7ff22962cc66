// node/config/founding_keys.h: the keys of a configuration file that say how a
// founded cluster divides its keys into slots.
#ifndef QUORATE_NODE_CONFIG_FOUNDING_KEYS_H_
#define QUORATE_NODE_CONFIG_FOUNDING_KEYS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "shardctrl/partition.h"

namespace quorate::node {

struct FoundingKeys {
  std::string partitioner{PartitionerName(Partitioner::kHashSlots)};
  uint32_t slots = 0;  // 0: the file does not have the key.
  std::vector<std::string> split_keys = {};
};

// Returns the division that the keys ask for. The error kInvalidArgument says
// "key 'x.y': expected …, found …". The partitioner is unknown then, lacks its
// key, or has that of another one. The values of the keys are not checked.
absl::StatusOr<KeyDivision> DivisionOf(const FoundingKeys& keys);

}  // namespace quorate::node

#endif  // QUORATE_NODE_CONFIG_FOUNDING_KEYS_H_

// node/config/map_parts.h: the parts of the shard map that a configuration
// file describes. Pure.
#ifndef QUORATE_NODE_CONFIG_MAP_PARTS_H_
#define QUORATE_NODE_CONFIG_MAP_PARTS_H_

#include "node/config/config.h"
#include "shardctrl/map.h"

namespace quorate::node {

// ShardMap::Create accepts them if CompleteConfig accepted `config`.
shardctrl::ShardMap::Parts MapParts(const Config& config);

}  // namespace quorate::node

#endif  // QUORATE_NODE_CONFIG_MAP_PARTS_H_

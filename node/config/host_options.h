// node/config/host_options.h: the options of the host of a node, as its
// configuration makes them. Pure.
#ifndef QUORATE_NODE_CONFIG_HOST_OPTIONS_H_
#define QUORATE_NODE_CONFIG_HOST_OPTIONS_H_

#include "node/config/config.h"
#include "raft/host/host_types.h"
#include "shardctrl/map.h"

namespace quorate::node {

// All but the functions that a server adds. `map` is the one that the file
// makes.
raft::HostOptions MakeHostOptions(const Config& config,
                                  const shardctrl::ShardMap& map);

}  // namespace quorate::node

#endif  // QUORATE_NODE_CONFIG_HOST_OPTIONS_H_

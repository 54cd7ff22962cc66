#include "node/config/map_parts.h"

#include <vector>

#include "node/base/text.h"

namespace quorate::node {

shardctrl::ShardMap::Parts MapParts(const Config& config) {
  shardctrl::ShardMap::Parts parts;
  parts.partitioner = config.division.partitioner;
  parts.slot_count = config.division.slot_count;
  std::vector<NodeId> read_only;
  for (const NodeConfig& node : config.nodes) {
    parts.nodes.push_back({.id = node.id,
                           .name = Concat("n", node.id),
                           .peer_address = node.peer,
                           .resp_address = node.resp,
                           .resp_cluster_address = node.resp_cluster,
                           .http_address = node.http,
                           .read_only = node.read_only});
    if (node.read_only) read_only.push_back(node.id);
  }
  for (const ShardConfig& shard : config.shards) {
    parts.groups.push_back({.id = shard.group,
                            .name = shard.name,
                            .voters = shard.replicas,
                            .non_voters = read_only,
                            .preferred_leader = shard.replicas.front()});
    for (const auto& [first, last] : shard.slots) {
      parts.assignments.push_back({{Slot(first), Slot(last)}, shard.group});
    }
  }
  return parts;
}

}  // namespace quorate::node

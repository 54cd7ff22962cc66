#include "node/config/host_options.h"

#include "node/base/text.h"
#include "node/config/bootstrap_plan.h"

namespace quorate::node {

raft::HostOptions MakeHostOptions(const Config& config,
                                  const shardctrl::ShardMap& map) {
  raft::HostOptions options;
  static_cast<raft::HostLimits&>(options) = config.host;
  options.cluster = config.cluster;
  options.node = config.node;
  options.listen_address = config.listen.peer;
  options.address = config.self().peer;
  const bool refuses_alone = config.nodes.size() == 1 && !config.founds_alone;
  options.bootstrap = config.bootstrap && !refuses_alone;
  options.seeds = config.seeds;
  options.restore_as_new_cluster = config.restore_as_new_cluster;
  options.moved = config.moved;
  if (config.join.has_value()) {
    options.join = {.seeds = config.join->seeds, .token = config.join->token};
  }
  options.plan = MakeBootstrapPlan(map, config.division, config.rules);
  options.founding_level = config.known_level();
  options.founding_lease_length = config.host.core.election_timeout_min;
  options.lost_directory_advice =
      "A node whose directory was lost needs a token of 'quoratectl node "
      "replace', see docs/operate/failures.md";
  if (config.bootstrap && refuses_alone) {
    options.lost_directory_advice =
        Concat("The file names node ", config.node,
               " alone. To found a cluster of this one node, add --alone. ",
               options.lost_directory_advice);
  }
  if (config.known_level() < raft::Level(config.program_level)) {
    options.halted_advice =
        Concat("raise or remove raft.level_max, which is ", config.level_max,
               " here. If the replica still halts, start the newer program");
  }
  for (const NodeConfig& node : config.nodes) {
    if (node.id != config.node) options.peers.push_back({node.id, node.peer});
  }
  return options;
}

}  // namespace quorate::node

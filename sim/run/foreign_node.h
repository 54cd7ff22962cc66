// sim/run/foreign_node.h: a node that does not belong to the cluster, but whose
// configuration file has addresses of the cluster's nodes.
//
// It dials them all. They must refuse it, and go on. It must refuse them, too.
// Its file names one more node, at whose address is no node
// (sim/run/strange_peer.h).
#ifndef QUORATE_SIM_RUN_FOREIGN_NODE_H_
#define QUORATE_SIM_RUN_FOREIGN_NODE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "node/config/config.h"
#include "node/server.h"
#include "raft/transport/handshake.h"
#include "sim/cluster/cluster.h"
#include "sim/run/strange_peer.h"
#include "sim/world/world.h"

namespace quorate::sim {

class ForeignNode {
 public:
  // The arguments outlive this object.
  ForeignNode(World* world, const Cluster& cluster)
      : world_(world), cluster_(cluster) {}

  // Starts in some runs. Without byte streams nodes have no links that it could
  // dial, and it never starts.
  void Start();
  // Checks that no other node voted for it, and ends the programs.
  void Stop();
  // Returns the violation of the foreign node whose start ended with `status`,
  // or an empty string: without the other nodes it founds no cluster.
  static std::string CheckStart(const absl::Status& status);
  // Returns the violation of the foreign node `server`, or an empty string: it
  // leads no group of `shards` that has another voter.
  static std::string CheckRoles(const node::Server& server,
                                const std::vector<node::ShardConfig>& shards);

 private:
  class Program;

  node::Config DrawConfig() const;
  void StartStrangePeer();
  // The handshake that a node of the cluster would send to `to`. False: no
  // other node runs.
  bool HelloTo(NodeId to, raft::Hello* hello) const;

  World* const world_;
  const Cluster& cluster_;
  node::Config config_;
  Program* program_ = nullptr;           // Null: it does not run.
  StrangePeer* strange_peer_ = nullptr;  // Null: it does not run.
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_RUN_FOREIGN_NODE_H_

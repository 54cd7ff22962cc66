// sim/run/cluster_views.h: asks every node how it describes the cluster to
// clients, and compares the replies with the cluster.
//
// A node learns of changes a little later. So the caller requires a time from
// which on no fault happens, and waits until all replies are right.
#ifndef QUORATE_SIM_RUN_CLUSTER_VIEWS_H_
#define QUORATE_SIM_RUN_CLUSTER_VIEWS_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "sim/checks/view_checker.h"
#include "sim/cluster/cluster.h"
#include "sim/workload/view_client.h"
#include "sim/world/world.h"

namespace quorate::sim {

class ClusterViews {
 public:
  // The arguments outlive this object.
  ClusterViews(World* world, const Cluster* cluster)
      : world_(*world), cluster_(*cluster) {}
  ClusterViews(const ClusterViews&) = delete;
  ClusterViews& operator=(const ClusterViews&) = delete;

  // Starts a client that asks. Call it once.
  void Begin();
  // Whether the last reply of every running node was right. Then the client
  // stops.
  bool AreTrue();
  // The contradictions of the last replies, for people.
  std::string Describe() const;

 private:
  // Empty while a group has no leader.
  std::optional<ClusterTruth> Truth() const;
  // Whether the node runs and its replica in the group works.
  bool HasWorkingReplica(NodeId node, GroupId group) const;
  ClusterTruth::Node TruthOf(const node::NodeConfig& node) const;
  // Requires: the node runs.
  ClusterTruth::Replica ReplicaOn(NodeId node, GroupId group) const;
  std::string CheckView(size_t node, const NodeView* view) const;

  World& world_;
  const Cluster& cluster_;
  ViewClient* client_ = nullptr;       // Null: it does not ask.
  std::vector<std::string> problems_;  // By node. Empty: the reply was right.
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_RUN_CLUSTER_VIEWS_H_

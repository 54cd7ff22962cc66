// sim/run/cluster_views.h: asks every node how it describes the cluster to
// clients, and compares the replies with the cluster.
//
// A node learns of changes a little later. So the caller requires a time from
// which on no fault happens, and waits until all replies are right.
#ifndef QUORATE_SIM_RUN_CLUSTER_VIEWS_H_
#define QUORATE_SIM_RUN_CLUSTER_VIEWS_H_

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sim/checks/view_checker.h"
#include "sim/cluster/cluster.h"
#include "sim/workload/view_client.h"
#include "sim/world/world.h"

namespace quorate::sim {

class ClusterViews {
 public:
  // Returns the nodes that are in the cluster.
  using Members = std::function<std::vector<NodeId>()>;

  // The arguments outlive this object. Null: the nodes of the founding.
  ClusterViews(World* world, const Cluster* cluster, Members members)
      : world_(*world), cluster_(*cluster), members_(std::move(members)) {}
  ClusterViews(const ClusterViews&) = delete;
  ClusterViews& operator=(const ClusterViews&) = delete;

  // Starts a client that asks. Call it once.
  void Begin();
  // Whether the last reply of every running node of the cluster was right. Then
  // the client stops.
  bool AreTrue();
  // The contradictions of the last replies, for people.
  std::string Describe() const;

 private:
  // The numbers of the places of the cluster's nodes, and their ids.
  std::map<NodeId, NodeId> Present() const;
  // Empty while a group has no leader in the cluster. `places` are those of
  // Present, and get the place of each number among the nodes of the truth.
  std::optional<ClusterTruth> Truth(std::map<NodeId, size_t>* places) const;
  // Whether the node runs and its replica in the group works.
  bool HasWorkingReplica(NodeId node, GroupId group) const;
  ClusterTruth::Node TruthOf(NodeId node, NodeId id) const;
  // Requires: the node runs.
  ClusterTruth::Replica ReplicaOn(NodeId node, GroupId group) const;
  std::string CheckView(NodeId node, const NodeView* view) const;

  World& world_;
  const Cluster& cluster_;
  const Members members_;
  ViewClient* client_ = nullptr;       // Null: it does not ask.
  std::vector<std::string> problems_;  // By place. Empty: the reply was right.
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_RUN_CLUSTER_VIEWS_H_

// sim/run/calm_phase.h: what a run expects of a cluster in which no fault is
// left.
//
// Answers have short bounds, leaders stay, and no work is repeated. While one
// node after the other restarts, the rest of them serve.
#ifndef QUORATE_SIM_RUN_CALM_PHASE_H_
#define QUORATE_SIM_RUN_CALM_PHASE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "env/ids.h"
#include "env/time.h"
#include "sim/checks/recorder.h"
#include "sim/checks/repeated_work.h"
#include "sim/cluster/cluster.h"
#include "sim/cluster/cluster_checks.h"
#include "sim/run/client_fleet.h"
#include "sim/run/rolling_restart.h"
#include "sim/run/shape.h"
#include "sim/world/world.h"

namespace quorate::sim {

class CalmPhase {
 public:
  // All outlive the object. `defaults`: nodes have the default configuration.
  // `members` returns the nodes that are in the cluster. Null: they stay.
  CalmPhase(World* world, const Shape* shape, Cluster* cluster,
            ClusterChecks* checks, Recorder* recorder, ClientFleet* clients,
            std::function<std::vector<NodeId>()> members, bool defaults);
  CalmPhase(const CalmPhase&) = delete;
  CalmPhase& operator=(const CalmPhase&) = delete;

  // No fault is left from now on. The clients ask all nodes that work.
  void Begin();
  // Reports what the cluster owed since Begin. Returns whether that was called.
  bool End();
  bool begun() const { return begun_; }
  // A replica of the group made a step. Call it between Begin and End.
  void OnStep(GroupId group, const raft::Core& core,
              const raft::Output& output);

  // A client asks all nodes that work while slots move. An answer may wait
  // until a frozen slot has its next owner, and until the node knows it.
  void AskWhileSlotsMove();
  // Restarts the nodes that work, one after the other, while clients write. If
  // the operator is patient, the machines in `working`, which outlive the
  // restarts, agree before each stop.
  void RestartAll(const std::vector<MachineId>& working);
  bool restarted_all() const { return rolling_restart_.done(); }
  uint64_t restarted() const { return rolling_restart_.restarted(); }
  // Why the restarts do not go on, for people.
  std::string Describe() const { return rolling_restart_.Describe(); }

  // Whether all nodes that work have links to each other.
  bool Linked() const {
    return cluster_.Linked([this](NodeId node) { return !MayNotWork(node); });
  }

 private:
  // Whether the node need not work in the calm.
  bool MayNotWork(NodeId node) const;
  // The nodes that work, and hold a request for the time of an attempt.
  std::vector<NodeId> PatientNodes(Duration attempt) const;
  AvailabilityChecker::CalmBounds Bounds() const;
  // A client asks the other nodes while this one stops and starts again.
  void AskDuringAStop(NodeId stopping);

  World& world_;
  const Shape& shape_;
  Cluster& cluster_;
  ClusterChecks& checks_;
  Recorder& recorder_;
  ClientFleet& clients_;
  const std::function<std::vector<NodeId>()> members_;
  const bool defaults_;
  bool begun_ = false;
  RepeatedWork repeated_work_;
  RollingRestart rolling_restart_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_RUN_CALM_PHASE_H_

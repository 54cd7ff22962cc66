// sim/cluster/controller_loss.h: nodes that are down for a while so that the
// group of the controller has no majority, though every other group has one.
//
// Clients must not notice that: the checkers of availability know nothing of
// the controller.
#ifndef QUORATE_SIM_CLUSTER_CONTROLLER_LOSS_H_
#define QUORATE_SIM_CLUSTER_CONTROLLER_LOSS_H_

#include <utility>
#include <vector>

#include "env/time.h"
#include "sim/choices/sim_time.h"
#include "sim/world/world.h"

namespace quorate::sim {

class ControllerLoss {
 public:
  // The voters of a group.
  using Voters = std::vector<MachineId>;

  // `world` outlives the object. Each node that it stops starts again.
  ControllerLoss(World* world, Voters controller, std::vector<Voters> others)
      : world_(*world),
        controller_(std::move(controller)),
        others_(std::move(others)) {}
  ControllerLoss(const ControllerLoss&) = delete;
  ControllerLoss& operator=(const ControllerLoss&) = delete;

  // Draws whether and when the first `length` of the run have a loss.
  void Plan(Duration length);
  // From now on no node is down on purpose.
  void End();

 private:
  bool Keeps(const Voters& voters) const;
  bool Running(MachineId machine) const;
  void Begin();

  World& world_;
  const Voters controller_;
  const std::vector<Voters> others_;
  bool ended_ = false;
  std::vector<MachineId> down_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CLUSTER_CONTROLLER_LOSS_H_

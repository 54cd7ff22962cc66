// sim/run/rolling_restart.h: an operator of a healthy cluster restarts one node
// after the other, as for an upgrade. A node is stopped when the one before it
// works again.
#ifndef QUORATE_SIM_RUN_ROLLING_RESTART_H_
#define QUORATE_SIM_RUN_ROLLING_RESTART_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "env/ids.h"
#include "sim/cluster/cluster.h"
#include "sim/world/world.h"

namespace quorate::sim {

class RollingRestart {
 public:
  // Both outlive the object.
  RollingRestart(World* world, Cluster* cluster)
      : world_(world), cluster_(cluster) {}
  RollingRestart(const RollingRestart&) = delete;
  RollingRestart& operator=(const RollingRestart&) = delete;

  // Restarts these nodes, which work. `may_stop` says when the next one may be
  // stopped, and `before_stop` is called with it before each stop. Call Begin
  // once.
  void Begin(std::vector<NodeId> nodes, absl::AnyInvocable<bool()> may_stop,
             absl::AnyInvocable<void(NodeId)> before_stop) {
    nodes_ = std::move(nodes);
    may_stop_ = std::move(may_stop);
    before_stop_ = std::move(before_stop);
    Step();
  }
  // How many nodes were restarted and work again.
  size_t restarted() const { return restarted_; }
  // Whether no node is left. True before Begin.
  bool done() const { return restarted_ == nodes_.size(); }
  // The node that it waits for, for people. Empty: none.
  std::string Describe() const;

 private:
  enum class Phase : uint8_t { kWorks, kStops, kStarts };

  void Step();

  World* const world_;
  Cluster* const cluster_;
  std::vector<NodeId> nodes_;
  absl::AnyInvocable<bool()> may_stop_;
  absl::AnyInvocable<void(NodeId)> before_stop_;
  size_t restarted_ = 0;
  Phase phase_ = Phase::kWorks;  // The node that is next is in this phase.
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_RUN_ROLLING_RESTART_H_

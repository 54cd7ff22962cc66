// sim/run/calm_watch.h: knows since when no fault began or ended, and which
// nodes reach each other.
//
// It compares the state of the machines and the counts of faults from one look
// to the next. Faults that no group needs to survive unnoticed, such as delays
// of single messages, do not count.
#ifndef QUORATE_SIM_RUN_CALM_WATCH_H_
#define QUORATE_SIM_RUN_CALM_WATCH_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "sim/world/world.h"

namespace quorate::sim {

class CalmWatch {
 public:
  // Call Look at least this often.
  static constexpr Duration kInterval = Milliseconds(100);

  // The machines of nodes. `world` outlives the object.
  CalmWatch(World* world, std::vector<MachineId> nodes)
      : world_(world), nodes_(std::move(nodes)), parts_(nodes_.size()) {}

  void Look();
  // No fault began or ended since then.
  SimTime since() const { return since_; }
  // The nodes that exchange messages with this one, and itself. Empty if it is
  // down or paused. No node of a part exchanges messages with another part.
  const std::vector<MachineId>& PartOf(MachineId node) const;

 private:
  // How often a fault hit after which requests may wait.
  uint64_t Disturbances() const;
  // A number that changes with the nodes that work and with the links between
  // nodes.
  uint64_t Fingerprint() const;
  bool Works(MachineId node) const;
  bool Connected(MachineId a, MachineId b) const;
  // Fills in parts_. False: the links do not divide the nodes into parts.
  bool FindParts();

  World* const world_;
  const std::vector<MachineId> nodes_;
  std::vector<std::vector<MachineId>> parts_;  // By place in nodes_.
  uint64_t disturbances_ = 0;
  uint64_t fingerprint_ = 0;
  bool divided_ = false;  // The result of FindParts.
  SimTime since_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_RUN_CALM_WATCH_H_

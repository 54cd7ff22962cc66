// sim/schedule/swarm.h: the draws that a run makes once: which families of
// faults are on, their rates, the clocks, and the disks that may fail.
//
// This is swarm testing. Faults that are all on at once hide the effects of
// each of them alone, so each run has a random subset of the families.
#ifndef QUORATE_SIM_SCHEDULE_SWARM_H_
#define QUORATE_SIM_SCHEDULE_SWARM_H_

#include <array>
#include <cstdint>
#include <vector>

#include "sim/schedule/fault_context.h"
#include "sim/schedule/fault_window.h"

namespace quorate::sim {

class Swarm {
 public:
  explicit Swarm(FaultContext* context) : context_(context) {}

  // Draws everything and sets the options of the world. Call it once.
  void Draw();

  bool on(FaultFamily family) const { return on_[static_cast<size_t>(family)]; }
  bool any_on() const;
  // The nodes whose disks may fail or be damaged, as many as the budget allows.
  const std::vector<MachineId>& disk_fault_targets() const {
    return disk_fault_targets_;
  }
  // The nodes on the host of `node`, with it: they share its power, its
  // processors and its disks. Most hosts have one node.
  std::vector<MachineId> OnHostOf(MachineId node) const;
  // The nodes of all hosts in the rack of `node`. There are two racks.
  std::vector<MachineId> InRackOf(MachineId node) const;
  // The disk fault target that the fault window hits. False: there are none.
  bool PickDiskFaultTarget(const FaultWindow& window, MachineId* node) const;

 private:
  void DrawFamilies();
  void DrawHosts();
  void DrawDiskFaultTargets();
  void SetMessageRates();
  void SetNodeRates();
  void SetClocks();
  // Draws a fifth, a half or the whole of `most`. Zero if the family is off.
  Ratio DrawRate(FaultFamily family, uint64_t which, Ratio most);

  struct Place {
    MachineId node;
    uint64_t host = 0;
    uint64_t rack = 0;
  };
  // The nodes at the same place as `node`.
  std::vector<MachineId> NodesWith(MachineId node,
                                   uint64_t Place::*place) const;

  FaultContext* const context_;
  std::array<bool, kFaultFamilies> on_{};
  std::vector<MachineId> disk_fault_targets_;
  std::vector<Place> places_;  // By node.
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_SCHEDULE_SWARM_H_

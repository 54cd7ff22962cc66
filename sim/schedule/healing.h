// sim/schedule/healing.h: ends the faults of a run: first for a majority of
// each group, later for all nodes.
#ifndef QUORATE_SIM_SCHEDULE_HEALING_H_
#define QUORATE_SIM_SCHEDULE_HEALING_H_

#include <vector>

#include "absl/container/btree_set.h"
#include "sim/schedule/disk_damage.h"
#include "sim/schedule/fault_context.h"
#include "sim/schedule/fault_triggers.h"
#include "sim/schedule/swarm.h"

namespace quorate::sim {

class Healing {
 public:
  Healing(FaultContext* context, const Swarm* swarm, const DiskDamage* damage,
          FaultTriggers* triggers)
      : context_(context),
        swarm_(swarm),
        damage_(damage),
        triggers_(triggers) {}

  // Begins the liveness phase: heals a random majority of each group and all
  // clients. The other nodes keep their faults and are cut off. Returns the
  // healed nodes.
  std::vector<MachineId> HealMajorities();
  // Heals all nodes. Call it after HealMajorities.
  void HealAll();

 private:
  absl::btree_set<MachineId> DrawHealed();
  void HealNode(MachineId node);
  void Isolate(MachineId node, const std::vector<MachineId>& others);
  void PlanPostHealFaults();
  void PlanCrash(MachineId node, SimTime at, Duration length);
  void PlanBlock(MachineId from, MachineId to, SimTime at, Duration length);

  FaultContext* const context_;
  const Swarm* const swarm_;
  const DiskDamage* const damage_;
  FaultTriggers* const triggers_;
  // Planned post-heal faults do not happen any more.
  bool post_heal_faults_end_ = false;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_SCHEDULE_HEALING_H_

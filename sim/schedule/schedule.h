// sim/schedule/schedule.h: a random schedule of faults for one run, within a
// budget that leaves the run recoverable.
//
// The schedule has two phases. In the safety phase everything may fail. In the
// liveness phase a random majority of each group and all clients are healed for
// good. The other nodes keep their faults and are out of reach. Every operation
// must finish. The page docs/testing/fault-model.md describes each fault and
// when a run can recover from it.
//
// The parts are: Swarm draws once per run which families of faults are on, and
// their rates. PlannedFaults plans faults by time, DiskDamage alters stored
// bytes. FaultTriggers hits nodes at rare marks. In a QuietStretch no fault
// begins. Healing ends the faults.
//
//   Schedule schedule(&world,
//                     {.nodes = …, .groups = …, .length = Seconds(60)});
//   schedule.Begin();
//   world.RunFor(Seconds(60));
//   schedule.BeginLiveness();
//   … run until everything is done, within a bound.
#ifndef QUORATE_SIM_SCHEDULE_SCHEDULE_H_
#define QUORATE_SIM_SCHEDULE_SCHEDULE_H_

#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/btree_set.h"
#include "sim/schedule/disk_damage.h"
#include "sim/schedule/fault_context.h"
#include "sim/schedule/fault_triggers.h"
#include "sim/schedule/healing.h"
#include "sim/schedule/planned_faults.h"
#include "sim/schedule/quiet_stretch.h"
#include "sim/schedule/schedule_options.h"
#include "sim/schedule/swarm.h"
#include "sim/world/world.h"

namespace quorate::sim {

class Schedule {
 public:
  Schedule(World* world, ScheduleOptions options)
      : context_(world, std::move(options)) {}
  Schedule(const Schedule&) = delete;
  Schedule& operator=(const Schedule&) = delete;

  // Draws the families, sets the rates and plans every fault window. The nodes
  // must exist; they need not run yet.
  void Begin() {
    swarm_.Draw();
    quiet_.Plan();
    windows_.Plan();
    context_.world().AddMarkHook([this](MachineId node, std::string_view mark) {
      if (!quiet_.Covers(context_.world().now())) triggers_.OnMark(node, mark);
    });
  }
  // Begins the liveness phase and returns the healed nodes: a majority of each
  // group. For four more seconds short faults still hit single healed nodes,
  // one at a time.
  std::vector<MachineId> BeginLiveness() { return healing_.HealMajorities(); }
  // Heals every machine, for a final comparison of all replicas. In the next
  // four seconds a node that reaches a rare mark may still be hit by a short
  // fault. Call it after BeginLiveness.
  void HealAll() { healing_.HealAll(); }

  bool on(FaultFamily family) const { return swarm_.on(family); }
  // See Swarm and DiskDamage.
  const std::vector<MachineId>& disk_fault_targets() const {
    return swarm_.disk_fault_targets();
  }
  const DiskDamage::Damaged& damaged() const { return damage_.damaged(); }
  const absl::btree_set<MachineId>& erased() const { return damage_.erased(); }

 private:
  FaultContext context_;
  Swarm swarm_{&context_};
  DiskDamage damage_{&context_, &swarm_};
  QuietStretch quiet_{&context_};
  PlannedFaults windows_{&context_, &swarm_, &damage_, &quiet_};
  FaultTriggers triggers_{&context_, &swarm_};
  Healing healing_{&context_, &swarm_, &damage_, &triggers_};
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_SCHEDULE_SCHEDULE_H_

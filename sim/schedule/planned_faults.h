// sim/schedule/planned_faults.h: the faults that are planned by time: when each
// one begins, what it hits, and when it ends.
#ifndef QUORATE_SIM_SCHEDULE_PLANNED_FAULTS_H_
#define QUORATE_SIM_SCHEDULE_PLANNED_FAULTS_H_

#include <vector>

#include "sim/schedule/disk_damage.h"
#include "sim/schedule/fault_context.h"
#include "sim/schedule/fault_window.h"
#include "sim/schedule/quiet_stretch.h"
#include "sim/schedule/swarm.h"

namespace quorate::sim {

class PlannedFaults {
 public:
  PlannedFaults(FaultContext* context, const Swarm* swarm, DiskDamage* damage,
                const QuietStretch* quiet)
      : context_(context), swarm_(swarm), damage_(damage), quiet_(quiet) {}

  // Draws the fault windows of the whole safety phase. None begins in the quiet
  // stretch, or in the liveness phase.
  void Plan();

 private:
  // Begins a fault window. Its choices select target, kind and length.
  void Open(const FaultWindow& window);
  void OpenPartition(const FaultWindow& window);
  void CutSides(const FaultWindow& window,
                const std::vector<MachineId>& machines, MachineId bridge,
                FaultContext::Links* cut);
  void OpenClog(const FaultWindow& window);
  void OpenSlowLink(const FaultWindow& window);
  void OpenReset(const FaultWindow& window);
  // The nodes that a crash, a pause or a stall of disks hits.
  std::vector<MachineId> PickVictims(const FaultWindow& window);
  void OpenCrash(const FaultWindow& window, CrashKind kind);
  void PlanStorm(const FaultWindow& window, MachineId node, Duration length,
                 CrashKind kind);
  void OpenPause(const FaultWindow& window);
  void OpenStall(const FaultWindow& window);
  void OpenDiskError(const FaultWindow& window);
  void LimitOpenFiles(const FaultWindow& window, MachineId node);
  void MakeUnreadable(const FaultWindow& window, MachineId node, bool whole);
  void SetErrorRates(const FaultWindow& window, MachineId node);
  void OpenDiskFull(const FaultWindow& window);
  void OpenClock(const FaultWindow& window);
  void OpenWrongState(const FaultWindow& window);

  FaultContext* const context_;
  const Swarm* const swarm_;
  DiskDamage* const damage_;
  const QuietStretch* const quiet_;
  bool spoilt_ = false;  // Some state was made wrong.
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_SCHEDULE_PLANNED_FAULTS_H_

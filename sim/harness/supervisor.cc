#include "sim/harness/supervisor.h"

#include "absl/strings/str_cat.h"

namespace quorate::sim {

void Supervisor::OnStopped(MachineId machine, const absl::Status& why) {
  if (!waiting_.insert(machine.value()).second) return;
  const uint64_t incarnation = world_.incarnation(machine);
  world_.HashNote(machine, absl::StrCat("stopped: ", why.ToString()));
  world_.At(world_.now() + delay_, [this, machine, incarnation] {
    waiting_.erase(machine.value());
    if (!world_.running(machine) ||
        world_.incarnation(machine) != incarnation) {
      return;
    }
    world_.Crash(machine, CrashKind::kProcess);
    world_.Restart(machine);
  });
}

}  // namespace quorate::sim

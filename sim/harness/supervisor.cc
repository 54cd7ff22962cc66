#include "sim/harness/supervisor.h"

#include "absl/strings/str_cat.h"

namespace quorate::sim {

void Supervisor::OnStopped(MachineId machine, const absl::Status& why) {
  const uint64_t incarnation = world_.incarnation(machine);
  const auto [it, first] = stopped_.emplace(machine.value(), incarnation);
  if (!first && it->second == incarnation) return;
  it->second = incarnation;
  const std::string note = absl::StrCat("stopped: ", why.ToString());
  world_.HashNote(machine, note, [&] { return note; });
  world_.At(world_.now() + delay_, [this, machine, incarnation] {
    if (!world_.running(machine) ||
        world_.incarnation(machine) != incarnation) {
      return;
    }
    world_.Crash(machine, CrashKind::kProcess);
    world_.Restart(machine);
  });
}

}  // namespace quorate::sim

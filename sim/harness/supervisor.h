// sim/harness/supervisor.h: starts programs again that stopped by themselves,
// as the supervisor of a production host does.
#ifndef QUORATE_SIM_HARNESS_SUPERVISOR_H_
#define QUORATE_SIM_HARNESS_SUPERVISOR_H_

#include <cstdint>
#include <map>

#include "absl/status/status.h"
#include "env/time.h"
#include "sim/world/world.h"

namespace quorate::sim {

class Supervisor {
 public:
  // `world` outlives the supervisor.
  Supervisor(World* world, Duration delay) : world_(*world), delay_(delay) {}

  // The program on the machine could not start, or works no more. After the
  // delay it is killed and started again, unless it has ended meanwhile.
  // Further calls for one program have no effect.
  void OnStopped(MachineId machine, const absl::Status& why);

 private:
  World& world_;
  const Duration delay_;
  // The last incarnation of each machine that stopped by itself.
  std::map<uint32_t, uint64_t> stopped_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_HARNESS_SUPERVISOR_H_

// sim/schedule/damage_limits.h: how much of a disk may be damaged so that
// recovery can tell the damage from a torn tail.
//
// The limits come from the history of the simulated disk: which durable writes
// completed. Offsets that the log names do not count. So a log that names too
// little is damaged where it takes damage for a torn tail.
//
// Every completed durable write of the log may be damaged, except the newest
// one. Nothing that a crash leaves tells a newest write that was damaged from
// one that was torn. Behind a witness (docs/reference/formats/log.md) the write
// before it is complete, too. A program had to write a witness if it was idle
// for the delay of its configuration. If it wrote none, its newest write may be
// damaged.
#ifndef QUORATE_SIM_SCHEDULE_DAMAGE_LIMITS_H_
#define QUORATE_SIM_SCHEDULE_DAMAGE_LIMITS_H_

#include <cstdint>
#include <map>
#include <string_view>

#include "env/time.h"
#include "sim/world/world.h"

namespace quorate::sim {

class DamageLimits {
 public:
  // The turns without a write of the log, from the delay on, after which the
  // witness is due. It is written in the second of them at the latest.
  static constexpr uint64_t kIdleTurns = 8;

  explicit DamageLimits(World* world) : world_(*world) {}

  // Called after each turn of a program that writes a witness when its log was
  // idle for `witness_delay`.
  void AfterTurn(MachineId machine, Duration witness_delay);
  // How many leading bytes of the file may be damaged. The machine must be
  // down.
  uint64_t Of(MachineId machine, std::string_view file) const;

 private:
  struct Idle {
    uint64_t incarnation = 0;
    LogWrites writes;
    MonoTime since;      // The first turn after the newest write.
    uint64_t turns = 0;  // From the delay on.
  };

  uint64_t OfLog(MachineId machine, std::string_view file) const;
  // Whether a later segment is open, so that all writes to this one were
  // complete.
  bool IsClosed(MachineId machine, std::string_view file) const;
  bool WitnessIsDue(MachineId machine) const;

  World& world_;
  std::map<MachineId, Idle> idle_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_SCHEDULE_DAMAGE_LIMITS_H_

// sim/schedule/fault_triggers.h: faults that hit a node just after it reached a
// rare mark (env::Tracer::Sometimes).
//
// Bugs hide in half-finished work, and a fault that is planned by time seldom
// comes in the middle of something rare. A mark of the harness itself is no
// such moment (World::CountMark).
#ifndef QUORATE_SIM_SCHEDULE_FAULT_TRIGGERS_H_
#define QUORATE_SIM_SCHEDULE_FAULT_TRIGGERS_H_

#include <cstdint>
#include <string_view>

#include "absl/container/btree_map.h"
#include "sim/schedule/fault_context.h"
#include "sim/schedule/swarm.h"

namespace quorate::sim {

// For how long single nodes may still be hit after healing, and for how long
// one such fault lasts.
inline constexpr Duration kPostHealFaults = Seconds(4);
inline constexpr Duration kPostHealFaultMax = Milliseconds(1500);
// So long after a healing the last fault is over: one that was armed at the end
// may begin just before it is disarmed.
inline constexpr Duration kPostHealEnd =
    kPostHealFaults + kPostHealFaultMax + kPostHealFaultMax;

class FaultTriggers {
 public:
  FaultTriggers(FaultContext* context, const Swarm* swarm)
      : context_(context), swarm_(swarm) {}

  // The node reached a mark. May arm a fault that hits the node within its next
  // steps. The probability falls with each time that the mark is reached.
  void OnMark(MachineId node, std::string_view mark);
  // Healing begins: all counts start again, and triggers end some seconds
  // later.
  void BeginHealing();

 private:
  // The key of the choices that are made when a mark is reached for the
  // `count`-th time.
  struct FaultTrigger {
    uint64_t mark;
    uint64_t count;
    uint64_t draw(uint64_t which) const { return 16 * count + which; }
  };

  MachineId Victim(MachineId node, const FaultTrigger& trigger,
                   uint64_t hit) const;
  uint64_t Pick(const FaultTrigger& trigger, uint64_t which,
                uint64_t bound) const;
  // Arms one fault. Makes three choices, the first one is number `first`.
  void Inject(MachineId node, FaultFamily family, const FaultTrigger& trigger,
              uint64_t first);
  // A lane of the node is full, or a window begins: may reset its streams.
  void MaybeResetStreams(MachineId node, const FaultTrigger& trigger);
  // Ends all partitions after one trigger in three.
  void MaybeEndPartitions(const FaultTrigger& trigger);

  FaultContext* const context_;
  const Swarm* const swarm_;
  // How often healing began.
  uint64_t healings_ = 0;
  // When the last triggers after healing end. Unused in the safety phase.
  SimTime until_;
  // How often each mark was reached.
  absl::btree_map<uint64_t, uint64_t> counts_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_SCHEDULE_FAULT_TRIGGERS_H_

// sim/choices/sim_time.h: the virtual time of a simulated world. Nodes cannot
// read it; they have clocks.
#ifndef QUORATE_SIM_CHOICES_SIM_TIME_H_
#define QUORATE_SIM_CHOICES_SIM_TIME_H_

#include <cstdint>

#include "env/strong_types.h"
#include "env/time.h"

namespace quorate::sim {

// Nanoseconds since the world began.
using SimTime = TimePoint<struct SimTag>;

// The second of virtual time. It names choices about things that may come a
// little earlier or later when another choice changes.
constexpr uint64_t SecondOf(SimTime time) {
  return static_cast<uint64_t>(time.ms() / 1000);
}

// A machine of the world: 1, 2, 3, … in the order in which they were added.
// Zero is no machine.
using MachineId = StrongId<struct MachineTag, uint32_t>;

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CHOICES_SIM_TIME_H_

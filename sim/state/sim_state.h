// sim/state/sim_state.h: the state that all parts of a world share: time,
// queue, choices, hash and counters.
#ifndef QUORATE_SIM_STATE_SIM_STATE_H_
#define QUORATE_SIM_STATE_SIM_STATE_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "sim/choices/choices.h"
#include "sim/choices/sim_time.h"
#include "sim/choices/trace_hash.h"
#include "sim/state/faults.h"
#include "sim/state/options.h"
#include "sim/state/queue.h"

namespace quorate::sim {

// Values of QueuedEvent::kind. For events of a machine the target is its id.
enum EventKind : uint32_t {
  kEventWake,     // A machine is free again.
  kEventTimers,   // A machine's first timer may be due.
  kEventDisk,     // A disk operation ends. The argument is its id.
  kEventMessage,  // A message arrives.
  kEventPipe,     // A pipe's next segment arrives or is sent.
  kEventConnect,  // A connect attempt makes its next step.
  kEventAction,   // World::At.
};

class SimState {
 public:
  SimState(Choices choices_in, bool keep_trace, bool hash_bytes = true)
      : hash(keep_trace, hash_bytes),
        queue(&hash.cause()),
        choices(std::move(choices_in)) {}

  SimTime now;
  TraceHash hash;
  EventQueue queue;
  Choices choices;
  FaultCounters faults{&now, &hash};

  NetworkOptions network;
  StreamOptions streams;
  BuggifyOptions buggify;
  ClockFaultOptions clocks;

  std::vector<std::string> violations;
  // The next event is a choice (sim/world/branches.h). Each input then has a
  // turn of its own, at once.
  bool branching = false;
  uint32_t machines = 0;

  // Chooses an extra delay: up to `most` with probability `ratio`, else zero.
  // Counts it as `fault` of the machine.
  Duration Delay(const ChoiceSite& site, const ChoiceKey& key, Ratio ratio,
                 Duration most, Fault fault, MachineId machine = MachineId()) {
    if (!choices.TapeAddsFaults() && ratio.numerator == 0) return Duration(0);
    const auto ns = static_cast<int64_t>(choices.Choose(
        site, key, 0, static_cast<uint64_t>(most.ns()),
        [&](const Random& random, Site s, uint64_t e, uint64_t c) {
          // One draw serves both: its low half decides whether there is a
          // delay, its high half how long it is.
          const uint64_t bits = random.Bits(s, e, c);
          const uint64_t low = (bits & 0xffffffff) * ratio.denominator >> 32;
          if (low >= ratio.numerator) return uint64_t{0};
          const auto bound = static_cast<uint64_t>(most.ns());
          return static_cast<uint64_t>(
                     static_cast<unsigned __int128>(bits >> 32) * bound >> 32) +
                 1;
        }));
    if (ns > 0) faults.Count(fault, machine);
    return Duration(ns);
  }
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_STATE_SIM_STATE_H_

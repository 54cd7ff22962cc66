// sim/choices/observation.h: what a run that is made to be viewed keeps beside
// its trace: states of replicas, entries of logs, and calls of clients.
//
// Observations are for people. They are not hashed, and draw nothing, so a run
// is the same with and without them. More fields of the trace would be hashed,
// or be an exception of the hash, and runs that are not viewed would pay for
// them. All are text, so the page serves a state machine that it does not know.
#ifndef QUORATE_SIM_CHOICES_OBSERVATION_H_
#define QUORATE_SIM_CHOICES_OBSERVATION_H_

#include <cstdint>
#include <string>

#include "sim/choices/sim_time.h"

namespace quorate::sim {

struct Observation {
  enum class Kind : uint8_t {
    // The state of a replica after a step. Subject: "group 1". Headline:
    // "leader of term 2". Words: indices, vote and members.
    kReplica,
    // An entry of a log. Subject: "group 1, index 7". Headline: what happened
    // to it. Words: its commands.
    kEntry,
    // A client calls. Subject: a number of the call. Headline: the client.
    // Words: the call.
    kCall,
    // The call with that subject ended. Headline: "answer", "refused" or
    // "unknown". Words: the answer.
    kAnswer,
    // A line that a program logged. Subject: its severity.
    kLog,
  };

  SimTime time;
  MachineId machine;
  // The number of the last record of the trace before it.
  uint64_t after = 0;
  Kind kind = Kind::kLog;
  std::string subject;
  std::string headline;
  std::string words;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CHOICES_OBSERVATION_H_

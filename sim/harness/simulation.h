// sim/harness/simulation.h: one run, of the store or of a user's own subject,
// as the programs that make runs use it (sim/tools/simulator.h).
#ifndef QUORATE_SIM_HARNESS_SIMULATION_H_
#define QUORATE_SIM_HARNESS_SIMULATION_H_

#include <string>
#include <vector>

#include "sim/choices/observation.h"
#include "sim/choices/tape.h"
#include "sim/choices/trace_hash.h"
#include "sim/harness/report.h"
#include "sim/world/world.h"

namespace quorate::sim {

class Simulation {
 public:
  virtual ~Simulation() = default;

  // `sink` receives the nodes' log lines of at least `severity`, and the faults
  // (World::SetLogSink). Call it before Execute.
  virtual void SetLogSink(env::Severity severity, LogSink sink) = 0;
  // `hook` is called at each moment at which a run of a scenario may go on in
  // several ways (sim/explore). Other runs have none. Call it before Execute.
  virtual void SetBranchHook(BranchHook hook) { (void)hook; }
  // Runs everything. Call it once.
  virtual RunReport Execute() = 0;

  // The functions below may be called at any time, also in the middle of
  // Execute when the run fails a CHECK. They return what there is so far.
  virtual RunReport Current() const = 0;
  // The history of clients, in a format that //lincheck reads. Empty: this
  // simulation keeps none.
  virtual std::string History() const { return ""; }
  // The tape of the run, with the options as parameters. Requires: it is
  // recorded, or a replay.
  virtual Tape tape() const = 0;
  virtual const std::vector<TraceRecord>& trace() const = 0;
  // Requires, as trace(), that records are kept.
  virtual const std::vector<Observation>& observations() const = 0;
  // The names of machines, from the first one on.
  virtual std::vector<std::string> machine_names() const = 0;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_HARNESS_SIMULATION_H_

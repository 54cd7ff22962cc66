// sim/run/run.h: one randomized run of a cluster with clients, faults and
// checkers.
//
//   Run run({.seed = 7});
//   RunReport report = run.Execute();
//
// A run has two phases in virtual time:
// 1. Safety: clients work while faults happen.
// 2. Liveness: a majority of every group is healed, the other nodes keep their
//    faults, and clients go on for a while. Then their open operations must
//    end, every key must be readable, and all running replicas must agree,
//    each within a bound.
#ifndef QUORATE_SIM_RUN_RUN_H_
#define QUORATE_SIM_RUN_RUN_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sim/choices/tape.h"
#include "sim/choices/trace_hash.h"
#include "sim/harness/report.h"
#include "sim/harness/simulation.h"
#include "sim/run/run_options.h"
#include "sim/workload/client.h"
#include "sim/world/world.h"

namespace quorate::sim {

class Run final : public Simulation {
 public:
  // A new run.
  explicit Run(RunOptions options);
  // A run that replays `tape`. `options` are those of the tape; record and
  // keep_trace may differ.
  Run(RunOptions options, const Tape& tape);
  ~Run() override;
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  // Simulation.
  void SetLogSink(env::Severity severity, LogSink sink) override;
  RunReport Execute() override;
  RunReport Current() const override;
  // The history on keys that do not expire, with faults and leaders.
  std::string History() const override;
  Tape tape() const override;
  const std::vector<TraceRecord>& trace() const override;
  const std::vector<Observation>& observations() const override;
  std::vector<std::string> machine_names() const override;
  // The operations of clients in the order in which they were sent. Requires:
  // keep_trace.
  const std::vector<SentOperation>& sent() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_RUN_RUN_H_

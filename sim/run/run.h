// sim/run/run.h: one randomized run: a cluster, clients, faults, judges; then healing, and everything must finish.
//
//   Run run({.seed = 7});
//   Report report = run.Execute();
//
// Phases, in virtual time: faults while clients work (safety); then a majority of every group is healed, the rest stays as it
// is, and clients go on; then they stop: whatever they still wait for must end, every key must be readable, all running
// replicas must agree, each within a bound (liveness).
#ifndef QUORATE_SIM_RUN_RUN_H_
#define QUORATE_SIM_RUN_RUN_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "env/time.h"
#include "sim/choices/tape.h"
#include "sim/choices/trace_hash.h"
#include "sim/run/report.h"
#include "sim/world/world.h"

namespace quorate::sim {

struct RunOptions {
  // What a run may be asked for.
  static constexpr uint32_t kNodesMax = 64;
  static constexpr uint32_t kGroupsMax = 256;
  static constexpr uint32_t kClientsMax = 1000;
  static constexpr uint32_t kRateMax = 1'000'000;
  static constexpr Duration kDurationMax = Seconds(7 * 24 * 3600);

  uint64_t seed = 1;
  uint32_t nodes = 5;
  uint32_t groups = 3;
  uint32_t clients = 10;
  Duration duration = Seconds(60);       // Of the time in which clients work.
  uint32_t operations_per_second = 100;  // All clients together.
  bool faults = true;
  // Keeps the tape (Run::tape).
  bool record = false;
  // Keeps one record per hashed event (Run::trace).
  bool keep_trace = false;
};

// The options that `tape` was recorded with. kInvalidArgument names the parameter that cannot be read.
absl::StatusOr<RunOptions> OptionsOfTape(const Tape& tape);

class Run {
 public:
  // Of a new run.
  explicit Run(RunOptions options);
  // Of a recorded one. `options` are those of the tape, with record or keep_trace changed at will.
  Run(RunOptions options, const Tape& tape);
  ~Run();
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  // The nodes' log lines of at least `severity`. Before Execute.
  void SetLogSink(env::Severity severity, LogSink sink);
  // Once.
  RunReport Execute();
  // What happened so far, also from within Execute (a failed CHECK).
  RunReport Current() const;
  // What the schedule did so far, a line for each fault.
  std::vector<std::string> Story() const;
  // What clients did so far on keys that do not expire, with faults and leaders, in the form that //lincheck reads.
  std::string History() const;
  // With the options as parameters. Requires: record, or a replay.
  Tape tape() const;
  const std::vector<TraceRecord>& trace() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// "simulate run --seed 7 …": what repeats the run, defaults left out.
std::string ReplayLine(const RunOptions& options);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_RUN_RUN_H_

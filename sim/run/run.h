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
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "env/time.h"
#include "sim/choices/tape.h"
#include "sim/choices/trace_hash.h"
#include "sim/harness/harness.h"
#include "sim/run/report.h"
#include "sim/run/shape.h"
#include "sim/schedule/schedule_options.h"
#include "sim/workload/client.h"
#include "sim/world/world.h"

namespace quorate::sim {

struct RunOptions {
  // The largest values that a run accepts.
  static constexpr uint32_t kNodesMax = 64;
  static constexpr uint32_t kGroupsMax = 256;
  static constexpr uint32_t kClientsMax = 1000;
  static constexpr uint32_t kRateMax = 1'000'000;
  static constexpr uint32_t kKeysMax = 1'000'000;
  static constexpr Duration kDurationMax = HarnessOptions::kDurationMax;

  uint64_t seed = 1;
  FixedShape shape;                    // Parts that have no value are drawn.
  std::optional<Duration> duration{};  // How long clients work. Empty: drawn.
  bool faults = true;
  // Families of faults that are never on.
  std::vector<FaultFamily> without{};
  // Keeps the tape (Run::tape).
  bool record = false;
  // Keeps one record per hashed event (Run::trace), and the operations of
  // clients (Run::issued).
  bool keep_trace = false;
};

// The options with which `tape` was recorded. kInvalidArgument has the name of
// a parameter that cannot be read.
absl::StatusOr<RunOptions> OptionsOfTape(const Tape& tape);

class Run {
 public:
  // A new run.
  explicit Run(RunOptions options);
  // A run that replays `tape`. `options` are those of the tape; record and
  // keep_trace may differ.
  Run(RunOptions options, const Tape& tape);
  ~Run();
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  // `sink` receives the nodes' log lines of at least `severity`. Call it before
  // Execute.
  void SetLogSink(env::Severity severity, LogSink sink);
  // Runs everything. Call it once.
  RunReport Execute();
  // The results so far. It may be called during Execute, from the handler of a
  // failed CHECK.
  RunReport Current() const;
  // The faults so far, one line each.
  std::vector<std::string> Story() const;
  // The history of clients so far on keys that do not expire, with faults and
  // leaders, in a format that //lincheck reads.
  std::string History() const;
  // The tape of the run, with the options as parameters. Requires: record, or a
  // replay.
  Tape tape() const;
  const std::vector<TraceRecord>& trace() const;
  // The operations of clients in the order in which they were issued. Requires:
  // keep_trace.
  const std::vector<IssuedOperation>& issued() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// The command line that repeats the run, without default values: "simulate run
// --seed 7 …".
std::string ReplayLine(const RunOptions& options);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_RUN_RUN_H_

// sim/tools/worker.h: runs in child processes. So a failed CHECK or a crash of
// the code under test is a violation like any other, and other runs go on. A
// run that dies leaves its tape, trace and history up to its death.
#ifndef QUORATE_SIM_TOOLS_WORKER_H_
#define QUORATE_SIM_TOOLS_WORKER_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/choices/tape.h"
#include "sim/harness/report.h"
#include "sim/run/run_options.h"
#include "sim/tools/simulator.h"

namespace quorate::sim {

// The task of one child process.
struct Job {
  RunOptions run;
  std::optional<Tape> replay;
  // If not empty: records the run and writes its tape to this file.
  std::string tape_out;
  // If not empty: writes one line per hashed event to this file.
  std::string trace_out;
  // If not empty: writes the history of clients to this file, for //lincheck.
  std::string history_out;
  // If not empty: writes the run as a page, or as text, to this file.
  std::string page_out;
  std::string text_out;
  // See RunPageInput.
  std::optional<SimTime> around;
  uint64_t around_record = 0;
  bool verbose = false;  // Prints log lines to standard error.
  // If replicas have different states, the run is made again for a violation
  // that explains them.
  bool explain = false;
  // Makes the run twice. It is a violation if the hashes differ.
  bool twice = false;
  // A job that may make the run twice has twice as much processor time.
  RunLimits limits;
  // Requires `twice`. Keeps the events of both runs, so that the violation has
  // the first difference.
  bool compare = false;
};

// Whether a violation says that the run was ended because of such a limit.
bool IsOfALimit(std::string_view violation);

// Runs the job in a child process and waits. If the child dies, the report has
// what the run did before, and a violation with the signal or exit status.
RunReport RunInChild(const Simulator& simulator, const Job& job);

// The same for each of these jobs, in as many processes at a time.
std::vector<RunReport> RunInChildren(const Simulator& simulator,
                                     const std::vector<Job>& jobs);

struct SwarmOptions {
  RunOptions run;  // The seed is ignored.
  uint64_t first_seed = 1;
  uint64_t last_seed = 1;
  uint32_t jobs = 1;
  RunLimits limits;
  // Receives the report of each run when it ends, in any order. One run in a
  // hundred is made twice. If the two differ, two more runs are made to compare
  // their events.
  std::function<void(const RunReport&, const SwarmReport&)> on_report;
};

SwarmReport RunSwarm(const Simulator& simulator, const SwarmOptions& options);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_TOOLS_WORKER_H_

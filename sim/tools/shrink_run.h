// sim/tools/shrink_run.h: shrinks the tape of a failing run by running smaller
// ones in child processes (sim/tools/shrink.h).
#ifndef QUORATE_SIM_TOOLS_SHRINK_RUN_H_
#define QUORATE_SIM_TOOLS_SHRINK_RUN_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "env/time.h"
#include "sim/choices/tape.h"
#include "sim/harness/report.h"
#include "sim/run/run_options.h"
#include "sim/tools/simulator.h"
#include "sim/tools/worker.h"

namespace quorate::sim {

// A run that a command line names: a seed with these options, or the path of a
// tape. Errors in words.
absl::StatusOr<Job> JobNamed(const Simulator& simulator,
                             const RunOptions& options,
                             const std::string& name);

struct ShrunkRun {
  std::string kind;  // KindOfViolation. Empty: there is none.
  Tape tape;
  RunReport report;         // The run of that tape.
  size_t lines_before = 0;  // The length of the first tape.
  size_t tried = 0;         // Runs that were made.
  Duration took;            // Wall time.
  bool stable = true;       // Two runs of the tape had equal hashes.
};

struct ShrinkRunOptions {
  Duration budget = Seconds(60);  // Wall time. The last runs may exceed it.
  uint32_t jobs = 1;
  // Called with the smallest tape so far, the pass that made it, and the number
  // of runs until then.
  std::function<void(const Tape&, std::string_view pass, size_t tried)>
      on_progress = nullptr;
};

// Without a violation only `report` is set. An error: no file can be written in
// /tmp.
absl::StatusOr<ShrunkRun> ShrinkRun(const Simulator& simulator,
                                    const Job& failing,
                                    const ShrinkRunOptions& options);

// For people: what is left, and what happened last.
std::string FormatShrunk(const ShrunkRun& shrunk);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_TOOLS_SHRINK_RUN_H_

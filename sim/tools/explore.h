// sim/tools/explore.h: tries all executions of a scenario (sim/explore).
//
// An execution is a tape. Those with the fewest deviations come first, so the
// first violation is a simple one. An execution ends in a state that another
// one has reached: all ways on from there are tried already, or will be. Worker
// processes share the set of these states.
#ifndef QUORATE_SIM_TOOLS_EXPLORE_H_
#define QUORATE_SIM_TOOLS_EXPLORE_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "env/time.h"
#include "sim/choices/tape.h"
#include "sim/run/run_options.h"
#include "sim/tools/simulator.h"

namespace quorate::sim {

struct ExploreReport {
  uint64_t executions = 0;
  uint64_t states = 0;      // Each counts once.
  uint64_t cut_off = 0;     // Executions whose time passed.
  uint64_t left = 0;        // Branches that were not tried.
  uint64_t deviations = 0;  // The most that one execution had.
  Duration wall_time;
  // All executions were tried.
  bool exhausted() const { return !failing.has_value() && left == 0; }
  // The tape of an execution with a violation. Run it for the report: the
  // worker may have died.
  std::optional<Tape> failing;
};

struct ExploreOptions {
  RunOptions run;  // With a scenario.
  uint64_t executions_max = 100'000;
  uint32_t jobs = 1;
  // Called about five times a second.
  std::function<void(const ExploreReport&)> on_progress;
};

ExploreReport Explore(const Simulator& simulator,
                      const ExploreOptions& options);

// For people, while it goes on.
std::string FormatProgress(const ExploreReport& report);
// For people: "exhausted: …", or "bound reached: …".
std::string FormatExplored(const ExploreReport& report);
// One JSON object without a line break. `tape` is the file of the violation.
std::string ExploredToJson(const ExploreReport& report,
                           const std::string& scenario,
                           const std::string& violation,
                           const std::string& tape);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_TOOLS_EXPLORE_H_

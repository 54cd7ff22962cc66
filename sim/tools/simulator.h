// sim/tools/simulator.h: what a program of simulations simulates: the store
// (sim/tools/store_simulator.h) or a user's own subject
// (sim/tools/subject_main.h).
#ifndef QUORATE_SIM_TOOLS_SIMULATOR_H_
#define QUORATE_SIM_TOOLS_SIMULATOR_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "sim/choices/tape.h"
#include "sim/harness/simulation.h"
#include "sim/run/run_options.h"
#include "sim/tools/arguments.h"

namespace quorate::sim {

struct Simulator {
  // The command line of the program without arguments, which people repeat.
  std::string program;
  Simulated simulated = Simulated::kStore;
  // Makes one run. `replay` is null for a new run, and need not outlive the
  // call.
  std::function<std::unique_ptr<Simulation>(const RunOptions&,
                                            const Tape* replay)>
      make;
  // The options with which a tape was recorded.
  std::function<absl::StatusOr<RunOptions>(const Tape&)> options_of_tape;
  // Marks and points of env::Buggify that a swarm reports even if no run
  // reached them.
  absl::Span<const std::string_view> expected_marks{};
  absl::Span<const std::string_view> expected_points{};
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_TOOLS_SIMULATOR_H_

// sim/run/run_options.h: the options of one randomized run, of the store or of
// a user's own subject. They are read from a tape and written as a command
// line. It must not depend on the store's code.
#ifndef QUORATE_SIM_RUN_RUN_OPTIONS_H_
#define QUORATE_SIM_RUN_RUN_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "env/time.h"
#include "sim/checks/state_witness.h"
#include "sim/choices/tape.h"
#include "sim/harness/harness.h"
#include "sim/run/shape.h"
#include "sim/schedule/schedule_options.h"

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
  FixedShape shape;
  std::optional<Duration> duration{};  // How long clients work. Empty: drawn.
  bool faults = true;
  // Families of faults that are never on.
  std::vector<FaultFamily> without{};
  StatePlace explain{};  // HarnessOptions::explain.
  // Not empty: the run is an execution of this scenario (sim/explore), and the
  // options above but the seed have no meaning.
  std::string scenario{};
  // Keeps the tape (Run::tape).
  bool record = false;
  // Keeps one record per hashed event (Run::trace), and the operations of
  // clients (Run::sent).
  bool keep_trace = false;

  // Without some faults members stay, too, unless the options want them to
  // change.
  FixedShape ShapeOfRun() const;
  // Clients fail by the families of nodes.
  bool ClientsFail() const;
};

// The options with which `tape` was recorded. kInvalidArgument has the name of
// a parameter that cannot be read.
absl::StatusOr<RunOptions> OptionsOfTape(const Tape& tape);

// The command line that repeats the run, without default values: "simulate run
// --seed 7 …". `program` is the command line without arguments.
inline constexpr std::string_view kSimulateProgram =
    "./bazelw run -c opt //:simulate --";
std::string ReplayLine(const RunOptions& options,
                       std::string_view program = kSimulateProgram);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_RUN_RUN_OPTIONS_H_

// sim/cmd/arguments.h: the command line of `simulate`.
//
// Pure: words in, a value or one line of what is wrong out. The main only prints.
#ifndef QUORATE_SIM_CMD_ARGUMENTS_H_
#define QUORATE_SIM_CMD_ARGUMENTS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "env/time.h"
#include "sim/run/run.h"

namespace quorate::sim {

struct SimulateArguments {
  enum class Command : uint8_t { kHelp, kRun, kSwarm, kReplay };
  Command command = Command::kHelp;
  RunOptions run;  // Its seed: of kRun.
  std::string tape_out;
  std::string tape_in;  // Of kReplay.
  bool json = false;
  bool verbose = false;     // The nodes' log lines go to standard error.
  std::string history_out;  // What clients did, for //lincheck.
  std::string trace_out;    // One line for each hashed event.
  uint64_t first_seed = 1;  // Of kSwarm, inclusive.
  uint64_t last_seed = 100;
  uint32_t jobs = 1;
};

extern const std::string_view kUsage;

// kInvalidArgument: which argument, and what was expected.
absl::StatusOr<SimulateArguments> ParseArguments(
    const std::vector<std::string>& arguments);

// "10", "10s", "250ms", "2m". kInvalidArgument.
absl::StatusOr<Duration> ParseDuration(std::string_view text);
// "5..20" or "7".
absl::Status ParseSeeds(std::string_view text, uint64_t* first, uint64_t* last);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CMD_ARGUMENTS_H_

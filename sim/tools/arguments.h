// sim/tools/arguments.h: the command line of `simulate`, and of programs that
// simulate a user's own subject.
//
// Parsing has no side effects: it returns a value, or an error of one line. The
// main program prints.
#ifndef QUORATE_SIM_TOOLS_ARGUMENTS_H_
#define QUORATE_SIM_TOOLS_ARGUMENTS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "env/time.h"
#include "sim/choices/sim_time.h"
#include "sim/run/run_options.h"

namespace quorate::sim {

// A run that exceeds one of them is ended, and violates it. Runs take seconds,
// and tens of MiB.
struct RunLimits {
  // A run that needs more of the processor has an endless loop. The simulated
  // time comes on top, if it is given.
  Duration processor_time = Seconds(180);
  uint32_t memory_mib = 4096;
};

struct SimulateArguments {
  enum class Command : uint8_t {
    kHelp,
    kRun,
    kSwarm,
    kReplay,
    kDiff,
    kShrink,
    kView,
    kCorpus,
    kExplore
  };
  Command command = Command::kHelp;
  RunOptions run;                           // The seed is used by kRun only.
  std::vector<FaultFamily> named_families;  // By --only or --without.
  std::string tape_out;
  std::string tape_in;  // For kReplay: the tape to replay.
  // For kDiff two runs, for kShrink and kView one: each a seed or the path of a
  // tape. For kCorpus a directory.
  std::vector<std::string> compared;
  bool json = false;
  bool verbose = false;  // Prints the nodes' log lines to standard error.
  // The file for the history of clients, for //lincheck.
  std::string history_out;
  std::string page_out;  // For kView; empty: text on standard output.
  // For kView: the time or the event to look at.
  std::optional<SimTime> around;
  uint64_t around_record = 0;
  std::string trace_out;    // The file for one line per hashed event.
  uint64_t first_seed = 1;  // For kSwarm, inclusive.
  uint64_t last_seed = 100;
  std::string scenario;  // For kExplore: a name, or the path of a file.
  uint64_t executions_max = 100'000;  // For kExplore.
  uint32_t jobs = 0;  // Processes at a time. Zero: one for each core.
  RunLimits limits;
  // The wall time of shrinking one failure. Zero: none is shrunk.
  Duration budget = Seconds(60);
};

// Exit statuses.
inline constexpr int kClean = 0;
inline constexpr int kViolation = 1;
inline constexpr int kBadUsage = 2;

// The program whose command line it is: simulate runs the store, other programs
// run a subject without a shape and a history (sim/tools/subject_main.h).
enum class Simulated : uint8_t { kStore, kSubject };

std::string Usage(Simulated simulated);

// kInvalidArgument has the name of the argument and what was expected.
absl::StatusOr<SimulateArguments> ParseArguments(
    const std::vector<std::string>& arguments,
    Simulated simulated = Simulated::kStore);

// Parses "10", "10s", "250ms", "2m" or "1h"; otherwise kInvalidArgument.
absl::StatusOr<Duration> ParseDuration(std::string_view text);
// Parses "5..20" or "7".
absl::Status ParseSeeds(std::string_view text, uint64_t* first, uint64_t* last);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_TOOLS_ARGUMENTS_H_

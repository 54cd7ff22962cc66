#include "sim/tools/subject_main.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "sim/tools/arguments.h"
#include "sim/tools/files.h"

namespace quorate::sim {
namespace {

constexpr unsigned kRunSecondsMax = 600;

constexpr char kSubjectUsage[] =
    "  run    --seed N [--duration 60s] [--no-faults] [--without FAMILIES]\n"
    "         [--only FAMILIES] [--tape-out FILE]\n"
    "  swarm  --seeds A..B [--duration 60s] [--no-faults] [--without "
    "FAMILIES]\n"
    "         [--only FAMILIES]\n"
    "  replay TAPE\n"
    "\n";
constexpr char kSubjectStatus[] =
    "\n"
    "Exit status: 0 no violation, 1 a violation, 2 wrong usage.\n";

std::string SubjectUsage() {
  return absl::StrCat(kSubjectUsage, FaultFamiliesUsage(), kSubjectStatus);
}

int BadUsage(std::string_view what) {
  std::fprintf(stderr, "%s\n\n%s", std::string(what).c_str(),
               SubjectUsage().c_str());
  return kBadUsage;
}

void Print(const HarnessResult& result) {
  std::printf("seed %llu: %s\n  virtual %lld ms, %llu events, hash %s\n",
              static_cast<unsigned long long>(result.seed),
              result.ok() ? "no violation" : "VIOLATION",
              static_cast<long long>(result.virtual_time.ms()),
              static_cast<unsigned long long>(result.events),
              result.trace_hash.c_str());
  if (!result.summary.empty()) std::printf("  %s\n", result.summary.c_str());
  for (const std::string& violation : result.violations) {
    std::printf("  violation: %s\n", violation.c_str());
  }
}

// Writes the tape of a run to `path`, or to one named by the seed.
void WriteTape(const std::string& path, const HarnessResult& result) {
  const std::string file = UserPath(
      path.empty() ? absl::StrCat("seed-", result.seed, ".tape") : path);
  if (!WriteFile(file, result.tape)) {
    std::printf("  no tape: cannot write %s\n", file.c_str());
    return;
  }
  std::printf("  tape: %s\n", file.c_str());
}

// Calls `run`, which returns an exit status, in a child process. So a failed
// CHECK or an endless loop ends one run.
template <typename Run>
int InChild(uint64_t seed, const Run& run) {
  std::fflush(stdout);
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(kRunSecondsMax);
    const int status = run();
    std::fflush(stdout);
    ::_exit(status);
  }
  int status = 0;
  if (child > 0 && ::waitpid(child, &status, 0) == child && WIFEXITED(status)) {
    return WEXITSTATUS(status);
  }
  std::printf("seed %llu: VIOLATION\n  the run died of signal %d\n",
              static_cast<unsigned long long>(seed),
              child > 0 ? WTERMSIG(status) : 0);
  return kViolation;
}

int RunOne(const SimulateArguments& arguments, const HarnessOptions& options,
           const MakeSubject& make) {
  return InChild(options.seed, [&] {
    const HarnessResult result = RunSeed(options, make);
    Print(result);
    if (!result.ok() || !arguments.tape_out.empty()) {
      WriteTape(arguments.tape_out, result);
    }
    return result.ok() ? kClean : kViolation;
  });
}

void PrintProgress(uint64_t seed, const SimulateArguments& arguments,
                   uint64_t failed) {
  std::fprintf(stderr, "\r%llu of %llu runs, %llu failed",
               static_cast<unsigned long long>(seed - arguments.first_seed + 1),
               static_cast<unsigned long long>(arguments.last_seed -
                                               arguments.first_seed + 1),
               static_cast<unsigned long long>(failed));
}

int RunSeeds(const SimulateArguments& arguments, HarnessOptions options,
             const MakeSubject& make) {
  const bool shows_progress = ::isatty(STDERR_FILENO) != 0;
  uint64_t failed = 0;
  for (uint64_t seed = arguments.first_seed;; ++seed) {
    options.seed = seed;
    const int status = InChild(seed, [&] {
      const HarnessResult result = RunSeed(options, make);
      if (result.ok()) return kClean;
      Print(result);
      WriteTape("", result);
      return kViolation;
    });
    if (status != kClean) ++failed;
    if (shows_progress) PrintProgress(seed, arguments, failed);
    if (seed == arguments.last_seed) break;
  }
  if (shows_progress) std::fprintf(stderr, "\n");
  std::printf("%llu runs, %llu failed\n",
              static_cast<unsigned long long>(arguments.last_seed -
                                              arguments.first_seed + 1),
              static_cast<unsigned long long>(failed));
  return failed == 0 ? kClean : kViolation;
}

int ReplayOne(const SimulateArguments& arguments, const MakeSubject& make) {
  const std::string path = UserPath(arguments.tape_in);
  const std::optional<std::string> tape = ReadFile(path);
  if (!tape.has_value()) {
    return BadUsage(absl::StrCat("cannot read ", path));
  }
  const absl::StatusOr<HarnessResult> result = Replay(*tape, make);
  if (!result.ok()) {
    return BadUsage(
        absl::StrCat(path, ": ", std::string(result.status().message())));
  }
  Print(*result);
  return result->ok() ? kClean : kViolation;
}

}  // namespace

int SubjectMain(int argc, char** argv, const MakeSubject& make) {
  const absl::StatusOr<SimulateArguments> arguments = ParseArguments(
      std::vector<std::string>(argv + 1, argv + argc), Simulated::kSubject);
  if (!arguments.ok()) {
    return BadUsage(std::string(arguments.status().message()));
  }
  const HarnessOptions options{.seed = arguments->run.seed,
                               .duration = arguments->run.duration,
                               .faults = arguments->run.faults,
                               .without = arguments->run.without};
  switch (arguments->command) {
    case SimulateArguments::Command::kRun:
      return RunOne(*arguments, options, make);
    case SimulateArguments::Command::kSwarm:
      return RunSeeds(*arguments, options, make);
    case SimulateArguments::Command::kReplay:
      return ReplayOne(*arguments, make);
    default:
      break;
  }
  std::fputs(SubjectUsage().c_str(), stdout);
  return kClean;
}

}  // namespace quorate::sim

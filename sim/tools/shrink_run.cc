#include "sim/tools/shrink_run.h"

#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "env/annotate.h"
#include "sim/harness/harness.h"
#include "sim/tools/choice_kind.h"
#include "sim/tools/files.h"
#include "sim/tools/shrink.h"

namespace quorate::sim {
namespace {

// A smaller run that takes longer than this has another mistake.
constexpr Duration kTryMax = Seconds(60);
// So many lines are shown.
constexpr size_t kLinesShown = 40;

Duration WallNow() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return Nanoseconds(int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec);
}

// A file for a tape that a child writes.
class TapeFile {
 public:
  TapeFile() {
    const int file = ::mkstemp(path_);
    if (file >= 0) ::close(file);
    made_ = file >= 0;
  }
  ~TapeFile() {
    if (made_) ::unlink(path_);
  }
  TapeFile(const TapeFile&) = delete;
  TapeFile& operator=(const TapeFile&) = delete;

  bool made() const { return made_; }
  std::string path() const { return path_; }
  std::optional<Tape> Read() const {
    absl::StatusOr<Tape> tape = ParseTape(ReadFile(path_).value_or(""));
    if (!tape.ok()) return std::nullopt;
    return *std::move(tape);
  }

 private:
  char path_[32] = "/tmp/quorate-tape-XXXXXX";
  bool made_ = false;
};

std::vector<std::pair<std::string, std::vector<std::string>>> ParametersOf(
    Simulated simulated) {
  std::vector<std::pair<std::string, std::vector<std::string>>> parameters;
  std::vector<std::string>& durations =
      parameters.emplace_back("duration_ms", std::vector<std::string>()).second;
  for (const int64_t ms : {500, 1'000, 2'000, 3'000, 5'000, 8'000, 12'000}) {
    durations.push_back(absl::StrCat(ms));
  }
  for (const Duration drawn : Harness::DrawnDurations()) {
    if (drawn > Seconds(12)) durations.push_back(absl::StrCat(drawn.ms()));
  }
  if (simulated == Simulated::kSubject) return parameters;
  parameters.push_back({"nodes", {"1", "2", "3", "4", "5"}});
  parameters.push_back({"groups", {"1", "2", "3"}});
  parameters.push_back({"clients", {"1", "2", "3", "5"}});
  parameters.push_back({"keys", {"1", "2", "3"}});
  parameters.push_back({"operations_per_second", {"2", "5", "10", "20", "50"}});
  return parameters;
}

// Few tries, because the first runs are long.
std::vector<ShrinkOptions::Sizes> FirstSizes(Simulated simulated) {
  std::vector<ShrinkOptions::Sizes> first;
  ShrinkOptions::Sizes& durations = first.emplace_back();
  for (const int64_t ms : {1'000, 3'000, 8'000, 20'000, 40'000}) {
    durations.push_back({{"duration_ms", absl::StrCat(ms)}});
  }
  if (simulated == Simulated::kSubject) return first;
  first.push_back({{{"nodes", "3"}, {"groups", "1"}, {"clients", "2"}},
                   {{"nodes", "3"}, {"groups", "2"}, {"clients", "3"}},
                   {{"nodes", "3"}, {"groups", "2"}},
                   {{"nodes", "3"}},
                   {{"groups", "2"}}});
  first.push_back({{{"operations_per_second", "5"}}});
  return first;
}

std::string Seconds1(Duration duration) {
  const int64_t tenths = duration.ms() / 100;
  return absl::StrCat(tenths / 10, ".", tenths % 10, " s");
}

// "1 fault", "2 faults".
std::string Counted(size_t count, std::string_view thing) {
  return absl::StrCat(count, " ", std::string(thing), count == 1 ? "" : "s");
}

}  // namespace

absl::StatusOr<Job> JobNamed(const Simulator& simulator,
                             const RunOptions& options,
                             const std::string& name) {
  Job job{.run = options};
  if (absl::SimpleAtoi(name, &job.run.seed)) return job;
  const std::optional<std::string> text = ReadFile(UserPath(name));
  if (!text.has_value()) {
    return absl::NotFoundError(
        absl::StrCat(name, ": neither a seed nor a file to read"));
  }
  absl::StatusOr<Tape> tape = ParseTape(*text);
  const absl::StatusOr<RunOptions> of_tape =
      tape.ok() ? simulator.options_of_tape(*tape) : tape.status();
  if (!of_tape.ok()) return Annotate(of_tape.status(), name);
  job.run = *of_tape;
  job.replay = *std::move(tape);
  return job;
}

absl::StatusOr<ShrunkRun> ShrinkRun(const Simulator& simulator,
                                    const Job& failing,
                                    const ShrinkRunOptions& options) {
  const Duration begin = WallNow();
  std::vector<TapeFile> files(options.jobs);
  for (const TapeFile& file : files) {
    if (!file.made()) return absl::InternalError("cannot write in /tmp");
  }
  Job first = failing;
  first.tape_out = files[0].path();
  ShrunkRun shrunk{.report = RunInChild(simulator, first), .tried = 1};
  if (shrunk.report.ok()) return shrunk;
  shrunk.kind = KindOfViolation(shrunk.report.violations[0]);
  const std::optional<Tape> recorded = files[0].Read();
  if (!recorded.has_value()) return absl::InternalError("the run left no tape");
  shrunk.lines_before = recorded->choices.size();
  const TryTapes try_tapes = [&](const std::vector<Tape>& tapes) {
    std::vector<std::optional<Tape>> failing_tapes(tapes.size());
    std::vector<Job> jobs;
    for (size_t i = 0; i < tapes.size(); ++i) {
      const absl::StatusOr<RunOptions> run =
          simulator.options_of_tape(tapes[i]);
      if (!run.ok()) return failing_tapes;
      jobs.push_back({.run = *run,
                      .replay = tapes[i],
                      .tape_out = files[i].path(),
                      .limits = {.processor_time = kTryMax}});
    }
    const std::vector<RunReport> reports = RunInChildren(simulator, jobs);
    shrunk.tried += reports.size();
    for (size_t i = 0; i < reports.size(); ++i) {
      if (!reports[i].ok() &&
          KindOfViolation(reports[i].violations[0]) == shrunk.kind) {
        failing_tapes[i] = files[i].Read();
      }
    }
    return failing_tapes;
  };
  shrunk.tape = Shrink(
      *recorded,
      {.first = FirstSizes(simulator.simulated),
       .parameters = ParametersOf(simulator.simulated),
       .jobs = options.jobs},
      try_tapes, [&] { return WallNow() - begin < options.budget; },
      [&](const Tape& tape, std::string_view pass) {
        if (options.on_progress) options.on_progress(tape, pass, shrunk.tried);
      });
  const absl::StatusOr<RunOptions> run = simulator.options_of_tape(shrunk.tape);
  if (!run.ok()) return run.status();
  Job last{.run = *run, .replay = shrunk.tape, .explain = true};
  shrunk.report = RunInChild(simulator, last);
  const RunReport again = RunInChild(simulator, last);
  shrunk.stable = again.trace_hash == shrunk.report.trace_hash &&
                  again.violations == shrunk.report.violations;
  shrunk.took = WallNow() - begin;
  return shrunk;
}

std::string FormatShrunk(const ShrunkRun& shrunk) {
  const std::vector<TapeChoice>& choices = shrunk.tape.choices;
  const ChoiceCounts counts = CountChoices(shrunk.tape);
  std::string text = absl::StrCat(
      shrunk.kind, ": shrunk from ", shrunk.lines_before, " choices to ",
      choices.size(), " (", Counted(counts.faults, "fault"), ", ",
      Counted(counts.operations, "operation"), ") in ", Seconds1(shrunk.took),
      ", ", shrunk.tried, " runs tried\n", FormatReport(shrunk.report));
  if (!shrunk.stable) {
    text +=
        "  two runs of this tape differ: the code under test uses time, "
        "memory addresses or threads of its own\n";
  }
  text += "  parameters:";
  for (const auto& [key, value] : shrunk.tape.parameters) {
    absl::StrAppend(&text, " ", key, "=", value);
  }
  text += "\n";
  if (choices.size() > kLinesShown) return text;
  text += "  choices:\n";
  for (const TapeChoice& choice : choices) {
    absl::StrAppend(&text, "    ", choice.site, " ", choice.entity, " ",
                    choice.counter, " ", choice.value, "\n");
  }
  return text;
}

}  // namespace quorate::sim

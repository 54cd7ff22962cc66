#include "sim/tools/simulate_main.h"

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "env/annotate.h"
#include "sim/choices/tape.h"
#include "sim/explore/scenario.h"
#include "sim/explore/scenario_run.h"
#include "sim/harness/report.h"
#include "sim/run/run_options.h"
#include "sim/schedule/schedule_options.h"
#include "sim/tools/arguments.h"
#include "sim/tools/choice_kind.h"
#include "sim/tools/corpus.h"
#include "sim/tools/explore.h"
#include "sim/tools/files.h"
#include "sim/tools/scenario_simulator.h"
#include "sim/tools/shrink.h"
#include "sim/tools/shrink_run.h"
#include "sim/tools/trace_diff.h"
#include "sim/tools/worker.h"

namespace quorate::sim {
namespace {

// `json`: the error is an object on standard output, too, and no help hides it.
int BadUsage(const Simulator& simulator, std::string_view what,
             bool json = false) {
  if (json) {
    std::printf("%s\n", ErrorToJson(what).c_str());
    std::fprintf(stderr, "%.*s\n", static_cast<int>(what.size()), what.data());
    return kBadUsage;
  }
  std::fprintf(stderr, "%.*s\n\n%s", static_cast<int>(what.size()), what.data(),
               Usage(simulator.simulated).c_str());
  return kBadUsage;
}

// A file that cannot be used: the command line is right, and its help would
// hide the error.
int BadFile(std::string_view what) {
  std::fprintf(stderr, "%.*s\n", static_cast<int>(what.size()), what.data());
  return kBadUsage;
}

void Print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

// For people. With --json standard output has one object, and nothing else.
void Say(const SimulateArguments& arguments, const std::string& text) {
  if (!arguments.json) Print(text);
}

int Finish(const SimulateArguments& arguments, const RunReport& report) {
  if (arguments.json) Print(ReportToJson(report) + "\n");
  for (const std::string& path : report.unwritten) {
    BadFile("cannot write " + path);
  }
  if (!report.ok()) return kViolation;
  return report.unwritten.empty() ? kClean : kBadUsage;
}

// The error if an output file cannot be written, or an empty string. It is
// called before a run, because a failure afterwards would lose the results.
std::string CannotWrite(const SimulateArguments& arguments) {
  for (const std::string& path : {arguments.tape_out, arguments.trace_out,
                                  arguments.history_out, arguments.page_out}) {
    if (!path.empty() && !CanWriteFile(UserPath(path))) {
      return absl::StrCat("cannot write ", UserPath(path));
    }
  }
  return "";
}

// The error if --only or --without names a family of faults that the run cannot
// have, or an empty string. A short run without faults shows which it may have.
std::string ImpossibleFamily(const Simulator& simulator,
                             const SimulateArguments& arguments) {
  if (arguments.named_families.empty()) return "";
  Job job{.run = arguments.run};
  job.run.duration = Milliseconds(1);
  job.run.without = OtherFaultFamilies({});
  const RunReport report = RunInChild(simulator, job);
  std::string possible;
  for (const FaultFamily family : OtherFaultFamilies({})) {
    const std::string name(FaultFamilyName(family));
    if (!report.drawn.contains("family." + name)) continue;
    absl::StrAppend(&possible, possible.empty() ? "" : ",", name);
  }
  // A run that dies early says nothing. The run itself will report it.
  if (possible.empty()) return "";
  for (const FaultFamily family : arguments.named_families) {
    const std::string name(FaultFamilyName(family));
    if (report.drawn.contains("family." + name)) continue;
    return absl::StrCat("--only, --without: these runs cannot have '", name,
                        "'; their families of faults are ", possible);
  }
  return "";
}

// Prints how to view a history.
void PrintHowToView(const std::string& path) {
  if (path.empty()) return;
  Print(absl::StrCat("history: ", path,
                     "\n        ./bazelw run -c opt //:lincheck -- ", path,
                     " --html ", path, ".html\n"));
}

// A run with the outputs that the command line names.
Job JobOf(const SimulateArguments& arguments, RunOptions run) {
  return {.run = std::move(run),
          .tape_out = UserPath(arguments.tape_out),
          .trace_out = UserPath(arguments.trace_out),
          .history_out = UserPath(arguments.history_out),
          .verbose = arguments.verbose,
          .explain = true,
          .limits = arguments.limits};
}

int RunOnce(const Simulator& simulator, const SimulateArguments& arguments) {
  Job job = JobOf(arguments, arguments.run);
  RunReport report = RunInChild(simulator, job);
  Say(arguments, FormatReport(report));
  std::string tape = job.tape_out;
  if (!report.ok()) {
    const std::string own =
        UserPath(absl::StrCat("seed-", arguments.run.seed, ".tape"));
    if (tape.empty() && !CanWriteFile(own)) {
      Say(arguments,
          absl::StrCat("no tape: cannot write ", own, "; see --tape-out\n"));
    } else if (tape.empty()) {
      // Runs the same seed again and records every choice.
      tape = job.tape_out = own;
      job.trace_out.clear();
      if (job.history_out.empty()) {
        const std::string history =
            UserPath(absl::StrCat("seed-", arguments.run.seed, ".jsonl"));
        if (CanWriteFile(history)) job.history_out = history;
      }
      job.verbose = false;
      job.explain = false;
      const RunReport again = RunInChild(simulator, job);
      report.unwritten.insert(report.unwritten.end(), again.unwritten.begin(),
                              again.unwritten.end());
      if (again.trace_hash != report.trace_hash) {
        Say(arguments, absl::StrCat("  the second run differs: hash ",
                                    again.trace_hash, "\n"));
      }
    }
    Say(arguments,
        absl::StrCat("replay: ", ReplayLine(job.run, simulator.program), "\n"));
  }
  const auto& unwritten = report.unwritten;
  if (std::find(unwritten.begin(), unwritten.end(), tape) != unwritten.end()) {
    tape.clear();
  }
  if (!tape.empty()) {
    Say(arguments, absl::StrCat("tape: ", tape, "\n        ", simulator.program,
                                " replay ", tape, "\n"));
  }
  if (!arguments.json) PrintHowToView(job.history_out);
  return Finish(arguments, report);
}

int Replay(const Simulator& simulator, const SimulateArguments& arguments) {
  const std::string path = UserPath(arguments.tape_in);
  const std::optional<std::string> text = ReadFile(path);
  if (!text.has_value()) {
    return BadFile(absl::StrCat("cannot read ", path));
  }
  absl::StatusOr<Tape> tape = ParseTape(*text);
  if (!tape.ok()) {
    return BadFile(
        absl::StrCat(path, ": ", std::string(tape.status().message())));
  }
  absl::StatusOr<RunOptions> options = simulator.options_of_tape(*tape);
  if (!options.ok()) {
    return BadFile(
        absl::StrCat(path, ": ", std::string(options.status().message())));
  }
  Job job = JobOf(arguments, *std::move(options));
  job.replay = *std::move(tape);
  const RunReport report = RunInChild(simulator, job);
  Say(arguments, FormatReport(report));
  if (!arguments.json) PrintHowToView(job.history_out);
  return Finish(arguments, report);
}

// Makes the run that `name` gives, with its events. An error in words goes to
// `error`.
RecordedRun Record(const Simulator& simulator,
                   const SimulateArguments& arguments, const std::string& name,
                   std::string* error) {
  absl::StatusOr<Job> named = JobNamed(simulator, arguments.run, name);
  if (!named.ok()) {
    *error = std::string(named.status().message());
    return {};
  }
  Job job = *std::move(named);
  char path[] = "/tmp/quorate-trace-XXXXXX";
  const int file = ::mkstemp(path);
  if (file < 0) {
    *error = "cannot create a file in /tmp";
    return {};
  }
  ::close(file);
  job.trace_out = path;
  RecordedRun run{.violations = RunInChild(simulator, job).violations};
  run.trace = ReadFile(path).value_or("");
  ::unlink(path);
  return run;
}

int Diff(const Simulator& simulator, const SimulateArguments& arguments) {
  RecordedRun runs[2];
  for (size_t i = 0; i < 2; ++i) {
    std::string error;
    runs[i] = Record(simulator, arguments, arguments.compared[i], &error);
    if (!error.empty()) return BadFile(error);
  }
  const RunDifference difference = CompareRuns(runs[0], runs[1]);
  Print(difference.text);
  return difference.equal ? kClean : kViolation;
}

// Writes the page of a tape beside it. Returns the line that names the page.
std::string PageBeside(const std::string& tape, const Simulator& simulator,
                       const RunOptions& run) {
  absl::StatusOr<Job> job = JobNamed(simulator, run, tape);
  if (!job.ok()) return "";
  job->page_out = absl::StrCat(absl::StripSuffix(tape, ".tape"), ".html");
  if (!CanWriteFile(job->page_out) ||
      !RunInChild(simulator, *job).unwritten.empty()) {
    return absl::StrCat("cannot write ", job->page_out, "\n");
  }
  return absl::StrCat("page: ", job->page_out, "\n");
}

// Shrinks the run, writes its tape to `path` and its page beside it, and prints
// all. Returns an error in words, or an empty string.
std::string ShrinkTo(const std::string& path, const Simulator& simulator,
                     const SimulateArguments& arguments, const Job& job,
                     ShrunkRun* shrunk) {
  if (!CanWriteFile(path)) return absl::StrCat("cannot write ", path);
  const bool terminal = ::isatty(STDERR_FILENO) != 0;
  ShrinkRunOptions options{.budget = arguments.budget, .jobs = arguments.jobs};
  options.on_progress = [&](const Tape& tape, std::string_view pass,
                            size_t tried) {
    if (!terminal && !arguments.verbose) return;
    const ChoiceCounts counts = CountChoices(tape);
    const std::string line = absl::StrCat(
        "shrinking: ", tape.choices.size(), " choices, ", counts.faults,
        " faults, ", counts.operations, " operations after ", tried, " runs (",
        std::string(pass), ")");
    std::fprintf(stderr, arguments.verbose ? "%s\n" : "\r\033[K%s",
                 line.c_str());
  };
  absl::StatusOr<ShrunkRun> result = ShrinkRun(simulator, job, options);
  if (terminal) std::fprintf(stderr, "\r\033[K");
  if (!result.ok()) return std::string(result.status().message());
  *shrunk = *std::move(result);
  if (shrunk->kind.empty()) return "";
  if (!WriteFile(path,
                 KeptForViolation(shrunk->kind) + FormatTape(shrunk->tape))) {
    return absl::StrCat("cannot write ", path);
  }
  Say(arguments,
      absl::StrCat(FormatShrunk(*shrunk), "tape: ", path, "\n        ",
                   simulator.program, " replay ", path, "\n",
                   PageBeside(path, simulator, arguments.run)));
  return "";
}

int ShrinkOne(const Simulator& simulator, const SimulateArguments& arguments) {
  const std::string& name = arguments.compared[0];
  const absl::StatusOr<Job> job = JobNamed(simulator, arguments.run, name);
  if (!job.ok()) return BadFile(std::string(job.status().message()));
  const std::string path =
      UserPath(arguments.tape_out.empty()
                   ? absl::StrCat("seed-", job->run.seed, ".shrunk.tape")
                   : arguments.tape_out);
  ShrunkRun shrunk;
  const std::string error = ShrinkTo(path, simulator, arguments, *job, &shrunk);
  if (!error.empty()) return BadFile(error);
  if (shrunk.kind.empty()) {
    Print(
        absl::StrCat(name, " has no violation: there is nothing to shrink\n"));
  }
  if (arguments.json) Print(ReportToJson(shrunk.report) + "\n");
  return shrunk.kind.empty() ? kClean : kViolation;
}

int View(const Simulator& simulator, const SimulateArguments& arguments) {
  absl::StatusOr<Job> job =
      JobNamed(simulator, arguments.run, arguments.compared[0]);
  if (!job.ok()) return BadFile(std::string(job.status().message()));
  job->around = arguments.around;
  job->around_record = arguments.around_record;
  job->explain = true;
  const bool page = !arguments.page_out.empty();
  (page ? job->page_out : job->text_out) =
      page ? UserPath(arguments.page_out) : "/dev/stdout";
  const RunReport report = RunInChild(simulator, *job);
  if (page) Print(FormatReport(report));
  if (page && report.unwritten.empty()) {
    Print(absl::StrCat("page: ", job->page_out, "\n"));
  }
  return Finish(arguments, report);
}

int Corpus(const Simulator& simulator, const SimulateArguments& arguments) {
  const absl::StatusOr<std::vector<std::string>> paths =
      TapesIn(UserPath(arguments.compared[0]));
  if (!paths.ok()) return BadFile(std::string(paths.status().message()));
  size_t lost = 0;
  for (size_t begin = 0; begin < paths->size(); begin += arguments.jobs) {
    const size_t end = std::min<size_t>(paths->size(), begin + arguments.jobs);
    std::vector<Job> jobs;
    std::vector<KeptFor> kept;
    for (size_t i = begin; i < end; ++i) {
      const std::string& path = (*paths)[i];
      const absl::StatusOr<Job> job = JobNamed(simulator, {}, path);
      if (!job.ok()) return BadFile(std::string(job.status().message()));
      const auto reasons = KeptForOf(ReadFile(path).value_or(""));
      if (!reasons.ok()) {
        return BadFile(path + ": " + std::string(reasons.status().message()));
      }
      jobs.push_back(*job);
      kept.push_back(*reasons);
    }
    const std::vector<RunReport> reports = RunInChildren(simulator, jobs);
    for (size_t i = 0; i < reports.size(); ++i) {
      const std::string missing = LostOf(kept[i], reports[i]);
      lost += missing.empty() ? 0 : 1;
      Print(absl::StrCat(missing.empty() ? "ok    " : "LOST  ",
                         (*paths)[begin + i], missing.empty() ? "" : ": ",
                         missing, "\n"));
    }
  }
  Print(absl::StrCat(paths->size(), " tapes, ", lost,
                     " do no longer what they were kept for\n"));
  return lost == 0 ? kClean : kViolation;
}

// Makes the run again, and writes its tape up to the end that a limit made.
// Each smaller tape would take as long.
void KeepTape(const Simulator& simulator, const SimulateArguments& arguments,
              Job job) {
  job.tape_out = UserPath(absl::StrCat("seed-", job.run.seed, ".tape"));
  if (!CanWriteFile(job.tape_out)) {
    std::fprintf(stderr, "cannot write %s\n", job.tape_out.c_str());
    return;
  }
  const RunReport again = RunInChild(simulator, job);
  Say(arguments,
      absl::StrCat(again.ok() ? "a second run ended"
                              : KindOfViolation(again.violations[0]),
                   "\ntape: ", job.tape_out, "\n        ", simulator.program,
                   " replay ", job.tape_out, "\n"));
}

// The first failure of each kind.
void ShrinkKinds(const Simulator& simulator, const SimulateArguments& arguments,
                 const std::map<std::string, uint64_t>& first_seeds) {
  if (arguments.budget == Duration()) return;
  for (const auto& [kind, seed] : first_seeds) {
    Job job{.run = arguments.run, .limits = arguments.limits};
    job.run.seed = seed;
    if (IsOfALimit(kind)) {
      KeepTape(simulator, arguments, std::move(job));
      continue;
    }
    const std::string path =
        UserPath(absl::StrCat("seed-", seed, ".shrunk.tape"));
    ShrunkRun shrunk;
    const std::string error =
        ShrinkTo(path, simulator, arguments, job, &shrunk);
    if (!error.empty()) {
      std::fprintf(stderr, "%s is not shrunk: %s\n", kind.c_str(),
                   error.c_str());
    }
  }
}

// The text of the scenario that the command line names.
absl::StatusOr<Scenario> ScenarioNamed(const std::string& name) {
  std::string text(ScenarioText(name));
  if (text.empty()) {
    std::optional<std::string> file = ReadFile(UserPath(name));
    if (!file.has_value()) {
      return absl::NotFoundError(absl::StrCat(
          "--scenario: expected ", absl::StrJoin(ScenarioFileNames(), ", "),
          " or a file to read, found '", name, "'"));
    }
    text = *std::move(file);
  }
  absl::StatusOr<Scenario> scenario = ParseScenario(text);
  if (!scenario.ok()) return Annotate(scenario.status(), name);
  return scenario;
}

// Runs the execution that failed once more, in a process of its own, and keeps
// its tape. Returns the report.
RunReport RunFailing(const Simulator& simulator, const RunOptions& options,
                     const Tape& tape, const std::string& path) {
  return RunInChild(simulator,
                    {.run = options, .replay = tape, .tape_out = path});
}

int ExploreScenario(const Simulator& simulator,
                    const SimulateArguments& arguments) {
  const auto bad = [&](const std::string& what) {
    if (arguments.json) Print(ErrorToJson(what) + "\n");
    return BadFile(what);
  };
  const absl::StatusOr<Scenario> scenario = ScenarioNamed(arguments.scenario);
  if (!scenario.ok()) return bad(std::string(scenario.status().message()));
  const absl::Status fits = CheckScenario(simulator.simulated, *scenario);
  if (!fits.ok()) return bad(std::string(fits.message()));
  const std::string path = UserPath(
      arguments.tape_out.empty() ? "explored.tape" : arguments.tape_out);
  if (!CanWriteFile(path)) return bad("cannot write " + path);
  const bool terminal = ::isatty(STDERR_FILENO) != 0;
  ExploreOptions options{.run = {.seed = arguments.run.seed,
                                 .scenario = FormatScenario(*scenario)},
                         .executions_max = arguments.executions_max,
                         .jobs = arguments.jobs};
  Say(arguments, absl::StrCat("scenario: ", options.run.scenario, "\n"));
  Duration said;
  options.on_progress = [&](const ExploreReport& report) {
    if (!terminal && report.wall_time - said < Seconds(10)) return;
    said = report.wall_time;
    const std::string line = FormatProgress(report);
    std::fprintf(stderr, "%s%s%s", terminal ? "\r" : "", line.c_str(),
                 terminal ? "   " : "\n");
  };
  const ExploreReport report = Explore(simulator, options);
  if (terminal) std::fprintf(stderr, "\r\033[K");
  RunReport failing;
  if (report.failing.has_value()) {
    failing = RunFailing(simulator, options.run, *report.failing, path);
    if (failing.ok()) {
      failing.violations.push_back(
          "an execution failed, and not when it was repeated: the code under "
          "test uses time, memory addresses or threads of its own");
    }
    const std::string& violation = failing.violations[0];
    if (violation.starts_with(ScenarioRun::kUnfit)) return bad(violation);
  }
  const bool failed = report.failing.has_value();
  if (arguments.json) {
    Print(ExploredToJson(report, arguments.scenario,
                         failed ? failing.violations[0] : "",
                         failed ? path : "") +
          "\n");
    return failed ? kViolation : kClean;
  }
  Print(FormatExplored(report));
  if (!failed) return kClean;
  Print(absl::StrCat(FormatReport(failing), "tape: ", path, "\n"));
  for (const char* const command : {"replay ", "shrink "}) {
    Print(
        absl::StrCat("        ", simulator.program, " ", command, path, "\n"));
  }
  Print(absl::StrCat("        ", simulator.program, " view ", path, " --html ",
                     path, ".html\n"));
  return kViolation;
}

int RunSeeds(const Simulator& simulator, const SimulateArguments& arguments) {
  const uint64_t total = arguments.last_seed - arguments.first_seed + 1;
  const bool terminal = ::isatty(STDERR_FILENO) != 0;
  SwarmOptions options{.run = arguments.run,
                       .first_seed = arguments.first_seed,
                       .last_seed = arguments.last_seed,
                       .jobs = arguments.jobs,
                       .limits = arguments.limits};
  std::map<std::string, uint64_t> first_seeds;  // By kind of violation.
  options.on_report = [&](const RunReport& report, const SwarmReport& swarm) {
    if (!report.ok()) {
      uint64_t& first =
          first_seeds
              .try_emplace(KindOfViolation(report.violations[0]), report.seed)
              .first->second;
      first = std::min(first, report.seed);
      RunOptions failing = arguments.run;
      failing.seed = report.seed;
      Say(arguments,
          absl::StrCat(terminal ? "\r" : "", "seed ", report.seed,
                       " FAILED: ", report.violations[0], "\n  replay: ",
                       ReplayLine(failing, simulator.program), "\n"));
    }
    // On a terminal one line of progress is overwritten. Otherwise every
    // hundredth run prints a line.
    if (terminal || swarm.runs % 100 == 0 || swarm.runs == total) {
      const double seconds =
          std::max(1e-3, static_cast<double>(swarm.wall_time.ns()) / 1e9);
      const double rate = static_cast<double>(swarm.runs) / seconds;
      std::fprintf(
          stderr,
          "%s%llu/%llu runs, %zu failed, %.0f s, %.1f a second, %.0f s left%s",
          terminal ? "\r" : "", static_cast<unsigned long long>(swarm.runs),
          static_cast<unsigned long long>(total), swarm.failing_seeds.size(),
          seconds, rate, static_cast<double>(total - swarm.runs) / rate,
          terminal && swarm.runs < total ? "  " : "\n");
    }
  };
  const SwarmReport swarm = RunSwarm(simulator, options);
  Say(arguments, FormatSwarm(swarm));
  if (!arguments.json) ShrinkKinds(simulator, arguments, first_seeds);
  if (arguments.json) Print(SwarmToJson(swarm) + "\n");
  return swarm.failing_seeds.empty() ? kClean : kViolation;
}

}  // namespace

int SimulateMain(const Simulator& simulator,
                 const std::vector<std::string>& words) {
  absl::StatusOr<SimulateArguments> arguments =
      ParseArguments(words, simulator.simulated);
  if (!arguments.ok()) {
    // The command line may be wrong in front of the flag.
    const bool json =
        std::find(words.begin(), words.end(), "--json") != words.end();
    return BadUsage(simulator, std::string(arguments.status().message()), json);
  }
  if (arguments->jobs == 0) {
    arguments->jobs = std::max(1u, std::thread::hardware_concurrency());
  }
  const std::string cannot = CannotWrite(*arguments);
  if (!cannot.empty()) {
    if (arguments->json) Print(ErrorToJson(cannot) + "\n");
    return BadFile(cannot);
  }
  const std::string impossible = ImpossibleFamily(simulator, *arguments);
  if (!impossible.empty()) {
    if (arguments->json) Print(ErrorToJson(impossible) + "\n");
    return BadFile(impossible);
  }
  switch (arguments->command) {
    case SimulateArguments::Command::kHelp:
      Print(Usage(simulator.simulated));
      return kClean;
    case SimulateArguments::Command::kRun:
      return RunOnce(simulator, *arguments);
    case SimulateArguments::Command::kDiff:
      return Diff(simulator, *arguments);
    case SimulateArguments::Command::kReplay:
      return Replay(simulator, *arguments);
    case SimulateArguments::Command::kSwarm:
      return RunSeeds(simulator, *arguments);
    case SimulateArguments::Command::kShrink:
      return ShrinkOne(simulator, *arguments);
    case SimulateArguments::Command::kView:
      return View(simulator, *arguments);
    case SimulateArguments::Command::kCorpus:
      return Corpus(simulator, *arguments);
    case SimulateArguments::Command::kExplore:
      return ExploreScenario(simulator, *arguments);
  }
  return kBadUsage;
}

}  // namespace quorate::sim

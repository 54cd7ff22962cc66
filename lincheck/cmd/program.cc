#include "lincheck/cmd/program.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "env/program/program.h"
#include "lincheck/check/checker.h"
#include "lincheck/cmd/arguments.h"
#include "lincheck/cmd/files.h"
#include "lincheck/cmd/report.h"
#include "lincheck/cmd/threads.h"
#include "lincheck/formats/read.h"
#include "lincheck/formats/vocabulary.h"
#include "lincheck/levels/levels.h"
#include "lincheck/page/page.h"
#include "lincheck/text/json.h"

namespace quorate::lincheck {
namespace {

constexpr int kAllLinearizable = 0;
constexpr int kSomeWrong = 1;
constexpr int kBadInput = 2;
constexpr int kSomeUnknown = 3;

// A counter-example that takes longer to make small is shown as it is.
constexpr int64_t kMinimiseMs = 10'000;
constexpr uint64_t kMinimiseNodesMax = 100'000'000;

class Stopwatch {
 public:
  // Since it was made or asked last.
  double Seconds() {
    const auto now = std::chrono::steady_clock::now();
    return std::chrono::duration<double>(now - std::exchange(begin_, now))
        .count();
  }

 private:
  std::chrono::steady_clock::time_point begin_ =
      std::chrono::steady_clock::now();
};

// False if not all of it could be written.
bool Print(std::FILE* file, const std::string& text) {
  const bool written =
      std::fwrite(text.data(), 1, text.size(), file) == text.size();
  return std::fflush(file) == 0 && written;
}

absl::Status Read(const LincheckArguments& arguments, FileReport* report) {
  FileSource source;
  absl::Status status = source.Open(report->file);
  if (!status.ok()) return status;
  absl::StatusOr<Recording> recording = ReadHistory(&source, arguments.read);
  if (!recording.ok()) return std::move(recording).status();
  if (recording->history.operations().empty()) {
    return absl::InvalidArgumentError(
        recording->left_out == 0
            ? absl::StrCat("1:1: no operation is in this file (form ",
                           recording->form,
                           "), so there is nothing to check: is it the right "
                           "one?")
            : absl::StrCat("1:1: every operation of this file (",
                           recording->left_out, ", form ", recording->form,
                           ") ended with :fail and did not take place, so "
                           "there is nothing to check"));
  }
  report->recording = *std::move(recording);
  const ModelEntry* const model =
      FindModelAmong(report->recording.model, arguments.read.own);
  report->model = arguments.read.initial.has_value()
                      ? model->make_from(arguments.read.initial->datum)
                      : model->make();
  return absl::OkStatus();
}

// The rest of a file's time, at most `most`; 0 would be no limit.
int64_t LeftMs(int64_t timeout_ms, double spent_seconds, int64_t most) {
  if (timeout_ms == 0) return most;
  const auto spent_ms = static_cast<int64_t>(spent_seconds * 1000);
  return std::clamp<int64_t>(timeout_ms - spent_ms, 1, most);
}

void Judge(const LincheckArguments& arguments, Executor* executor,
           FileReport* report) {
  const ClockDeadline deadline(arguments.timeout_ms);
  CheckOptions options{
      .executor = executor, .deadline = &deadline, .explain = false};
  // A user's limits are time and memory.
  options.nodes_max = ~uint64_t{0};
  options.minimise_nodes_max = kMinimiseNodesMax;
  report->timeout_ms = arguments.timeout_ms;
  const History& history = report->recording.history;
  Stopwatch stopwatch;
  report->verdict = Check(history, *report->model, options);
  report->seconds = stopwatch.Seconds();
  if (report->verdict.result == Result::kViolation) {
    const ClockDeadline small_enough(
        LeftMs(arguments.timeout_ms, report->seconds, kMinimiseMs));
    options.deadline = &small_enough;
    report->verdict.counter_example =
        Explain(history, *report->model, report->verdict, options);
    options.deadline = &deadline;
    report->levels =
        CheckLevels(history, *report->model, report->verdict, options);
  }
  report->explain_seconds = stopwatch.Seconds();
}

FileReport JudgeFile(const LincheckArguments& arguments,
                     const std::string& file, Executor* executor) {
  FileReport report{.file = file};
  ResetPeakMemory();
  Stopwatch stopwatch;
  report.status = Read(arguments, &report);
  report.read_seconds = stopwatch.Seconds();
  if (report.status.ok()) Judge(arguments, executor, &report);
  report.peak_bytes = PeakMemoryBytes();
  return report;
}

// "page.html" → "page-2.html" for the second file.
std::string PagePath(const std::string& path, size_t number) {
  if (number == 1) return path;
  const size_t slash = path.rfind('/');
  const size_t dot = path.rfind('.');
  const bool has_dot = dot != std::string::npos &&
                       (slash == std::string::npos || dot > slash + 1);
  const size_t at = has_dot ? dot : path.size();
  return absl::StrCat(path.substr(0, at), "-", number, path.substr(at));
}

// A history that one of the pages would be written over; empty: none.
std::string Overwritten(const LincheckArguments& arguments) {
  if (arguments.html.empty()) return "";
  for (size_t number = 1; number <= arguments.files.size(); ++number) {
    const std::string page = PagePath(arguments.html, number);
    for (const std::string& file : arguments.files) {
      if (file != "-" && IsSameFile(page, file)) return file;
    }
  }
  return "";
}

// False if the page could not be written.
bool WritePage(const std::string& path, FileReport* report) {
  PageInput input{.title = report->file,
                  .recording = &report->recording,
                  .model = report->model.get(),
                  .verdict = &report->verdict};
  if (report->levels.has_value()) {
    input.levels = WeakerLevels(*report->levels);
    input.staleness =
        StalenessText(report->levels->staleness, report->recording.unit);
  }
  const absl::Status status = WriteFile(path, MakePage(input));
  if (!status.ok()) {
    Print(stderr, absl::StrCat(path, ": ", status.message(), "\n"));
    return false;
  }
  report->page = path;
  return true;
}

// The command line is wrong. `help` is for people.
int RefuseWords(const std::vector<std::string>& words, std::string_view why,
                const std::string& help) {
  // It may be wrong in front of the flag.
  const bool json =
      std::find(words.begin(), words.end(), "--json") != words.end();
  if (json) {
    std::string error;
    AppendJsonString(why, &error);
    Print(stdout, absl::StrCat("{\"error\":", error, "}\n"));
  }
  Print(stderr, absl::StrCat("lincheck: ", std::string(why), "\n",
                             json || help.empty() ? "" : "\n" + help));
  return kBadInput;
}

int Main(const std::vector<std::string>& words,
         absl::Span<const ModelEntry> own) {
  absl::StatusOr<LincheckArguments> arguments = ParseArguments(words, own);
  if (!arguments.ok()) {
    return RefuseWords(words, std::string(arguments.status().message()),
                       Usage(own));
  }
  if (arguments->help) {
    Print(stdout, Usage(own));
    return kAllLinearizable;
  }
  if (const std::string file = Overwritten(*arguments); !file.empty()) {
    return RefuseWords(words, "--html would overwrite the history " + file,
                       /*help=*/"");
  }
  ThreadExecutor executor(arguments->jobs);
  bool bad = false, wrong = false, unknown = false;
  size_t number = 0;
  for (const std::string& file : arguments->files) {
    FileReport report = JudgeFile(*arguments, file, &executor);
    ++number;
    bad = bad || !report.status.ok();
    if (report.status.ok() && !arguments->html.empty() &&
        !WritePage(PagePath(arguments->html, number), &report)) {
      bad = true;
    }
    wrong = wrong || report.verdict.result == Result::kViolation;
    unknown = unknown || report.verdict.result == Result::kUnknown;
    bool said = !arguments->json || Print(stdout, ReportJson(report));
    if (!report.status.ok()) {
      // "file:line:column: reason", as compilers say it.
      Print(stderr,
            absl::StrCat(file,
                         absl::IsInvalidArgument(report.status) ? ":" : ": ",
                         report.status.message(), "\n"));
    } else if (!arguments->json) {
      said = Print(stdout, ReportText(report));
    }
    if (!said) return kBadInput;
  }
  if (bad) return kBadInput;
  if (wrong) return kSomeWrong;
  return unknown ? kSomeUnknown : kAllLinearizable;
}

}  // namespace

int RunLincheck(int argc, char** argv, absl::Span<const ModelEntry> own) {
  return RunProgram(argc, argv, [&] {
    return Main(std::vector<std::string>(argv + 1, argv + argc), own);
  });
}

}  // namespace quorate::lincheck

#include "sim/tools/corpus.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "sim/tools/shrink.h"

namespace quorate::sim {
namespace {

constexpr absl::string_view kKeptFor = "# kept for: ";

}  // namespace

absl::StatusOr<KeptFor> KeptForOf(std::string_view tape) {
  KeptFor kept;
  const absl::string_view text(tape.data(), tape.size());
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (!absl::ConsumePrefix(&line, kKeptFor)) continue;
    if (absl::ConsumePrefix(&line, "mark ")) {
      kept.marks.emplace_back(line);
    } else if (absl::ConsumePrefix(&line, "violation ")) {
      kept.violations.emplace_back(line);
    } else {
      return absl::InvalidArgumentError(
          absl::StrCat("'", kKeptFor, line,
                       "': expected mark NAME or violation "
                       "RULE"));
    }
  }
  return kept;
}

std::string KeptForViolation(std::string_view kind) {
  return absl::StrCat(kKeptFor, "violation ", std::string(kind), "\n");
}

std::string LostOf(const KeptFor& kept, const RunReport& report) {
  const std::string kind =
      report.ok() ? "" : KindOfViolation(report.violations[0]);
  std::vector<std::string> lost;
  if (!report.ok() && std::ranges::count(kept.violations, kind) == 0) {
    lost.push_back("violation: " + report.violations[0]);
  }
  for (const std::string& violation : kept.violations) {
    if (violation != kind) lost.push_back("no violation " + violation);
  }
  for (const std::string& mark : kept.marks) {
    if (!report.marks.contains(mark)) lost.push_back("mark " + mark);
  }
  return absl::StrJoin(lost, "; ");
}

absl::StatusOr<std::vector<std::string>> TapesIn(const std::string& directory) {
  std::error_code error;
  std::vector<std::string> paths;
  for (std::filesystem::directory_iterator at(directory, error), end;
       !error && at != end; at.increment(error)) {
    if (at->path().extension() == ".tape") paths.push_back(at->path().string());
  }
  if (error) {
    return absl::NotFoundError(
        absl::StrCat("cannot read ", directory, ": ", error.message()));
  }
  std::ranges::sort(paths);
  return paths;
}

}  // namespace quorate::sim

#include "sim/tools/trace_diff.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace quorate::sim {
namespace {

constexpr size_t kCausesMax = 8;

std::vector<std::string_view> LinesOf(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

// Time, machine, kind and hash.
std::string_view EventOf(std::string_view line) {
  size_t end = 0;
  for (int word = 0; word < 4 && end != std::string_view::npos; ++word) {
    end = line.find(' ', end == 0 ? 0 : end + 1);
  }
  return line.substr(0, end);
}

// The number of the line that caused this one, or 0.
uint64_t CauseOf(std::string_view line) {
  std::string_view rest = line.substr(EventOf(line).size());
  if (rest.substr(0, 3) != " <-") return 0;
  rest.remove_prefix(3);
  uint64_t cause = 0;
  return absl::SimpleAtoi(std::string(rest.substr(0, rest.find(' '))), &cause)
             ? cause
             : 0;
}

void Append(const char* name, const std::vector<std::string_view>& lines,
            size_t index, std::string* text) {
  if (index >= lines.size()) {
    absl::StrAppend(text, name, " ends here\n");
    return;
  }
  absl::StrAppend(text, name, " ", std::string(lines[index]), "\n");
  uint64_t cause = CauseOf(lines[index]);
  for (size_t i = 0; i < kCausesMax && cause > 0 && cause <= index; ++i) {
    const std::string_view line = lines[cause - 1];
    absl::StrAppend(text, "    caused by ", cause, ": ", std::string(line),
                    "\n");
    cause = CauseOf(line) < cause ? CauseOf(line) : 0;
  }
}

// How a run ended.
void AppendEnd(const char* name, const RecordedRun& run, std::string* text) {
  for (const std::string& violation : run.violations) {
    absl::StrAppend(text, name, " violation: ", violation, "\n");
  }
  if (run.violations.empty()) absl::StrAppend(text, name, " clean\n");
}

}  // namespace

RunDifference CompareRuns(const RecordedRun& a, const RecordedRun& b) {
  const std::vector<std::string_view> of_a = LinesOf(a.trace);
  const std::vector<std::string_view> of_b = LinesOf(b.trace);
  const size_t common = std::min(of_a.size(), of_b.size());
  size_t first = 0;
  while (first < common && EventOf(of_a[first]) == EventOf(of_b[first])) {
    ++first;
  }
  RunDifference difference;
  if (first < of_a.size() || first < of_b.size()) {
    difference.text =
        absl::StrCat("different after ", first, " equal events\n");
    Append("A:", of_a, first, &difference.text);
    Append("B:", of_b, first, &difference.text);
  } else if (first == 0) {
    difference.text = "no event of either run was recorded\n";
  } else if (a.violations != b.violations) {
    difference.text =
        absl::StrCat("equal: ", first, " events, but another end\n");
  } else {
    difference.equal = true;
    difference.text = absl::StrCat("equal: ", first, " events\n");
  }
  if (!a.violations.empty() || !b.violations.empty()) {
    AppendEnd("A:", a, &difference.text);
    AppendEnd("B:", b, &difference.text);
  }
  return difference;
}

}  // namespace quorate::sim

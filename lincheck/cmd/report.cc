#include "lincheck/cmd/report.h"

#include <algorithm>
#include <cstdio>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lincheck/check/checker.h"
#include "lincheck/formats/json_lines.h"
#include "lincheck/page/page.h"

namespace quorate::lincheck {
namespace {

std::string Seconds(double seconds) {
  char text[32];
  std::snprintf(text, sizeof(text), seconds < 0.0995 ? "%.4f s" : "%.2f s",
                seconds);
  return text;
}

// 1234567 → "1,234,567".
std::string Grouped(uint64_t number) {
  std::string digits = std::to_string(number);
  for (size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, 1, ',');
  return digits;
}

std::string Count(uint64_t number, const char* one, const char* many) {
  return absl::StrCat(Grouped(number), " ", number == 1 ? one : many);
}

size_t CountClients(const History& history) {
  std::vector<uint32_t> clients;
  clients.reserve(history.operations().size());
  for (const Operation& op : history.operations()) clients.push_back(op.client);
  std::sort(clients.begin(), clients.end());
  return std::unique(clients.begin(), clients.end()) - clients.begin();
}

std::string KeyName(const History& history, uint32_t partition) {
  const std::string& name = history.partition_name(partition);
  if (name.empty()) return "the one object";
  return absl::StrCat("key \"", name, "\"");
}

std::string Keys(const History& history,
                 const std::vector<uint32_t>& partitions) {
  constexpr size_t kNamedMax = 5;
  std::string text;
  for (size_t i = 0; i < partitions.size() && i < kNamedMax; ++i) {
    absl::StrAppend(&text, i == 0 ? "" : ", ", KeyName(history, partitions[i]));
  }
  if (partitions.size() > kNamedMax) {
    absl::StrAppend(&text, " and ", Grouped(partitions.size() - kNamedMax),
                    " more");
  }
  return text;
}

// How many columns a text takes: characters, not bytes.
size_t Width(const std::string& text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (c & 0xc0) != 0x80; });
}

// Operations as a table.
std::string Table(const FileReport& report,
                  const std::vector<size_t>& operations) {
  std::vector<std::vector<std::string>> rows = {
      {"client", "call", "invoked", "returned"}};
  for (size_t i : operations) {
    const Operation& op = report.recording.history.operations()[i];
    rows.push_back({absl::StrCat(op.client), DescribeCall(*report.model, op),
                    absl::StrCat(op.invoke),
                    op.known() ? absl::StrCat(op.ret) : "never"});
  }
  std::vector<size_t> widths(rows[0].size(), 0);
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], Width(row[i]));
    }
  }
  std::string text;
  for (const auto& row : rows) {
    text += "   ";
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string blanks(widths[i] - Width(row[i]), ' ');
      // Calls to the left, numbers to the right.
      text += i == 1 ? "  " + row[i] + blanks : "  " + blanks + row[i];
    }
    text += "\n";
  }
  return text;
}

std::string Indented(const std::string& text, const std::string& by) {
  std::string out;
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    absl::StrAppend(&out, by, text.substr(begin, end - begin), "\n");
    begin = end + 1;
  }
  return out;
}

std::string LevelsText(const FileReport& report) {
  if (!report.levels.has_value()) return "";
  const LevelsVerdict& levels = *report.levels;
  std::string text = absl::StrCat(
      "  Strongest level that is known to hold: ",
      levels.strongest.has_value() ? std::string(LevelName(*levels.strongest))
                                   : "none",
      ".\n");
  for (const PageLevel& level : WeakerLevels(levels)) {
    if (level.result == Result::kOk) break;
    const bool broken = level.result == Result::kViolation;
    absl::StrAppend(&text, broken ? "  Broken: " : "  Not known: ", level.name,
                    broken ? ": " : ". ", level.reason, "\n");
    if (!level.witness.empty()) text += Table(report, level.witness);
  }
  const std::string staleness =
      StalenessText(levels.staleness, report.recording.unit);
  if (!staleness.empty()) absl::StrAppend(&text, "  ", staleness, "\n");
  return text;
}

std::string CounterExampleText(const FileReport& report) {
  if (!report.verdict.counter_example.has_value()) return "";
  const CounterExample& example = *report.verdict.counter_example;
  const CounterExample::Core core = CoreOf(report.recording.history, example);
  const size_t count = example.operations.size();
  std::string text = absl::StrCat(
      "\n", Indented(example.reason, "  "), "\n  ",
      count == 1 ? "This one operation shows it"
                 : absl::StrCat("These ", Grouped(count),
                                " operations show it, whatever else happened"),
      example.minimal
          ? (count == 1 ? ":\n" : "; without any one of them it could be:\n")
      : core.left_out == 0
          ? " (not minimised):\n"
          : absl::StrCat(
                " (not minimised). The ", Grouped(core.operations.size()),
                " nearest to the contradiction, without ",
                Grouped(core.left_out), " others (--json has all):\n"));
  text += Table(report, core.operations);
  if (!example.context.empty()) {
    text += "  It holds whenever these took effect, or if they never did:\n";
    text += Table(report, example.context);
  }
  return text + "\n";
}

// Writes the members of one JSON object.
class JsonObject {
 public:
  explicit JsonObject(std::string* out) : out_(out) { *out_ += '{'; }
  void Text(std::string_view name, std::string_view text) {
    Name(name);
    AppendJsonString(text, out_);
  }
  void Number(std::string_view name, uint64_t number) {
    Name(name);
    absl::StrAppend(out_, number);
  }
  void Seconds(std::string_view name, double seconds) {
    char text[32];
    std::snprintf(text, sizeof(text), "%.6f", seconds);
    Name(name);
    *out_ += text;
  }
  // The name alone; the value is for the caller to write.
  void Name(std::string_view name) {
    if (any_) *out_ += ',';
    any_ = true;
    AppendJsonString(name, out_);
    *out_ += ':';
  }
  void End() { *out_ += '}'; }

 private:
  std::string* const out_;
  bool any_ = false;
};

// Each as a line of our own form would have it.
void AppendOperations(const FileReport& report,
                      const std::vector<size_t>& operations, std::string* out) {
  JsonLinesWriter writer(*report.model, report.recording.model, out);
  const History& history = report.recording.history;
  *out += '[';
  for (size_t i = 0; i < operations.size(); ++i) {
    if (i > 0) *out += ',';
    const Operation& op = history.operations()[operations[i]];
    writer.Add(op, history.partition_name(op.partition));
    out->pop_back();
  }
  *out += ']';
}

void AppendCounterExample(const FileReport& report, std::string* out) {
  const CounterExample& example = *report.verdict.counter_example;
  JsonObject object(out);
  object.Text("key",
              report.recording.history.partition_name(example.partition));
  object.Name("minimal");
  *out += example.minimal ? "true" : "false";
  object.Text("reason", example.reason);
  object.Name("operations");
  AppendOperations(report, example.operations, out);
  if (!example.context.empty()) {
    object.Name("context");
    AppendOperations(report, example.context, out);
  }
  object.End();
}

void AppendLevels(const FileReport& report, std::string* out) {
  const LevelsVerdict& verdict = *report.levels;
  *out += '[';
  for (size_t i = 0; i < verdict.levels.size(); ++i) {
    const LevelVerdict& level = verdict.levels[i];
    if (i > 0) *out += ',';
    JsonObject object(out);
    object.Text("level", LevelName(level.level));
    object.Text("ok", VerdictWord(level.result));
    if (!level.reason.empty()) object.Text("reason", level.reason);
    if (!level.witness.empty()) {
      object.Name("witness");
      AppendOperations(report, level.witness, out);
    }
    object.End();
  }
  *out += ']';
}

void AppendStaleness(const Staleness& staleness, std::string* out) {
  JsonObject object(out);
  object.Number("versions_max", staleness.versions_max);
  object.Number("time_max", static_cast<uint64_t>(staleness.time_max));
  object.End();
}

// The members for every file, even for one that could not be read.
void AppendFigures(const FileReport& report, JsonObject* object) {
  const Verdict& verdict = report.verdict;
  object->Text("file", report.file);
  object->Text("ok", report.status.ok() ? VerdictWord(verdict.result)
                                        : VerdictWord(Result::kUnknown));
  object->Text("form", report.recording.form);
  object->Text("model", report.recording.model);
  if (!report.recording.initial.empty()) {
    object->Text("initial", report.recording.initial);
  }
  object->Number("operations", report.recording.history.operations().size());
  const FailedCas& failed = report.recording.failed_cas;
  if (failed.count > 0) {
    object->Text("failed_cas", FailedCasName(failed.observes));
    object->Number("failed_cas_operations", failed.count);
  }
  object->Number("partitions", verdict.partitions);
  object->Number("wrong_partitions", verdict.wrong.size());
  object->Number("undecided_partitions", verdict.undecided.size());
  object->Seconds("seconds", report.seconds);
  object->Seconds("read_seconds", report.read_seconds);
  object->Seconds("explain_seconds", report.explain_seconds);
  object->Number("peak_bytes", report.peak_bytes);
}

std::string BadInputJson(const FileReport& report) {
  std::string out;
  JsonObject object(&out);
  AppendFigures(report, &object);
  // "line:column: reason", where it is the content that is wrong.
  std::string reason(report.status.message());
  unsigned long long line = 0, column = 0;
  int used = 0;
  if (std::sscanf(reason.c_str(), "%llu:%llu: %n", &line, &column, &used) ==
          2 &&
      used > 0) {
    object.Number("line", line);
    object.Number("column", column);
    reason.erase(0, static_cast<size_t>(used));
  }
  object.Text("error", reason);
  object.End();
  return out + "\n";
}

}  // namespace

std::vector<PageLevel> WeakerLevels(const LevelsVerdict& levels) {
  std::vector<PageLevel> weaker;
  for (const LevelVerdict& level : levels.levels) {
    if (level.level == ConsistencyLevel::kLinearizable) continue;
    const std::string name(LevelName(level.level));
    if (!weaker.empty() && weaker.back().result == level.result &&
        weaker.back().reason == level.reason &&
        weaker.back().witness == level.witness) {
      absl::StrAppend(&weaker.back().name, ", ", name);
    } else {
      weaker.push_back({name, level.result, level.reason, level.witness});
    }
  }
  if (weaker.size() == 1 && weaker[0].result != Result::kOk) {
    weaker[0].name = "every weaker level";
  }
  return weaker;
}

std::string StalenessText(const Staleness& staleness, TimeUnit unit) {
  if (staleness.result != Result::kOk) return "";
  // Operations that also write are left out.
  if (staleness.versions_max == 0) return "Nothing that only reads is stale.";
  std::string text =
      absl::StrCat("Reads are stale by at most ",
                   Count(staleness.versions_max, "version", "versions"));
  if (unit != TimeUnit::kOrder) {
    absl::StrAppend(&text, " and ",
                    Grouped(static_cast<uint64_t>(staleness.time_max)), " ",
                    std::string(TimeUnitName(unit)));
  }
  return text + ".";
}

std::string ReportText(const FileReport& report) {
  const History& history = report.recording.history;
  const Verdict& verdict = report.verdict;
  std::string text = absl::StrCat(report.file, ": ");
  switch (verdict.result) {
    case Result::kOk:
      text += "linearizable\n";
      break;
    case Result::kViolation:
      text += "NOT linearizable\n";
      break;
    case Result::kUnknown:
      text += "unknown\n";
      break;
  }
  absl::StrAppend(&text, "  ",
                  Count(history.operations().size(), "operation", "operations"),
                  " of ", Count(CountClients(history), "client", "clients"),
                  " on ", Count(verdict.partitions, "object", "objects"), " (",
                  report.recording.form, ", model ",
                  ModelText(report.recording), "); read in ",
                  Seconds(report.read_seconds), ", checked in ",
                  Seconds(report.seconds), "\n");
  const std::string failed = DescribeFailedCas(report.recording.failed_cas);
  if (!failed.empty()) absl::StrAppend(&text, "  ", failed, "\n");
  // Where there is but one object without a name, it goes without saying.
  if (!verdict.wrong.empty() &&
      (verdict.partitions > 1 || !history.partition_name(0).empty())) {
    absl::StrAppend(&text, "  Wrong: ", Keys(history, verdict.wrong), "\n");
  }
  if (!verdict.model_fault.empty()) {
    absl::StrAppend(&text,
                    "  The model is at fault, so that no answer is given: ",
                    verdict.model_fault, "\n");
  } else if (!verdict.undecided.empty()) {
    absl::StrAppend(
        &text, "  Not decided within the limits of time (", report.timeout_ms,
        " ms) and memory: ", Keys(history, verdict.undecided), "\n");
    if (!verdict.unproven.empty()) {
      absl::StrAppend(&text, "  Not proven: ", verdict.unproven, ".\n");
    }
  }
  text += CounterExampleText(report);
  text += LevelsText(report);
  if (!report.page.empty()) {
    absl::StrAppend(&text, "  Page: ", report.page, "\n");
  }
  return text;
}

std::string ReportJson(const FileReport& report) {
  if (!report.status.ok()) return BadInputJson(report);
  const Verdict& verdict = report.verdict;
  std::string out;
  JsonObject object(&out);
  AppendFigures(report, &object);
  if (!verdict.model_fault.empty()) object.Text("error", verdict.model_fault);
  if (!verdict.unproven.empty()) object.Text("unproven", verdict.unproven);
  if (verdict.counter_example.has_value()) {
    object.Name("counter_example");
    AppendCounterExample(report, &out);
  }
  if (report.levels.has_value()) {
    if (report.levels->strongest.has_value()) {
      object.Text("strongest_level", LevelName(*report.levels->strongest));
    }
    object.Name("levels");
    AppendLevels(report, &out);
    if (report.levels->staleness.result == Result::kOk) {
      object.Name("staleness");
      AppendStaleness(report.levels->staleness, &out);
    }
  } else if (verdict.result == Result::kOk) {
    object.Text("strongest_level", LevelName(ConsistencyLevel::kLinearizable));
  }
  if (!report.page.empty()) object.Text("page", report.page);
  object.End();
  return out + "\n";
}

}  // namespace quorate::lincheck

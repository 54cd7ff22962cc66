#include "lincheck/cmd/report.h"

#include <algorithm>
#include <cstdio>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lincheck/check/checker.h"
#include "lincheck/formats/json_lines.h"
#include "lincheck/page/page.h"
#include "lincheck/text/json.h"
#include "lincheck/text/words.h"

namespace quorate::lincheck {
namespace {

std::string Seconds(double seconds) {
  char text[32];
  std::snprintf(text, sizeof(text), seconds < 0.0995 ? "%.4f s" : "%.2f s",
                seconds);
  return text;
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
  const CounterExample::Core core = CoreOf(example);
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

void AddSeconds(std::string_view name, double seconds, JsonWriter* json) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.6f", seconds);
  json->Name(name).Raw(text);
}

// Each as a line of our own form would have it.
void AddOperations(const FileReport& report,
                   const std::vector<size_t>& operations, JsonWriter* json) {
  const History& history = report.recording.history;
  json->Open('[');
  for (const size_t i : operations) {
    std::string line;
    JsonLinesWriter writer(*report.model, report.recording.model, &line);
    const Operation& op = history.operations()[i];
    writer.Add(op, history.partition_name(op.partition));
    line.pop_back();
    json->Raw(line);
  }
  json->Close(']');
}

void AddCounterExample(const FileReport& report, JsonWriter* json) {
  const CounterExample& example = *report.verdict.counter_example;
  json->Name("counter_example").Open('{');
  json->Name("key").Text(
      report.recording.history.partition_name(example.partition));
  json->Name("minimal").Raw(example.minimal ? "true" : "false");
  json->Name("reason").Text(example.reason);
  AddOperations(report, example.operations, &json->Name("operations"));
  if (!example.context.empty()) {
    AddOperations(report, example.context, &json->Name("context"));
  }
  json->Close('}');
}

void AddLevels(const FileReport& report, JsonWriter* json) {
  json->Name("levels").Open('[');
  for (const LevelVerdict& level : report.levels->levels) {
    json->Open('{');
    json->Name("level").Text(LevelName(level.level));
    json->Name("ok").Text(VerdictWord(level.result));
    if (!level.reason.empty()) json->Name("reason").Text(level.reason);
    if (!level.witness.empty()) {
      AddOperations(report, level.witness, &json->Name("witness"));
    }
    json->Close('}');
  }
  json->Close(']');
  const Staleness& staleness = report.levels->staleness;
  if (staleness.result != Result::kOk) return;
  json->Name("staleness").Open('{');
  json->Name("versions_max").Number(staleness.versions_max);
  json->Name("time_max").Number(static_cast<uint64_t>(staleness.time_max));
  json->Close('}');
}

// The members for every file, even for one that could not be read.
void AddFigures(const FileReport& report, JsonWriter* json) {
  const Verdict& verdict = report.verdict;
  json->Name("file").Text(report.file);
  json->Name("ok").Text(report.status.ok() ? VerdictWord(verdict.result)
                                           : VerdictWord(Result::kUnknown));
  json->Name("form").Text(report.recording.form);
  json->Name("model").Text(report.recording.model);
  if (!report.recording.initial.empty()) {
    json->Name("initial").Text(report.recording.initial);
  }
  json->Name("operations").Number(report.recording.history.operations().size());
  const FailedCas& failed = report.recording.failed_cas;
  if (failed.count > 0) {
    json->Name("failed_cas").Text(kFailedCas[failed.observes]);
    json->Name("failed_cas_operations").Number(failed.count);
  }
  json->Name("partitions").Number(verdict.partitions);
  json->Name("wrong_partitions").Number(verdict.wrong.size());
  json->Name("undecided_partitions").Number(verdict.undecided.size());
  AddSeconds("seconds", report.seconds, json);
  AddSeconds("read_seconds", report.read_seconds, json);
  AddSeconds("explain_seconds", report.explain_seconds, json);
  json->Name("peak_bytes").Number(report.peak_bytes);
}

// "line:column: reason", where it is the content that is wrong.
void AddBadInput(std::string reason, JsonWriter* json) {
  unsigned long long line = 0, column = 0;
  int used = 0;
  if (std::sscanf(reason.c_str(), "%llu:%llu: %n", &line, &column, &used) ==
          2 &&
      used > 0) {
    json->Name("line").Number(line);
    json->Name("column").Number(column);
    reason.erase(0, static_cast<size_t>(used));
  }
  json->Name("error").Text(reason);
}

void AddAnswer(const FileReport& report, JsonWriter* json) {
  const Verdict& verdict = report.verdict;
  if (!verdict.undecidable.empty()) {
    json->Name("undecidable").Text(verdict.undecidable);
  }
  if (verdict.counter_example.has_value()) AddCounterExample(report, json);
  std::optional<ConsistencyLevel> strongest;
  if (report.levels.has_value()) {
    strongest = report.levels->strongest;
  } else if (verdict.result == Result::kOk) {
    strongest = ConsistencyLevel::kLinearizable;
  }
  if (strongest.has_value()) {
    json->Name("strongest_level").Text(LevelName(*strongest));
  }
  if (report.levels.has_value()) AddLevels(report, json);
  if (!report.page.empty()) json->Name("page").Text(report.page);
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
  std::string text = absl::StrCat("Reads are stale by at most ",
                                  Counted(staleness.versions_max, "version"));
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
  absl::StrAppend(
      &text, "  ", Counted(history.operations().size(), "operation"), " of ",
      Counted(CountClients(history), "client"), " on ",
      Counted(verdict.partitions, "object"), " (", report.recording.form,
      ", model ", ModelText(report.recording), "); read in ",
      Seconds(report.read_seconds), ", checked in ", Seconds(report.seconds),
      "\n");
  const std::string failed = DescribeFailedCas(report.recording.failed_cas);
  if (!failed.empty()) absl::StrAppend(&text, "  ", failed, "\n");
  // Where there is but one object without a name, it goes without saying.
  if (!verdict.wrong.empty() &&
      (verdict.partitions > 1 || !history.partition_name(0).empty())) {
    absl::StrAppend(&text, "  Wrong: ", Keys(history, verdict.wrong), "\n");
  }
  if (!verdict.undecided.empty()) {
    absl::StrAppend(
        &text, "  Not decided within the limits of time (", report.timeout_ms,
        " ms) and memory: ", Keys(history, verdict.undecided), "\n");
    if (!verdict.undecidable.empty()) {
      absl::StrAppend(&text, "  Cannot be decided: ", verdict.undecidable,
                      ".\n");
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
  std::string out;
  JsonWriter json(&out);
  json.Open('{');
  AddFigures(report, &json);
  if (report.status.ok()) {
    AddAnswer(report, &json);
  } else {
    AddBadInput(std::string(report.status.message()), &json);
  }
  json.Close('}');
  return out + "\n";
}

}  // namespace quorate::lincheck

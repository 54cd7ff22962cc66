#include "sim/explore/scenario.h"

#include <optional>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "env/parse_duration.h"

namespace quorate::sim {
namespace {

constexpr uint32_t kNodesMax = 7;
constexpr uint32_t kBudgetMax = 100;
constexpr Duration kTimeMax = Seconds(3600);

struct BuiltIn {
  std::string_view name;
  std::string_view text;
};
constexpr BuiltIn kBuiltIn[] = {
    {"election",
     "# Three nodes elect a leader, in any order of events, with one crash "
     "and\n"
     "# one message that arrives twice.\n"
     "nodes 3\n"
     "begin founded\n"
     "delays any\n"
     "crashes 1\n"
     "duplicates 1\n"
     "disks prompt\n"
     "terms 2\n"
     "time 2s\n"},
    {"slot-move",
     "# Slots move to another group while a client writes to one of them, "
     "with\n"
     "# one crash at any point.\n"
     "system store\n"
     "nodes 3\n"
     "begin led\n"
     "do increment a\n"
     "do move 15360-15615 to 1\n"
     "crashes 1\n"
     "down 100ms\n"
     "time 60s\n"
     "end required\n"},
    {"two-removals",
     "# Two operators remove two nodes at once, while the network splits and\n"
     "# splits in another way.\n"
     "nodes 4\n"
     "begin led\n"
     "do remove 4\n"
     "do remove 2\n"
     "cuts 2\n"
     "disks prompt\n"
     "terms 3\n"
     "time 2s\n"},
};

struct Budget {
  std::string_view word;
  uint32_t BranchOptions::*field;
};
constexpr Budget kBudgets[] = {
    {"delays", &BranchOptions::delays},
    {"timeouts", &BranchOptions::timeouts},
    {"losses", &BranchOptions::losses},
    {"duplicates", &BranchOptions::duplicates},
    {"cuts", &BranchOptions::cuts},
    {"crashes", &BranchOptions::crashes},
};
constexpr absl::string_view kWords =
    "system, nodes, begin, do, delays, timeouts, losses, duplicates, cuts, "
    "crashes, down, disks, terms, time or end";

absl::string_view View(std::string_view text) {
  return {text.data(), text.size()};
}

absl::Status Expected(absl::string_view word, absl::string_view what,
                      absl::string_view found) {
  return absl::InvalidArgumentError(
      absl::StrCat(word, ": expected ", what, ", found '", found, "'"));
}

absl::Status ReadNumber(absl::string_view word, absl::string_view value,
                        uint32_t least, uint32_t most, uint32_t* number) {
  uint32_t read = 0;
  if (!absl::SimpleAtoi(value, &read) || read < least || read > most) {
    return Expected(word, absl::StrCat("a number from ", least, " to ", most),
                    value);
  }
  *number = read;
  return absl::OkStatus();
}

absl::Status ReadTime(absl::string_view word, absl::string_view value,
                      Duration* time) {
  const std::optional<int64_t> ms =
      value == "0s" ? 0 : ParseDurationMs({value.data(), value.size()});
  if (!ms.has_value() || *ms > kTimeMax.ms()) {
    return Expected(word, "a time such as 500ms or 2s, at most 1h", value);
  }
  *time = Milliseconds(*ms);
  return absl::OkStatus();
}

// `value` is one of `first` and `second`.
absl::Status ReadWord(absl::string_view word, absl::string_view value,
                      absl::string_view first, absl::string_view second,
                      bool* is_second) {
  if (value != first && value != second) {
    return Expected(word, absl::StrCat(first, " or ", second), value);
  }
  *is_second = value == second;
  return absl::OkStatus();
}

absl::Status ReadLine(absl::string_view word, absl::string_view value,
                      Scenario* scenario) {
  BranchOptions& faults = scenario->faults;
  for (const Budget& budget : kBudgets) {
    if (word != View(budget.word)) continue;
    if (value == "any") {
      faults.*budget.field = BranchOptions::kUnlimited;
      return absl::OkStatus();
    }
    return ReadNumber(word, value, 0, kBudgetMax, &(faults.*budget.field));
  }
  if (word == "nodes") {
    return ReadNumber(word, value, 1, kNodesMax, &scenario->nodes);
  }
  if (word == "terms") {
    return ReadNumber(word, value, 1, kBudgetMax, &scenario->terms);
  }
  if (word == "time") return ReadTime(word, value, &scenario->time);
  if (word == "down") return ReadTime(word, value, &faults.down);
  if (word == "disks") {
    return ReadWord(word, value, "free", "prompt", &faults.prompt_disks);
  }
  if (word == "end") {
    return ReadWord(word, value, "free", "required", &scenario->end_required);
  }
  if (word == "system") {
    bool store = false;
    const absl::Status status =
        ReadWord(word, value, "register", "store", &store);
    scenario->system =
        store ? Scenario::System::kStore : Scenario::System::kRegister;
    return status;
  }
  if (word == "begin") {
    bool led = false;
    const absl::Status status = ReadWord(word, value, "founded", "led", &led);
    scenario->begin = led ? Scenario::Begin::kLed : Scenario::Begin::kFounded;
    return status;
  }
  if (word == "do") {
    scenario->steps.emplace_back(value.data(), value.size());
    return value.empty() ? Expected(word, "a step", value) : absl::OkStatus();
  }
  return Expected("a word", kWords, word);
}

}  // namespace

std::vector<std::string> ScenarioFileNames() {
  std::vector<std::string> names;
  for (const BuiltIn& scenario : kBuiltIn) names.emplace_back(scenario.name);
  return names;
}

std::string_view ScenarioText(std::string_view name) {
  for (const BuiltIn& scenario : kBuiltIn) {
    if (scenario.name == name) return scenario.text;
  }
  return "";
}

absl::StatusOr<Scenario> ParseScenario(std::string_view text) {
  Scenario scenario;
  std::set<std::string> given;
  size_t number = 0;
  for (const absl::string_view whole : absl::StrSplit(View(text), '\n')) {
    ++number;
    const absl::string_view code = whole.substr(0, whole.find('#'));
    for (absl::string_view line : absl::StrSplit(code, ';')) {
      line = absl::StripAsciiWhitespace(line);
      if (line.empty()) continue;
      const size_t space = std::min(line.find(' '), line.size());
      const absl::string_view word = line.substr(0, space);
      absl::Status status = ReadLine(
          word, absl::StripAsciiWhitespace(line.substr(space)), &scenario);
      if (status.ok() && word != "do" &&
          !given.insert(std::string(word)).second) {
        status = absl::InvalidArgumentError(
            absl::StrCat(word, ": given twice; give it once"));
      }
      if (status.ok()) continue;
      return absl::InvalidArgumentError(
          absl::StrCat("line ", number, ": ", status.message()));
    }
  }
  if (given.empty() && scenario.steps.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("no line: expected ", kWords));
  }
  return scenario;
}

std::string FormatScenario(const Scenario& scenario) {
  std::string text = absl::StrCat("nodes ", scenario.nodes);
  const auto add = [&text](absl::string_view word, const auto& value) {
    absl::StrAppend(&text, "; ", word, " ", value);
  };
  if (scenario.system == Scenario::System::kStore) add("system", "store");
  add("begin", scenario.begin == Scenario::Begin::kLed ? "led" : "founded");
  for (const std::string& step : scenario.steps) add("do", step);
  for (const Budget& budget : kBudgets) {
    const uint32_t value = scenario.faults.*budget.field;
    if (value == 0) continue;
    add(View(budget.word),
        value == BranchOptions::kUnlimited ? "any" : absl::StrCat(value));
  }
  if (scenario.faults.down > Duration()) {
    add("down", absl::StrCat(scenario.faults.down.ms(), "ms"));
  }
  if (scenario.faults.prompt_disks) add("disks", "prompt");
  if (scenario.terms > 0) add("terms", scenario.terms);
  add("time", absl::StrCat(scenario.time.ms(), "ms"));
  if (scenario.end_required) add("end", "required");
  return text;
}

}  // namespace quorate::sim

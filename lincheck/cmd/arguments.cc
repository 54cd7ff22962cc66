#include "lincheck/cmd/arguments.h"

#include <charconv>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lincheck/formats/vocabulary.h"
#include "lincheck/text/names.h"

namespace quorate::lincheck {
namespace {

constexpr uint32_t kJobsMax = 256;
constexpr int64_t kTimeoutMsMax = int64_t{365} * 24 * 3600 * 1000;

absl::Status Bad(std::string_view flag, std::string_view expected,
                 std::string_view found) {
  return absl::InvalidArgumentError(
      absl::StrCat(std::string(flag), ": ", std::string(expected),
                   " expected, found \"", std::string(found), "\""));
}

// Their own ones first.
std::vector<ModelEntry> AllModels(absl::Span<const ModelEntry> own) {
  std::vector<ModelEntry> all(own.begin(), own.end());
  all.insert(all.end(), Models().begin(), Models().end());
  return all;
}

std::string ModelNames(absl::Span<const ModelEntry> own) {
  std::string names;
  for (const ModelEntry& entry : AllModels(own)) {
    absl::StrAppend(&names, names.empty() ? "" : ", ", std::string(entry.name));
  }
  return names;
}

bool TakesValue(std::string_view flag) {
  return flag == "--model" || flag == "--format" || flag == "--html" ||
         flag == "--timeout" || flag == "--jobs" || flag == "--failed-cas" ||
         flag == "--initial" || flag == "--keys";
}

absl::Status Apply(std::string_view flag, const std::string& value,
                   LincheckArguments* a) {
  if (flag == "--model") {
    if (FindModelAmong(value, a->read.own) == nullptr) {
      return Bad(flag, absl::StrCat("one of ", ModelNames(a->read.own)), value);
    }
    a->read.model = value;
  } else if (flag == "--format") {
    if (!ParseName(value, kForms, &a->read.form)) {
      return Bad(flag, "auto, jsonl, edn, jepsen-log or map-lines", value);
    }
  } else if (flag == "--keys") {
    if (!ParseName(value, kKeyForms, &a->read.jepsen.keys)) {
      return Bad(flag, "auto, independent or none", value);
    }
  } else if (flag == "--failed-cas") {
    if (!ParseName(value, kFailedCas, &a->read.jepsen.failed_cas_observes)) {
      return Bad(flag, "absent or observes", value);
    }
  } else if (flag == "--initial") {
    a->read.initial = ParseInitial(value);
    if (!a->read.initial.has_value()) {
      return Bad(flag, "a value such as 0, nil, word or \"two words\"", value);
    }
  } else if (flag == "--html") {
    if (value.empty() || value == "-") return Bad(flag, "a file's name", value);
    a->html = value;
  } else if (flag == "--timeout") {
    absl::StatusOr<int64_t> timeout = ParseTimeoutMs(value);
    if (!timeout.ok()) return std::move(timeout).status();
    a->timeout_ms = *timeout;
  } else {
    const char* const end = value.data() + value.size();
    const auto [rest, error] = std::from_chars(value.data(), end, a->jobs);
    if (error != std::errc() || rest != end || a->jobs < 1 ||
        a->jobs > kJobsMax) {
      return Bad(flag, absl::StrCat("a number from 1 to ", kJobsMax), value);
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::string Usage(absl::Span<const ModelEntry> own) {
  std::string text =
      "lincheck: is this history linearizable, and if not, why?\n"
      "\n"
      "lincheck FILE… [--model MODEL] [--format FORM] [--html OUT] [--json]\n"
      "               [--timeout 60s] [--jobs N] [--initial VALUE]\n"
      "               [--keys auto] [--failed-cas absent]\n"
      "lincheck --version\n"
      "\n"
      "FILE       a history; \"-\" is standard input\n"
      "--model    what the object should do [told by the file]:\n";
  for (const ModelEntry& entry : AllModels(own)) {
    absl::StrAppend(&text, "             ", std::string(entry.name), ": ",
                    std::string(entry.description), "\n");
  }
  text +=
      "--format   jsonl, edn (Jepsen's history.edn), jepsen-log (its log),\n"
      "           map-lines (EDN maps with a :key), or auto [auto]\n"
      "--html     writes a page that shows the counter-example; of several\n"
      "           files the second goes to OUT-2, and so on\n"
      "--json     one JSON object for each file instead of text\n"
      "--timeout  for each file: a whole number and ms, s (also if left out), "
      "m "
      "or h;\n"
      "           0 is none [60s]\n"
      "--jobs     partitions checked side by side [all processors]\n"
      "--initial  what every object holds before any operation, such as 0: of\n"
      "           the models register, cas-register, kv, kv-text, counter and\n"
      "           txn (there each key) [as the model says]\n"
      "--keys     whether the values of a history of Jepsen are pairs of a "
      "key\n"
      "           and a value: independent, none, or auto (all are, or none "
      "is)\n"
      "           [auto]\n"
      "--failed-cas\n"
      "           what a cas is that ends with :fail in a history of Jepsen:\n"
      "           absent, it did not take place; observes, it saw another "
      "value\n"
      "           than it expected, if the store promises that [absent]\n"
      "\n"
      "Exit status: 0 if every file is linearizable, 1 if any is not, 3 if "
      "none\n"
      "is known to be wrong and some could not be decided, 2 if any could not "
      "be\n"
      "read, or if standard output cannot be written.\n";
  return text;
}

absl::StatusOr<int64_t> ParseTimeoutMs(std::string_view text) {
  struct Unit {
    std::string_view name;
    int64_t ms;
  };
  constexpr Unit kUnits[] = {
      {"", 1000}, {"s", 1000}, {"ms", 1}, {"m", 60'000}, {"h", 3'600'000}};
  int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  const std::string_view name(rest, end - rest);
  for (const Unit& unit : kUnits) {
    if (error == std::errc() && unit.name == name && number >= 0 &&
        number <= kTimeoutMsMax / unit.ms) {
      return number * unit.ms;
    }
  }
  return Bad("--timeout",
             "a whole number and ms, s, m or h, such as 250ms or 60s,", text);
}

absl::StatusOr<LincheckArguments> ParseArguments(
    const std::vector<std::string>& words, absl::Span<const ModelEntry> own) {
  LincheckArguments a{.read = {.own = own}};
  bool flags_end = false;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (flags_end || word.size() < 2 || word[0] != '-') {
      a.files.push_back(word);
      continue;
    }
    const size_t equals = word.find('=');
    const std::string flag = word.substr(0, equals);
    if (word == "--") {
      flags_end = true;
    } else if (word == "--help" || word == "-h") {
      a.help = true;
    } else if (word == "--json") {
      a.json = true;
    } else if (!TakesValue(flag)) {
      return absl::InvalidArgumentError(
          absl::StrCat("there is no flag ", flag));
    } else if (equals != std::string::npos || i + 1 < words.size()) {
      absl::Status status = Apply(
          flag,
          equals != std::string::npos ? word.substr(equals + 1) : words[++i],
          &a);
      if (!status.ok()) return status;
    } else {
      return absl::InvalidArgumentError(absl::StrCat(flag, " needs a value"));
    }
  }
  if (a.files.empty() && !a.help) {
    return absl::InvalidArgumentError("no file is named");
  }
  return a;
}

}  // namespace quorate::lincheck

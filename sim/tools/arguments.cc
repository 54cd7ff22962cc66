#include "sim/tools/arguments.h"

#include <limits>
#include <optional>
#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "env/annotate.h"
#include "env/parse_duration.h"
#include "sim/schedule/schedule_options.h"

namespace quorate::sim {
namespace {

constexpr uint32_t kJobsMax = 256;
constexpr uint32_t kMemoryMaxMib = 1 << 20;
constexpr char kCommandNames[] =
    "run, swarm, replay, diff, shrink, view, corpus or explore";
constexpr uint64_t kExecutionsMax = 1'000'000'000;

absl::string_view View(std::string_view text) {
  return {text.data(), text.size()};
}

absl::Status Expected(std::string_view flag, std::string_view what,
                      std::string_view found) {
  return absl::InvalidArgumentError(absl::StrCat(
      View(flag), ": expected ", View(what), ", found '", View(found), "'"));
}

template <typename T, typename Value>
absl::Status ParseNumber(std::string_view flag, std::string_view text, T least,
                         T most, Value* value) {
  uint64_t number = 0;
  if (!absl::SimpleAtoi(View(text), &number) || number < least ||
      number > most) {
    return Expected(flag, absl::StrCat("a number from ", least, " to ", most),
                    text);
  }
  *value = static_cast<T>(number);
  return absl::OkStatus();
}

// The flags whose values are times.
absl::Status ApplyTime(const std::string& flag, const std::string& value,
                       SimulateArguments* a) {
  if (flag == "--duration") {
    const absl::StatusOr<Duration> duration = ParseDuration(value);
    if (!duration.ok()) return duration.status();
    a->run.duration = *duration;
    return absl::OkStatus();
  }
  if (flag == "--budget") {
    const std::optional<int64_t> ms =
        value == "0s" ? 0 : ParseDurationMs(value);
    if (!ms.has_value() || *ms > RunOptions::kDurationMax.ms()) {
      return Expected(flag, "a time such as 60s or 5m, or 0s for none", value);
    }
    a->budget = Milliseconds(*ms);
    return absl::OkStatus();
  }
  if (flag == "--time-max") {
    const std::optional<int64_t> ms = ParseDurationMs(value);
    if (!ms.has_value() || *ms > RunOptions::kDurationMax.ms()) {
      return Expected(flag, "a time such as 180s or 5m", value);
    }
    a->limits.processor_time = Milliseconds(*ms);
    return absl::OkStatus();
  }
  // Without a unit it is the number of an event.
  uint64_t record = 0;
  if (absl::SimpleAtoi(value, &record)) {
    a->around_record = record;
    return absl::OkStatus();
  }
  double seconds = 0;
  const absl::string_view number = absl::StripSuffix(value, "s");
  if (!absl::SimpleAtod(number, &seconds) || !(seconds >= 0) || seconds > 1e6) {
    return Expected(
        flag, "a time in the run such as 12.5s, or the number of an event",
        value);
  }
  a->around = SimTime() + Nanoseconds(static_cast<int64_t>(seconds * 1e9));
  return absl::OkStatus();
}

// Applies one flag. `value` is empty for flags that take none.
absl::Status Apply(const std::string& flag, const std::string& value,
                   SimulateArguments* a) {
  constexpr uint64_t kAny = std::numeric_limits<uint64_t>::max();
  if (flag == "--seed") {
    return ParseNumber<uint64_t>(flag, value, 0, kAny, &a->run.seed);
  }
  if (flag == "--seeds") {
    return ParseSeeds(value, &a->first_seed, &a->last_seed);
  }
  if (flag == "--nodes") {
    return ParseNumber<uint32_t>(flag, value, 1, RunOptions::kNodesMax,
                                 &a->run.shape.nodes);
  }
  if (flag == "--groups") {
    return ParseNumber<uint32_t>(flag, value, 1, RunOptions::kGroupsMax,
                                 &a->run.shape.groups);
  }
  if (flag == "--clients") {
    return ParseNumber<uint32_t>(flag, value, 1, RunOptions::kClientsMax,
                                 &a->run.shape.clients);
  }
  if (flag == "--rate") {
    return ParseNumber<uint32_t>(flag, value, 1, RunOptions::kRateMax,
                                 &a->run.shape.operations_per_second);
  }
  if (flag == "--keys") {
    return ParseNumber<uint32_t>(flag, value, 1, RunOptions::kKeysMax,
                                 &a->run.shape.keys);
  }
  if (flag == "--jobs") {
    return ParseNumber<uint32_t>(flag, value, 1, kJobsMax, &a->jobs);
  }
  if (flag == "--memory-max") {
    return ParseNumber<uint32_t>(flag, value, 64, kMemoryMaxMib,
                                 &a->limits.memory_mib);
  }
  if (flag == "--executions") {
    return ParseNumber<uint64_t>(flag, value, 1, kExecutionsMax,
                                 &a->executions_max);
  }
  if (flag == "--duration" || flag == "--budget" || flag == "--around" ||
      flag == "--time-max") {
    return ApplyTime(flag, value, a);
  }
  if (flag == "--without" || flag == "--only") {
    const absl::StatusOr<std::vector<FaultFamily>> families =
        ParseFaultFamilies(value);
    if (!families.ok()) {
      return Annotate(families.status(), flag);
    }
    a->named_families = *families;
    a->run.without =
        flag == "--only" ? OtherFaultFamilies(*families) : *families;
    return absl::OkStatus();
  }
  if (flag == "--scenario") a->scenario = value;
  if (flag == "--html") a->page_out = value;
  if (flag == "--tape-out") a->tape_out = value;
  if (flag == "--history-out") a->history_out = value;
  if (flag == "--trace-out") a->trace_out = value;
  if (flag == "--json") a->json = true;
  if (flag == "--verbose") a->verbose = true;
  if (flag == "--no-faults") a->run.faults = false;
  if (flag == "--defaults") a->run.shape.defaults = true;
  if (flag == "--members") a->run.shape.members = true;
  return absl::OkStatus();
}

// Refuses what is missing, and flags of which one would have no effect.
absl::Status CheckWhole(const SimulateArguments& result,
                        const std::set<std::string>& given) {
  if (result.command == SimulateArguments::Command::kReplay &&
      result.tape_in.empty()) {
    return absl::InvalidArgumentError("replay: expected the path of a tape");
  }
  if (result.command == SimulateArguments::Command::kDiff &&
      result.compared.size() != 2) {
    return absl::InvalidArgumentError(
        "diff: expected two runs, each a seed or the path of a tape");
  }
  if (result.command == SimulateArguments::Command::kShrink &&
      result.compared.size() != 1) {
    return absl::InvalidArgumentError(
        "shrink: expected one failing run, a seed or the path of a tape");
  }
  if (result.command == SimulateArguments::Command::kView &&
      (result.compared.size() != 1 ||
       given.contains("--html") == given.contains("--text"))) {
    return absl::InvalidArgumentError(
        "view: expected one run, a seed or the path of a tape, and --html PAGE "
        "or --text");
  }
  if (result.command == SimulateArguments::Command::kCorpus &&
      result.compared.size() != 1) {
    return absl::InvalidArgumentError(
        "corpus: expected the directory of the tapes");
  }
  if (result.command == SimulateArguments::Command::kExplore &&
      result.scenario.empty()) {
    return absl::InvalidArgumentError(
        "explore: expected --scenario, with a name or the path of a file");
  }
  const bool only = given.contains("--only");
  const bool without = given.contains("--without");
  if (only && without) {
    return absl::InvalidArgumentError(
        "--only and --without: give one of them; --only leaves out all other "
        "families");
  }
  if (given.contains("--no-faults") && (only || without)) {
    return absl::InvalidArgumentError(absl::StrCat(
        only ? "--only" : "--without",
        ": leave it out, or --no-faults, which leaves out all families"));
  }
  return absl::OkStatus();
}

bool TakesValue(const std::string& flag) {
  return flag != "--json" && flag != "--verbose" && flag != "--no-faults" &&
         flag != "--defaults" && flag != "--members" && flag != "--text";
}

bool Allowed(SimulateArguments::Command command, Simulated simulated,
             const std::string& flag) {
  const auto one_of = [&](std::initializer_list<std::string_view> flags) {
    for (const std::string_view f : flags) {
      if (flag == f) return true;
    }
    return false;
  };
  const bool any = one_of({"--duration", "--no-faults", "--without", "--only"});
  const bool shape = one_of({"--nodes", "--groups", "--clients", "--rate",
                             "--keys", "--defaults", "--members"});
  if (simulated == Simulated::kSubject && shape) return false;
  if (flag == "--json") return true;
  const bool world = any || shape;
  switch (command) {
    case SimulateArguments::Command::kRun:
      return world ||
             one_of({"--seed", "--tape-out", "--history-out", "--verbose",
                     "--trace-out", "--time-max", "--memory-max"});
    case SimulateArguments::Command::kSwarm:
      return world || one_of({"--seeds", "--jobs", "--budget", "--time-max",
                              "--memory-max"});
    case SimulateArguments::Command::kReplay:
      return one_of(
          {"--verbose", "--trace-out", "--tape-out", "--history-out"});
    case SimulateArguments::Command::kDiff:
      return world;
    case SimulateArguments::Command::kShrink:
      return world || one_of({"--jobs", "--budget", "--tape-out", "--verbose"});
    case SimulateArguments::Command::kCorpus:
      return one_of({"--jobs"});
    case SimulateArguments::Command::kExplore:
      return one_of(
          {"--scenario", "--executions", "--jobs", "--seed", "--tape-out"});
    case SimulateArguments::Command::kView:
      return world || one_of({"--html", "--text", "--around"});
    case SimulateArguments::Command::kHelp:
      break;
  }
  return false;
}

std::optional<SimulateArguments::Command> CommandNamed(
    const std::string& name) {
  for (const std::string_view help : {"help", "--help", "-h"}) {
    if (name == help) return SimulateArguments::Command::kHelp;
  }
  if (name == "run") return SimulateArguments::Command::kRun;
  if (name == "swarm") return SimulateArguments::Command::kSwarm;
  if (name == "replay") return SimulateArguments::Command::kReplay;
  if (name == "diff") return SimulateArguments::Command::kDiff;
  if (name == "shrink") return SimulateArguments::Command::kShrink;
  if (name == "view") return SimulateArguments::Command::kView;
  if (name == "corpus") return SimulateArguments::Command::kCorpus;
  if (name == "explore") return SimulateArguments::Command::kExplore;
  return std::nullopt;
}

// Words without a flag name runs, or a directory.
bool NamesRuns(SimulateArguments::Command command) {
  using Command = SimulateArguments::Command;
  return command == Command::kDiff || command == Command::kShrink ||
         command == Command::kView || command == Command::kCorpus;
}

constexpr size_t kUsageColumns = 80;

constexpr char kCommands[] =
    "  run      runs one seed and prints a report\n"
    "  swarm    runs many seeds and reports how often each fault happened\n"
    "  replay   repeats the run of a tape\n"
    "  diff     shows the first event in which two runs differ, and its "
    "causes\n"
    "  shrink   makes the tape of a failing run small\n"
    "  view     shows a run as a page, or as text\n"
    "  corpus   runs kept tapes, and says which do no longer what they were "
    "kept for\n"
    "  explore  tries all executions of a small scenario\n"
    "\n";
constexpr char kStoreUsage[] =
    "simulate run     --scenario replication|scaling|partition|failover "
    "[--seed N]\n"
    "                 [--narrate]\n"
    "simulate run     --seed N [--nodes N] [--groups N] [--duration 60s] "
    "[--clients N]\n"
    "                 [--rate N] [--keys N] [--defaults] [--members]\n"
    "                 [--no-faults] [--without FAMILIES] [--only "
    "FAMILIES] "
    "[--tape-out "
    "FILE]\n"
    "                 [--trace-out FILE] [--history-out FILE] [--verbose] "
    "[--json]\n"
    "                 [--time-max 180s] [--memory-max 4096]\n"
    "simulate swarm   --seeds A..B [--jobs N] [--nodes …] [--groups …] "
    "[--duration …]\n"
    "                 [--clients …] [--rate …] [--keys …] [--defaults] "
    "[--members]\n"
    "                 [--no-faults] [--without …] [--only …] "
    "[--budget 60s]\n"
    "                 [--time-max 180s] [--memory-max 4096] [--json]\n"
    "simulate replay  TAPE [--verbose] [--trace-out FILE] [--tape-out FILE]\n"
    "                 [--history-out FILE] [--json]\n"
    "simulate diff    SEED|TAPE SEED|TAPE [--nodes …] [--groups …] and so on\n"
    "simulate shrink  SEED|TAPE [--budget 60s] [--jobs N] [--tape-out FILE] "
    "[--nodes …]\n"
    "simulate view    SEED|TAPE --html PAGE|--text [--around 12.5s|EVENT] "
    "[--nodes "
    "…]\n"
    "simulate corpus  DIRECTORY [--jobs N]\n"
    "simulate explore --scenario FILE|NAME [--executions N] [--jobs N] [--seed "
    "N]\n"
    "                 [--tape-out FILE] [--json]\n"
    "\n"
    "The seed draws each of --nodes, --groups, --duration, --clients, --rate "
    "and --keys\n"
    "that has no value. --duration is in simulated time; --rate is the "
    "requests "
    "of all\n"
    "clients per second; --keys is the number of keys of each kind in use at a "
    "time.\n"
    "The seed draws the settings of nodes, clients, links and disks, too. With "
    "--defaults\n"
    "it draws none of these, and faults alone. In some of the seeds nodes and "
    "groups\n"
    "come and go, and slots move; with --members they do in all.\n";
constexpr char kSubjectUsage[] =
    "run     --seed N [--duration 60s] [--no-faults] [--without FAMILIES]\n"
    "        [--only FAMILIES] [--tape-out FILE] [--trace-out FILE] "
    "[--history-out FILE]\n"
    "        [--time-max 180s] [--memory-max 4096] [--verbose] [--json]\n"
    "swarm   --seeds A..B [--jobs N] [--duration …] [--no-faults] "
    "[--without …]\n"
    "        [--only …] [--budget 60s] [--time-max 180s] [--memory-max 4096] "
    "[--json]\n"
    "replay  TAPE [--tape-out FILE] [--trace-out FILE] [--history-out FILE] "
    "[--verbose]\n"
    "        [--json]\n"
    "diff    SEED|TAPE SEED|TAPE [--duration …] [--no-faults] and so on\n"
    "shrink  SEED|TAPE [--budget 60s] [--jobs N] [--tape-out FILE] and so on\n"
    "view    SEED|TAPE --html PAGE|--text [--around 12.5s|EVENT] and so on\n"
    "corpus  DIRECTORY [--jobs N]\n"
    "explore --scenario FILE|NAME [--executions N] [--jobs N] [--seed N]\n"
    "        [--tape-out FILE] [--json]\n"
    "\n"
    "The seed draws --duration, in simulated time, if it has no value.\n";
constexpr char kOutputs[] =
    "Without --jobs each core has a process.\n"
    "explore stops at the first violation, and after 100000 executions if "
    "--executions\n"
    "has no value. FILE has the lines of docs/testing/explore.md; NAME is "
    "election,\n"
    "slot-move or two-removals. The seed draws the timeouts of elections.\n"
    "shrink, and swarm for the first failure of each kind, write the smallest "
    "tape that\n"
    "they find within --budget, by the clock; --budget 0s shrinks none. "
    "shrink --verbose\n"
    "prints a line for each smaller tape.\n"
    "A run that takes more than --time-max of the processor, beside "
    "--duration, "
    "or more\n"
    "than --memory-max, in MiB, is ended and counts as a violation.\n"
    "--without leaves these families of faults out, --only leaves out all "
    "others. The\n"
    "seed draws which of the rest a run has.\n"
    "--trace-out writes one line per event, --tape-out the choices of the run; "
    "--verbose\n"
    "prints the nodes' logs. --history-out writes the clients' history for "
    "//:lincheck.";
constexpr char kStatus[] =
    "\n"
    "\n"
    "--version prints the version.\n"
    "\n"
    "Exit status: 0 no violation, 1 a violation, 2 wrong usage, or a file or "
    "standard\n"
    "output that cannot be written; of diff: 0 equal, 1 different.\n";

// The paragraph that lists the families of faults.
std::string FaultFamiliesUsage() {
  std::string text = "FAMILIES of faults are separated by commas:";
  size_t width = text.size();
  for (const FaultFamily family : OtherFaultFamilies({})) {
    const std::string name(FaultFamilyName(family));
    const bool fits = width + 2 + name.size() < kUsageColumns;
    absl::StrAppend(&text, fits ? " " : "\n", name, ",");
    width = (fits ? width + 1 : 0) + name.size() + 1;
  }
  text.back() = '.';
  return text + "\n";
}

}  // namespace

std::string Usage(Simulated simulated) {
  const bool store = simulated == Simulated::kStore;
  return absl::StrCat(
      store ? "simulate runs a cluster of nodes in a deterministic simulation "
              "with faults and checks the results.\n\n"
            : "Runs a deterministic simulation with faults and checks the "
              "results.\n\n",
      kCommands, store ? kStoreUsage : kSubjectUsage, FaultFamiliesUsage(),
      kOutputs, kStatus);
}

absl::StatusOr<Duration> ParseDuration(std::string_view text) {
  const std::optional<int64_t> ms = ParseDurationMs(text);
  if (!ms.has_value() || *ms > RunOptions::kDurationMax.ms()) {
    return Expected("--duration",
                    "a time such as 60s, 250ms or 2m, at most a week", text);
  }
  return Milliseconds(*ms);
}

absl::Status ParseSeeds(std::string_view text, uint64_t* first,
                        uint64_t* last) {
  const size_t dots = text.find("..");
  const std::string_view begin = text.substr(0, dots);
  const std::string_view end =
      dots == std::string_view::npos ? begin : text.substr(dots + 2);
  if (!absl::SimpleAtoi(View(begin), first) ||
      !absl::SimpleAtoi(View(end), last) || *first > *last ||
      *last - *first >= 100'000'000) {
    return Expected("--seeds", "a range such as 1..500", text);
  }
  return absl::OkStatus();
}

absl::StatusOr<SimulateArguments> ParseArguments(
    const std::vector<std::string>& arguments, Simulated simulated) {
  SimulateArguments result;
  std::set<std::string> given;
  if (arguments.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("expected ", kCommandNames));
  }
  const std::string& command = arguments[0];
  const std::optional<SimulateArguments::Command> named = CommandNamed(command);
  if (!named.has_value()) {
    return Expected("command", kCommandNames, command);
  }
  result.command = *named;
  if (*named == SimulateArguments::Command::kHelp) return result;
  for (size_t i = 1; i < arguments.size(); ++i) {
    std::string flag = arguments[i];
    if (flag == "--help" || flag == "-h") return SimulateArguments{};
    if (flag.rfind("--", 0) != 0 && NamesRuns(result.command)) {
      result.compared.push_back(flag);
      continue;
    }
    if (flag.rfind("--", 0) != 0) {
      if (result.command != SimulateArguments::Command::kReplay ||
          !result.tape_in.empty()) {
        return Expected("arguments", "a flag", flag);
      }
      result.tape_in = flag;
      continue;
    }
    std::string value;
    const size_t equals = flag.find('=');
    const bool attached = equals != std::string::npos;
    if (attached) {
      value = flag.substr(equals + 1);
      flag.resize(equals);
    }
    if (!Allowed(result.command, simulated, flag)) {
      return absl::InvalidArgumentError(
          absl::StrCat("unknown flag ", flag, " of ", command));
    }
    if (attached && !TakesValue(flag)) {
      return Expected(flag, "no value", value);
    }
    if (TakesValue(flag) && !attached) {
      // The next flag is not a value. A value that begins with -- needs the
      // form --flag=--value.
      if (i + 1 < arguments.size() && arguments[i + 1].rfind("--", 0) != 0) {
        value = arguments[++i];
      }
    }
    if (TakesValue(flag) && value.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat(flag, ": expected a value"));
    }
    if (!given.insert(flag).second) {
      return absl::InvalidArgumentError(
          absl::StrCat(flag, ": given twice; give it once"));
    }
    const absl::Status status = Apply(flag, value, &result);
    if (!status.ok()) return status;
  }
  const absl::Status whole = CheckWhole(result, given);
  if (!whole.ok()) return whole;
  return result;
}

}  // namespace quorate::sim

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "sim/tools/page/causes.h"
#include "sim/tools/page/page.h"

namespace quorate::sim {
namespace {

using Kind = Observation::Kind;

constexpr char kLegend[] =
    "^ starts   x ends   ! fault   # deed of the schedule or an operator\n"
    "* begins to lead   ~ another role or term   + first replica applies\n"
    "- entries cut off or replaced   ? warning in a log\n"
    "> a client calls   < its answer\n";

char SymbolOf(const ViewedRun& run, const TraceRecord& record) {
  switch (record.kind) {
    case TraceKind::kBoot:
      return run.IsNode(record.machine) ? '^' : ' ';
    case TraceKind::kCrash:
      return 'x';
    case TraceKind::kFault:
    case TraceKind::kPartitionBegins:
    case TraceKind::kPartitionEnds:
      return '!';
    case TraceKind::kLead:  // The replica says so, too.
      return run.IsNode(record.machine) ? ' ' : '*';
    case TraceKind::kDeed:
    case TraceKind::kPlan:
      return '#';
    default:
      return ' ';
  }
}

class Lines {
 public:
  explicit Lines(const ViewedRun& run) : run_(run) {}

  void AddRecords() {
    for (size_t i = run_.begin(); i < run_.end(); ++i) {
      const TraceRecord& record = run_.trace()[i];
      const char symbol = SymbolOf(run_, record);
      if (symbol == ' ' || IsRepeated(record)) continue;
      Add(record.time, i + 1, symbol, run_.NameOf(record.machine),
          run_.WordsOf(record));
    }
  }

  void AddObservations() {
    for (const Observation* const one : run_.shown()) {
      const std::string name = run_.NameOf(one->machine);
      switch (one->kind) {
        case Kind::kReplica:
          AddReplica(*one, name);
          break;
        case Kind::kEntry:
          AddEntry(*one, name);
          break;
        case Kind::kLog:
          if (one->subject == "warning") {
            Add(one->time, one->after, '?', name, one->words);
          }
          break;
        default:
          break;
      }
    }
  }

  void AddCalls() {
    for (const ViewedCall& call : run_.calls()) {
      if (!run_.Shows(call)) continue;
      if (call.begin_record > run_.begin()) {
        Add(call.begin, call.begin_record, '>', call.client, call.words);
      }
      if (!call.end.has_value() || call.end_record > run_.end()) continue;
      Add(*call.end, call.end_record, '<', call.client,
          absl::StrCat(call.words, " → ",
                       call.outcome == "answer" ? call.answer : call.outcome));
    }
  }

  std::string Take() {
    std::ranges::stable_sort(lines_, {}, &Line::record);
    CountRepeated();
    std::string text;
    for (const Line& line : lines_) {
      char seconds[32];
      std::snprintf(seconds, sizeof(seconds), "%11.6f s  ",
                    static_cast<double>(line.time.ns()) / 1e9);
      absl::StrAppend(
          &text, seconds, line.words,
          line.times > 1 ? absl::StrCat(", ", line.times, " times") : "", "\n");
    }
    return text;
  }

 private:
  struct Line {
    SimTime time;
    uint64_t record = 0;
    std::string words;
    int times = 1;
  };

  // Equal faults with nothing but faults between them have one line.
  void CountRepeated() {
    std::map<std::string, size_t> known;
    size_t kept = 0;
    for (Line& line : lines_) {
      if (!line.words.starts_with('!')) {
        known.clear();
      } else if (const auto [at, fresh] = known.insert({line.words, kept});
                 !fresh) {
        ++lines_[at->second].times;
        continue;
      }
      if (&lines_[kept] != &line) lines_[kept] = std::move(line);
      ++kept;
    }
    lines_.resize(kept);
  }

  void Add(SimTime time, uint64_t record, char symbol, const std::string& who,
           const std::string& words) {
    lines_.push_back(
        {time, record,
         absl::StrCat(std::string(1, symbol), " ", who, "  ", words)});
  }

  void AddReplica(const Observation& one, const std::string& name) {
    std::string& known = headlines_[{one.machine.value(), one.subject}];
    const bool fresh = known.empty();
    if (std::exchange(known, one.headline) == one.headline) return;
    if (one.after <= run_.begin()) return;
    if (fresh && one.headline.starts_with("follower of term")) return;
    Add(one.time, one.after, one.headline.starts_with("leader") ? '*' : '~',
        name, absl::StrCat(one.subject, ": ", one.headline, ", ", one.words));
  }

  void AddEntry(const Observation& one, const std::string& name) {
    const bool applied = one.headline.starts_with("applied");
    if (one.headline.starts_with("appended")) return;
    if (applied && !applied_.insert(one.subject).second) return;
    Add(one.time, one.after, applied ? '+' : '-', name,
        absl::StrCat(one.subject, ", ", one.headline, ": ", one.words));
  }

  const ViewedRun& run_;
  std::vector<Line> lines_;
  // By machine and subject.
  std::map<std::pair<uint32_t, std::string>, std::string> headlines_;
  std::set<std::string> applied_;
};

std::string LastStates(const ViewedRun& run) {
  std::map<std::pair<uint32_t, std::string>, const Observation*> last;
  for (const Observation* const one : run.shown()) {
    if (one->kind != Kind::kReplica) continue;
    last[{one->machine.value(), one->subject}] = one;
  }
  std::string text;
  for (const auto& [key, one] : last) {
    absl::StrAppend(&text, "  ", run.NameOf(one->machine), "  ", one->subject,
                    ": ", one->headline, one->words.empty() ? "" : ", ",
                    one->words, "\n");
  }
  return text;
}

}  // namespace

std::string RunText(const RunPageInput& input) {
  const Causes causes = CausesOf(ViewedRun(input));
  RunPageInput around = input;
  if (!input.around.has_value() && input.around_record == 0) {
    around.around_record = causes.focus;
  }
  const ViewedRun run(around);
  Lines lines(run);
  lines.AddRecords();
  lines.AddObservations();
  lines.AddCalls();
  std::string text = absl::StrCat(input.title, "\n", kLegend, lines.Take());
  absl::StrAppend(&text, "\nthe replicas at the end of this part:\n",
                  LastStates(run));
  for (const std::string& violation : input.violations) {
    absl::StrAppend(&text, "\nviolation: ", violation, "\n");
  }
  if (!causes.list.empty()) text += "\nback along its causes:\n";
  for (const Cause& cause : causes.list) {
    absl::StrAppend(&text, std::string(2 + 2 * cause.depth, ' '), cause.words,
                    cause.violates ? "   <- the violation" : "", "\n");
  }
  const size_t shown = run.end() - run.begin();
  if (run.trace().size() > shown) {
    absl::StrAppend(&text, run.trace().size() - shown,
                    " other events are left out; see --around\n");
  }
  return text;
}

}  // namespace quorate::sim

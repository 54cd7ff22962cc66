// sim/harness/report.h: the results of one randomized run, as a value, as text
// for people, and as one line of JSON.
//
// The JSON is a contract with the users of `simulate`.
#ifndef QUORATE_SIM_HARNESS_REPORT_H_
#define QUORATE_SIM_HARNESS_REPORT_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "env/time.h"
#include "sim/checks/state_witness.h"
#include "sim/harness/harness.h"

namespace quorate::sim {

struct RunReport {
  uint64_t seed = 0;
  std::vector<std::string> violations;
  std::string trace_hash;  // 32 hexadecimal digits.
  Duration virtual_time;
  Duration wall_time;  // Filled in by the caller, which has a clock.
  uint64_t events = 0;
  // Their numbers by kind, such as "timer" (TraceKindName).
  std::map<std::string, uint64_t> events_by_kind;
  // In a line, the work of a user's subject, or of the operators of a store
  // whose members change. Runs of the store have numbers of operations below.
  std::string summary;
  bool cut_off = false;     // The time of a scenario passed before its end.
  uint64_t core_steps = 0;  // Inputs that a raft::Core handled.
  // Operations by outcome.
  uint64_t operations = 0;
  uint64_t succeeded = 0;
  uint64_t refused = 0;  // Not executed.
  uint64_t unknown = 0;
  uint64_t stale_reads = 0;
  uint64_t leader_changes = 0;
  uint64_t entries = 0;    // Entries applied by all replicas together.
  uint64_t histories = 0;  // Keys whose history was checked.
  // Histories for which the search was given up. The order of the log alone
  // decided them.
  uint64_t decided_by_log_alone = 0;
  uint64_t digests_compared = 0;
  uint64_t expired = 0;  // Keys that expired.
  // Operations whose place in the order of their connection was checked.
  uint64_t ordered = 0;
  std::map<std::string, uint64_t> functions;  // Successful operations by kind.
  // Kinds that occurred, with their counts.
  std::map<std::string, uint64_t> faults;
  // Marks reached (env::Tracer::Sometimes).
  std::map<std::string, uint64_t> marks;
  // How often each rule was evaluated, also those that were not, by names
  // without a space.
  std::map<std::string, uint64_t> checks;
  // Shape and settings as "site=value", such as "shape.nodes=5", with the
  // number of draws of the value. Values that a draw could have had instead are
  // listed with 0. So are the families of faults ("family.loss") that are off,
  // but not those that the run cannot have.
  std::map<std::string, uint64_t> drawn;
  // The last events before the first violation, a line each: starts, crashes,
  // leaderships, deeds of the schedule and of operators. Empty: there is none.
  std::vector<std::string> story;
  // Lines of the replayed tape that had no effect.
  uint64_t unused_lines = 0;
  // Where the states of two replicas differed first. None: nowhere.
  StatePlace diverged;
  // Files that could not be written.
  std::vector<std::string> unwritten;

  bool ok() const { return violations.empty(); }
};

// The parts of the report that all runs have.
RunReport ReportOf(const World& world);
RunReport ReportOf(const Harness& harness);

// Text of several lines for people.
std::string FormatReport(const RunReport& report);
// One JSON object without a line break, with seed, ok, trace_hash,
// virtual_seconds, wall_seconds, events, operations, faults, leader_changes,
// violations and more.
std::string ReportToJson(const RunReport& report);
// The object of a command line that is wrong: {"error":"…"}.
std::string ErrorToJson(std::string_view error);

// A text form that passes a report from one process to another.
std::string EncodeReport(const RunReport& report);
absl::StatusOr<RunReport> DecodeReport(std::string_view text);

// The sum of many runs.
struct SwarmReport {
  uint64_t runs = 0;
  std::vector<uint64_t> failing_seeds;  // Sorted.
  Duration wall_time;
  uint64_t events = 0;
  Duration virtual_time;
  uint64_t operations = 0;
  uint64_t succeeded = 0;
  uint64_t refused = 0;
  uint64_t unknown = 0;
  uint64_t histories = 0;
  uint64_t decided_by_log_alone = 0;
  // The number of runs in which each fault and mark occurred. Faults and marks
  // that every swarm should reach are listed even with 0.
  std::map<std::string, uint64_t> faults;
  std::map<std::string, uint64_t> marks;
  // The number of runs that evaluated each rule, even 0.
  std::map<std::string, uint64_t> checks;
  // The number of runs in which each shape and setting was drawn, even 0.
  std::map<std::string, uint64_t> drawn;

  // Has every kind of fault and each of these marks and points of env::Buggify,
  // with 0.
  static SwarmReport Empty(absl::Span<const std::string_view> marks,
                           absl::Span<const std::string_view> points);
  void Add(const RunReport& report);
  // Faults, marks and points of env::Buggify that no run reached.
  std::vector<std::string> Unreached() const;
  // Rules that no run evaluated.
  std::vector<std::string> Unevaluated() const;
};
std::string FormatSwarm(const SwarmReport& swarm);
std::string SwarmToJson(const SwarmReport& swarm);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_HARNESS_REPORT_H_

// sim/run/report.h: what one randomized run did, as a value, as text for people, and as one line of JSON.
//
// Its JSON is a contract with whoever runs `simulate`.
#ifndef QUORATE_SIM_RUN_REPORT_H_
#define QUORATE_SIM_RUN_REPORT_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "env/time.h"

namespace quorate::sim {

struct RunReport {
  uint64_t seed = 0;
  std::vector<std::string> violations;
  std::string trace_hash;  // 32 hexadecimal digits.
  Duration virtual_time;
  Duration wall_time;  // Filled in by whoever has a clock.
  uint64_t events = 0;
  // Operations by outcome.
  uint64_t operations = 0;
  uint64_t succeeded = 0;
  uint64_t refused = 0;  // Certainly not done.
  uint64_t unknown = 0;
  uint64_t stale_reads = 0;
  uint64_t leader_changes = 0;
  uint64_t entries = 0;    // Applied, all replicas together.
  uint64_t histories = 0;  // Keys whose history was judged.
  uint64_t undecided = 0;  // Of them: given up by the checker's budget.
  uint64_t digests_compared = 0;
  uint64_t expired = 0;  // Keys whose time was over.
  uint64_t ordered =
      0;  // Operations whose place among those of their connection was judged.
  std::map<std::string, uint64_t> functions;  // Successful operations by kind.
  std::map<std::string, uint64_t> faults;     // By kind; only what happened.
  std::map<std::string, uint64_t> marks;      // "Sometimes" marks reached.

  bool ok() const { return violations.empty(); }
};

// Several lines.
std::string FormatReport(const RunReport& report);
// One object, without a line break: seed, ok, trace_hash, virtual_seconds, wall_seconds, events, operations, faults,
// leader_changes, violations and more.
std::string ReportToJson(const RunReport& report);

// For passing a report from one process to another.
std::string EncodeReport(const RunReport& report);
absl::StatusOr<RunReport> DecodeReport(std::string_view text);

// Many runs.
struct SwarmReport {
  uint64_t runs = 0;
  std::vector<uint64_t> failing_seeds;  // Sorted.
  Duration wall_time;
  uint64_t events = 0;
  Duration virtual_time;
  uint64_t operations = 0;
  uint64_t succeeded = 0;
  uint64_t undecided = 0;
  // In how many runs each was reached; rare situations that are known by name stand here with 0 too.
  std::map<std::string, uint64_t> faults;
  std::map<std::string, uint64_t> marks;

  // Every fault kind and every situation that runs are meant to reach, with 0.
  static SwarmReport Empty();
  void Add(const RunReport& report);
};
std::string FormatSwarm(const SwarmReport& swarm);
std::string SwarmToJson(const SwarmReport& swarm);

// A JSON string with its quotes.
std::string JsonString(std::string_view text);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_RUN_REPORT_H_

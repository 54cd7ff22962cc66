#include "sim/tools/choice_kind.h"

#include <algorithm>
#include <iterator>
#include <string_view>

#include "absl/strings/match.h"

namespace quorate::sim {
namespace {

// Most lines of a tape are such ones, and few failures need them.
constexpr std::string_view kNoise[] = {
    "net.jitter",         "stream.jitter",  "stream.split",
    "stream.split_delay", "disk.jitter",    "loop.timers_first",
    "loop.order",         "loop.hiccup",    "client.server",
    "shadow.of_start",    "shadow.of_mark",
};

constexpr std::string_view kOperations[] = {
    "workload.operation",
    "workload.simple_operation",
    "workload.watch_operation",
    "workload.multi_key_operation",
    "workload.command",
    "workload.request",
    "operator.verb",
    "operator.act",
    "operator.rolling_restart",
    "members.act",
    "wrong_request.asks",
};

constexpr std::string_view kFaults[] = {
    "buggify.fire",
    "disk.loss",
    "disk.lost_entry",
    "disk.read_error",
    "disk.slow",
    "disk.sync_error",
    "disk.write_error",
    "disk.writeback_error",
    "foreign_node.runs",
    "members.cut_change",
    "members.interrupts_move",
    "net.fate",
    "net.late",
    "net.spike",
    "operator.client_reads_late",
    "operator.contradictory_file",
    "operator.controller_loss",
    "operator.invalid_file",
    "operator.outdated_file",
    "operator.wrong_map",
    "schedule.aftershock",
    "schedule.drop",
    "schedule.window",
    "shadow.mishap",
    "stream.connect",
    "stream.reset",
    "workload.client_crash_ms",
    "workload.client_loses_power",
    "workload.client_pause_ms",
};

// A moment (sim/schedule/fault_triggers.h) has sixteen choices. Two of them say
// whether a fault is there.
constexpr uint64_t kMomentChoices = 16;
bool IsFaultOfAMoment(uint64_t counter) {
  return counter % kMomentChoices == 0 || counter % kMomentChoices == 13;
}

constexpr std::string_view kSettings[] = {"shape.", "knob.",    "client.",
                                          "swarm.", "subject.", "harness."};

template <size_t N>
bool IsOneOf(std::string_view site, const std::string_view (&sites)[N]) {
  return std::ranges::find(sites, site) != std::end(sites);
}

}  // namespace

ChoiceKind KindOf(const TapeChoice& choice) {
  if (IsOneOf(choice.site, kNoise)) return ChoiceKind::kNoise;
  if (IsOneOf(choice.site, kOperations)) return ChoiceKind::kOperation;
  if (IsOneOf(choice.site, kFaults)) return ChoiceKind::kFault;
  if (choice.site == "schedule.moment") {
    return IsFaultOfAMoment(choice.counter) ? ChoiceKind::kFault
                                            : ChoiceKind::kDetail;
  }
  for (const std::string_view prefix : kSettings) {
    if (absl::StartsWith(choice.site, {prefix.data(), prefix.size()})) {
      return ChoiceKind::kSetting;
    }
  }
  return ChoiceKind::kDetail;
}

ChoiceCounts CountChoices(const Tape& tape) {
  ChoiceCounts counts;
  for (const TapeChoice& choice : tape.choices) {
    const ChoiceKind kind = KindOf(choice);
    counts.operations += kind == ChoiceKind::kOperation;
    counts.faults += kind == ChoiceKind::kFault;
  }
  return counts;
}

}  // namespace quorate::sim

#include "sim/run/run_report.h"

#include "absl/strings/str_cat.h"

namespace quorate::sim {

void AddResults(const Checkers& checkers, RunReport* report) {
  const Recorder& recorder = checkers.recorder;
  const Recorder::Counts& counts = recorder.counts();
  report->diverged = checkers.replicas.diverged();
  report->core_steps = checkers.cluster.core_steps();
  report->operations = counts.invoked;
  report->succeeded = counts.succeeded;
  report->refused = counts.refused;
  report->unknown = counts.unknown;
  report->stale_reads = counts.stale_reads;
  report->leader_changes = checkers.replicas.leader_changes();
  report->entries = checkers.replicas.applied_entries();
  report->histories = recorder.checker().partitions();
  report->decided_by_log_alone = recorder.given_up();
  report->digests_compared = checkers.replicas.digests_compared();
  report->expired = recorder.expired();
  report->ordered =
      recorder.order().writes_checked() + recorder.order().reads_checked();
  report->functions = recorder.succeeded_by_function();
  if (checkers.members == nullptr) return;
  const MoveChecker& moves = recorder.log().moves();
  report->summary =
      absl::StrCat(checkers.members->Summary(), ", ", moves.activated(),
                   " moves, ", moves.thawed(), " thawed, frozen for at most ",
                   moves.frozen_longest().ms(), " ms without faults");
}

}  // namespace quorate::sim

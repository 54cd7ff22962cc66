#include "sim/run/run_report.h"

#include "absl/strings/str_cat.h"

namespace quorate::sim {

std::map<std::string, uint64_t> Evaluated(const Checkers& checkers) {
  const Recorder& recorder = checkers.recorder;
  const LogChecker::Checked& log = recorder.log().checked();
  const ConnectionOrderChecker& order = recorder.order();
  const MultiKeyChecker& several = recorder.multi_keys();
  const MoveChecker& moves = recorder.log().moves();
  const MemberRules::Checked members =
      checkers.members == nullptr ? MemberRules::Checked()
                                  : checkers.members->rules().checked();
  return {
      // Clients.
      {"linearizability", recorder.checker().partitions()},
      {"linearizability_by_the_log", log.reads},
      {"log", log.writes},
      {"acknowledged", log.acknowledged},
      {"refused", log.refused},
      {"stale_read", recorder.stale_reads().checked()},
      {"order_of_reads", order.reads_checked()},
      {"order_of_writes", order.writes_checked()},
      {"expiry", recorder.expiry().replies_checked()},
      {"log_time", recorder.expiry().log_times_checked()},
      {"several_keys", several.reads_checked()},
      {"several_keys_of_a_group", several.group_reads_checked()},
      {"scan", several.scans_checked()},
      {"watch", recorder.watches().executed()},
      {"availability", recorder.availability().waits_checked()},
      {"availability_in_a_calm",
       recorder.availability().calm_answers_checked()},
      {"unknown_outcome", recorder.unknown_checked()},
      // The cluster.
      {"election_safety", checkers.replicas.leader_changes()},
      {"state_machine_safety", checkers.replicas.applied_entries()},
      {"durability", checkers.replicas.majorities_checked()},
      {"digest", checkers.replicas.digests_compared()},
      {"shadow_recovery", checkers.cluster.shadow_starts()},
      {"check-quorum", checkers.cluster_checks.leaders_checked()},
      {"leader", checkers.cluster_checks.known_leaders_checked()},
      {"resources", checkers.resources.checked()},
      {"resources_of_the_log", checkers.log_space.checked()},
      // Members and moves.
      {"slots", moves.steps()},
      {"slots_of_a_canceled_move", moves.thawed()},
      {"majority", members.voters},
      {"learner", members.new_voters},
      {"report", members.reports},
      {"recovery", members.recoveries},
      {"copies", members.decisions},
      {"refusal",
       checkers.members == nullptr ? 0 : checkers.members->rules().answers()},
  };
}

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
  report->checks = Evaluated(checkers);
  if (checkers.members == nullptr) return;
  const MoveChecker& moves = recorder.log().moves();
  report->summary =
      absl::StrCat(checkers.members->Summary(), ", ", moves.activated(),
                   " moves, ", moves.thawed(), " thawed, frozen for at most ",
                   moves.frozen_longest().ms(), " ms without faults");
}

}  // namespace quorate::sim

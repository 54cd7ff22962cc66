// sim/run/run_report.h: the part of a report that the checkers of a run of the
// store fill in.
#ifndef QUORATE_SIM_RUN_RUN_REPORT_H_
#define QUORATE_SIM_RUN_RUN_REPORT_H_

#include "sim/checks/recorder.h"
#include "sim/checks/replica_checker.h"
#include "sim/cluster/cluster.h"
#include "sim/harness/report.h"
#include "sim/members/member_changes.h"

namespace quorate::sim {

struct Checkers {
  const Recorder& recorder;
  const ReplicaChecker& replicas;
  const Cluster& cluster;
  const MemberChanges* members = nullptr;  // Null: members stay.
};

void AddResults(const Checkers& checkers, RunReport* report);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_RUN_RUN_REPORT_H_

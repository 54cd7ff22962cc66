// sim/run/run_report.h: the part of a report that the checkers of a run of the
// store fill in.
#ifndef QUORATE_SIM_RUN_RUN_REPORT_H_
#define QUORATE_SIM_RUN_RUN_REPORT_H_

#include <cstdint>
#include <map>
#include <string>

#include "sim/checks/log_space_checker.h"
#include "sim/checks/recorder.h"
#include "sim/checks/replica_checker.h"
#include "sim/cluster/cluster.h"
#include "sim/cluster/cluster_checks.h"
#include "sim/harness/report.h"
#include "sim/members/member_changes.h"
#include "sim/resources/resource_checker.h"

namespace quorate::sim {

struct Checkers {
  const Recorder& recorder;
  const ReplicaChecker& replicas;
  const Cluster& cluster;
  const ClusterChecks& cluster_checks;
  const ResourceChecker& resources;
  const LogSpaceChecker& log_space;
  const MemberChanges* members = nullptr;  // Null: members stay.
};

void AddResults(const Checkers& checkers, RunReport* report);

// How often each rule was evaluated, by its name in docs/testing/checkers.md,
// with '_' for spaces. Rules that were not have 0.
std::map<std::string, uint64_t> Evaluated(const Checkers& checkers);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_RUN_RUN_REPORT_H_

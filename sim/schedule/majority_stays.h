// sim/schedule/majority_stays.h: whether a group keeps its majorities when
// replicas are lost for good. Faults and operators lose no more than that.
#ifndef QUORATE_SIM_SCHEDULE_MAJORITY_STAYS_H_
#define QUORATE_SIM_SCHEDULE_MAJORITY_STAYS_H_

#include "absl/functional/function_ref.h"
#include "raft/core/types.h"

namespace quorate::sim {

// Whether a majority of the voters stays, and one of the outgoing voters.
bool MajorityStays(const raft::Configuration& configuration,
                   absl::FunctionRef<bool(const raft::Member&)> stays);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_SCHEDULE_MAJORITY_STAYS_H_

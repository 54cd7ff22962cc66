// sim/run/timeline.h: faults and leaderships as events on the timeline of a
// history's page (lincheck/page).
//
// The timeline is for people. No check depends on it.
#ifndef QUORATE_SIM_RUN_TIMELINE_H_
#define QUORATE_SIM_RUN_TIMELINE_H_

#include <vector>

#include "lincheck/formats/recording.h"
#include "sim/run/cluster.h"
#include "sim/schedule/schedule.h"

namespace quorate::sim {

// Partitions and the times in which nodes are down have a beginning and an end.
// Other faults are notes. A leader leads until the next leader of its group.
std::vector<lincheck::TimelineEvent> TimelineEventsOf(
    const std::vector<Schedule::Entry>& entries,
    const std::vector<Cluster::Life>& lives,
    const std::vector<Cluster::Leadership>& leaderships);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_RUN_TIMELINE_H_

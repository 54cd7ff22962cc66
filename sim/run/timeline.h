// sim/run/timeline.h: what a schedule did and who led, as events on the axis of time of a history's page (lincheck/page).
//
// For people: nothing is judged by it.
#ifndef QUORATE_SIM_RUN_TIMELINE_H_
#define QUORATE_SIM_RUN_TIMELINE_H_

#include <vector>

#include "lincheck/formats/recording.h"
#include "sim/run/cluster.h"
#include "sim/schedule/schedule.h"

namespace quorate::sim {

// Partitions last until they end, and a node is down from its crash until it begins again; whatever else was done is a note. A
// leader leads until the next one of its group.
std::vector<lincheck::TimelineEvent> TimelineEventsOf(
    const std::vector<Schedule::Entry>& entries,
    const std::vector<Cluster::Life>& lives,
    const std::vector<Cluster::Leadership>& leaderships);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_RUN_TIMELINE_H_

// sim/harness/timeline.h: the story of a run as events on the timeline of a
// history's page (lincheck/page).
//
// The timeline is for people. No check depends on it.
#ifndef QUORATE_SIM_HARNESS_TIMELINE_H_
#define QUORATE_SIM_HARNESS_TIMELINE_H_

#include <string>
#include <vector>

#include "lincheck/formats/recording.h"
#include "sim/choices/trace_hash.h"

namespace quorate::sim {

// Partitions and the times in which nodes are down have a beginning and an end.
// Other faults are notes. A leader leads until the next leader of its group.
// `nodes` has the names of the machines 1, 2 …; other machines are left out.
std::vector<lincheck::TimelineEvent> TimelineEventsOf(
    const std::vector<TraceRecord>& story,
    const std::vector<std::string>& nodes);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_HARNESS_TIMELINE_H_

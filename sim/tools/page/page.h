// sim/tools/page/page.h: a run as a page to look at, and as text.
//
// The page is whole: styles, script and events are in it, and it loads nothing.
// Each machine and each client has a lane. Messages are arrows; calls, faults
// that last, moves of slots and machines that are down are bars. A slider shows
// the state of each replica at a moment. From the violation a list goes back
// along its causes (sim/tools/page/causes.h), and from each event the chain of
// the events before it. A shrunk run fits in whole. If a run is longer, the
// page has the events around a time.
#ifndef QUORATE_SIM_TOOLS_PAGE_PAGE_H_
#define QUORATE_SIM_TOOLS_PAGE_PAGE_H_

#include <cstddef>
#include <string>

#include "sim/tools/page/viewed_run.h"

namespace quorate::sim {

std::string RunPage(const RunPageInput& input);
// A line for each event that mattered, with the calls of clients, then the
// causes of the violation and the last states of the replicas. There are no
// timers, no operations of disks, and messages only if a fault hit them.
std::string RunText(const RunPageInput& input);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_TOOLS_PAGE_PAGE_H_

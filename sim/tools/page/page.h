// sim/tools/page/page.h: a run as a page to look at, and as text.
//
// The page is whole: styles, script and events are in it, and it loads nothing.
// Each machine and each client of the history has a lane. Messages are arrows;
// operations and machines that are down are bars. Each event has the chain of
// its causes. A shrunk run fits in whole. If a run is longer, the page has the
// events around a time.
#ifndef QUORATE_SIM_TOOLS_PAGE_PAGE_H_
#define QUORATE_SIM_TOOLS_PAGE_PAGE_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/choices/sim_time.h"
#include "sim/choices/trace_hash.h"

namespace quorate::sim {

inline constexpr size_t kPageEventsMax = 20'000;

struct RunPageInput {
  std::string title;
  std::vector<std::string> violations;
  // The names of machines, from the first one on.
  std::vector<std::string> names;
  const std::vector<TraceRecord>* trace = nullptr;
  // The clients' history as lines of JSON (lincheck/formats/json_lines.h).
  // Empty: there is none.
  std::string history;
  // The events around this time are shown. Empty: the last ones.
  std::optional<SimTime> around;
};

std::string RunPage(const RunPageInput& input);
// A line for each event that mattered, with the operations of clients: no
// timers, no operations of disks, and messages only if something befell them.
std::string RunText(const RunPageInput& input);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_TOOLS_PAGE_PAGE_H_

// sim/tools/trace_diff.h: the first difference between two traces, with what
// caused the two events.
#ifndef QUORATE_SIM_TOOLS_TRACE_DIFF_H_
#define QUORATE_SIM_TOOLS_TRACE_DIFF_H_

#include <string>
#include <string_view>

namespace quorate::sim {

struct TraceDifference {
  bool equal = false;
  std::string text;  // Some lines for a person.
};

// Compares the lines of TraceRecord::ToString. Causes and words do not count.
TraceDifference CompareTraces(std::string_view a, std::string_view b);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_TOOLS_TRACE_DIFF_H_

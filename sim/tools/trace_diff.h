// sim/tools/trace_diff.h: the first difference between two recorded runs, with
// what caused the two events.
#ifndef QUORATE_SIM_TOOLS_TRACE_DIFF_H_
#define QUORATE_SIM_TOOLS_TRACE_DIFF_H_

#include <string>
#include <string_view>
#include <vector>

namespace quorate::sim {

struct RecordedRun {
  std::string trace;  // The lines of TraceRecord::ToString.
  // How the run ended, if it was not clean: also that it died.
  std::vector<std::string> violations;
};

struct RunDifference {
  bool equal = false;
  std::string text;  // Some lines for a person.
};

// Compares events, then violations. Causes and words of events do not count.
// Runs without an event are not equal, because nothing of them was recorded.
RunDifference CompareRuns(const RecordedRun& a, const RecordedRun& b);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_TOOLS_TRACE_DIFF_H_

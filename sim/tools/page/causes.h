// sim/tools/page/causes.h: from a violation back along its causes.
//
// A violation names keys, groups, indices, moves and nodes. The causes are the
// events of the run that are about them:
//   key            its calls and the nodes that answered; the entries that
//                  wrote it, their leaders, and when they were on which disk
//   group, index   the entries there, and the leaders of the group
//   move           its steps
//   node           its starts, ends and faults
// They are hints for people, not a proof.
#ifndef QUORATE_SIM_TOOLS_PAGE_CAUSES_H_
#define QUORATE_SIM_TOOLS_PAGE_CAUSES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "sim/tools/page/viewed_run.h"

namespace quorate::sim {

struct Cause {
  // 0: a heading. Causes of greater depth belong to the one before them.
  int depth = 0;
  std::string words;
  uint64_t record = 0;    // The record to look at. Zero: none.
  bool violates = false;  // It is the call that the violation names.
};

struct Causes {
  // Below each heading the latest comes first.
  std::vector<Cause> list;
  // The record at which a view begins: that of the call which the violation
  // names, or else the last one.
  uint64_t focus = 0;
};

// Of the first violation; without one, the list is empty.
Causes CausesOf(const ViewedRun& run);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_TOOLS_PAGE_CAUSES_H_

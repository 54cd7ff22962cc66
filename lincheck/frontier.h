// lincheck/frontier.h: decides one partition by keeping, from return to return,
// every configuration that explains what has returned so far (Lowe 2017:
// just-in-time linearization).
//
// A configuration: a state, which of the open operations were placed, which of
// those with unknown outcome were spent. It is left out if another one of the
// same state and placed writes has placed no fewer reads and spent no more. At
// a moment when nothing is open what is carried on is the set of possible
// states. Memory depends on concurrency alone, and nothing is visited twice, so
// that this one is fast where a history is wrong; where it is right, a depth
// first search may find one order without looking at the others.
#ifndef QUORATE_LINCHECK_FRONTIER_H_
#define QUORATE_LINCHECK_FRONTIER_H_

#include <memory>

#include "lincheck/search.h"
#include "lincheck/search_plan.h"

namespace quorate::lincheck {

// kUnknown also where too many operations are open at once. `plan` must outlive
// it.
std::unique_ptr<SearchWay> SearchByFrontier(const SearchPlan& plan,
                                            const SearchOptions& options);

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_FRONTIER_H_

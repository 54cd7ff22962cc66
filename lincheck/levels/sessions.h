// lincheck/levels/sessions.h: the guarantees of single sessions in one
// partition, of whose writes is known what each saw. For
// lincheck/levels/levels.h alone.
//
// Each guarantee says of some states that one does not come after another.
// Versions say the whole order of states; without them a write comes after the
// state that it saw. An order that keeps the guarantee exists if and only if
// these relations have no cycle.
#ifndef QUORATE_LINCHECK_LEVELS_SESSIONS_H_
#define QUORATE_LINCHECK_LEVELS_SESSIONS_H_

#include <vector>

#include "lincheck/history.h"
#include "lincheck/levels/levels.h"
#include "lincheck/levels/version_order.h"
#include "lincheck/model.h"

namespace quorate::lincheck {

// Of kSessions and each one that follows it, in the order of ConsistencyLevel.
// `order` is known.
std::vector<LevelVerdict> CheckSessions(const History& history,
                                        const Model& model,
                                        const VersionOrder& order);

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_LEVELS_SESSIONS_H_

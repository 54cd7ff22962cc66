// lincheck/sessions.h: the guarantees of single sessions in one partition, of
// whose writes is known what each saw. For lincheck/levels.h; nobody else needs
// it.
//
// Each guarantee says of some states that one does not come after another.
// Together with what else is known of their order (all of it where versions are
// told, else that a write comes after what it saw) an order that keeps it
// exists iff no cycle does.
#ifndef QUORATE_LINCHECK_SESSIONS_H_
#define QUORATE_LINCHECK_SESSIONS_H_

#include <vector>

#include "lincheck/history.h"
#include "lincheck/levels.h"
#include "lincheck/model.h"
#include "lincheck/version_order.h"

namespace quorate::lincheck {

// Of kSessions and each one that follows it, in the order of ConsistencyLevel.
// `order` is known.
std::vector<LevelVerdict> CheckSessions(const History& history,
                                        const Model& model,
                                        const VersionOrder& order);

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_SESSIONS_H_

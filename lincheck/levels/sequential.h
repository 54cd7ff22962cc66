// lincheck/levels/sequential.h: sequential consistency where the order of each
// partition's writes is known: one order of everything exists iff no cycle does
// (after Adya; Elle). For lincheck/levels/levels.h alone.
#ifndef QUORATE_LINCHECK_LEVELS_SEQUENTIAL_H_
#define QUORATE_LINCHECK_LEVELS_SEQUENTIAL_H_

#include <vector>

#include "absl/types/span.h"
#include "lincheck/history.h"
#include "lincheck/levels/levels.h"
#include "lincheck/levels/version_order.h"
#include "lincheck/model.h"

namespace quorate::lincheck {

// `orders` are of all partitions. Those that are not known are left out,
// and a contradiction among the others stays one.
LevelVerdict CheckSequential(const History& history, const Model& model,
                             absl::Span<const VersionOrder> orders);

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_LEVELS_SEQUENTIAL_H_

// sim/harness/history_lines.h: what clients of a subject did, with faults and
// leaders, as lines of JSON that //lincheck reads.
#ifndef QUORATE_SIM_HARNESS_HISTORY_LINES_H_
#define QUORATE_SIM_HARNESS_HISTORY_LINES_H_

#include <cstddef>
#include <string>

#include "absl/types/span.h"
#include "lincheck/history.h"
#include "lincheck/model.h"
#include "sim/world/world.h"

namespace quorate::sim {

// The operations belong to partitions of `history`. The nodes are the first
// machines of the world.
std::string HistoryLines(const World& world, size_t nodes,
                         const lincheck::Model& model,
                         const lincheck::History& history,
                         absl::Span<const lincheck::Operation> operations);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_HARNESS_HISTORY_LINES_H_

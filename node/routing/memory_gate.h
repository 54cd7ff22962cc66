// node/routing/memory_gate.h: decides which commands of a batch may be proposed
// within the memory of the node (limits.memory_bytes).
//
// Only the leader's node decides, for its own batches and for those of other
// nodes. It knows batches, but neither sinks nor leaders. The result of a
// refused command has the status kOutOfMemory: the command was not proposed.
#ifndef QUORATE_NODE_ROUTING_MEMORY_GATE_H_
#define QUORATE_NODE_ROUTING_MEMORY_GATE_H_

#include <cstdint>
#include <vector>

#include "env/buffer.h"
#include "node/base/memory_budget.h"

namespace quorate::node {

// A batch as it may be proposed.
struct GatedBatch {
  // The commands that are not refused; may have none of them.
  Buffer payload;
  // Reserved in the budget. The caller releases it once the entry is applied or
  // has failed.
  uint64_t growth_bytes = 0;
  // Whether each command is refused, by position; empty: none is.
  std::vector<bool> refused = {};
  bool changed() const { return !refused.empty(); }
};

// Reserves the growth of a batch. Refuses commands that may grow and do not
// fit, in order; commands that cannot grow are never refused.
GatedBatch PassMemoryGate(Buffer payload, MemoryBudget& budget);

// The results of a whole batch, from those of the proposed part. Requires:
// `results` are whole results of the commands that were not refused.
Buffer AddRefusedResults(const Buffer& results,
                         const std::vector<bool>& refused);

}  // namespace quorate::node

#endif  // QUORATE_NODE_ROUTING_MEMORY_GATE_H_

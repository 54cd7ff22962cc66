// node/routing/memory_gate.h: decides which commands of a batch may be proposed
// within the memory of the node (limits.memory_bytes).
//
// It also refuses transactions that are too large (limits.transaction_bytes).
// Only the leader's node decides, for its own batches and for those of other
// nodes. It knows batches, but neither sinks nor leaders. A refused command was
// not proposed.
#ifndef QUORATE_NODE_ROUTING_MEMORY_GATE_H_
#define QUORATE_NODE_ROUTING_MEMORY_GATE_H_

#include <cstdint>
#include <vector>

#include "env/buffer.h"
#include "env/quota.h"
#include "kv/command/result.h"
#include "kv/store/store.h"
#include "node/base/memory_budget.h"

namespace quorate::node {

// A batch as it may be proposed.
struct GatedBatch {
  // The commands that are not refused; may have none of them.
  Buffer payload;
  // Reserved in the budget. The caller ends it once the entry is applied or has
  // failed.
  Quota::Share growth = {};
  // By position the result of each refused command, kOutOfMemory or kTooLarge,
  // and kOk for the others; empty: none is refused.
  std::vector<kv::ResultStatus> refused = {};
  bool changed() const { return !refused.empty(); }
};

// Reserves the growth of a batch. Refuses commands that may grow and do not
// fit, in order. Commands that can only add the row of a session are refused
// a part above the limit (MemoryBudget::FitsRow), if `store` has no such row.
// Others are never refused for that. Refuses also the commands of `too_large`,
// by position; empty: there is none. `store`: as for LargeTransactions.
GatedBatch PassMemoryGate(Buffer payload, MemoryBudget& budget,
                          const kv::Store* store,
                          const std::vector<bool>& too_large = {});

// The transactions of a batch that copy more bytes of values than this, by
// position; empty: there is none. `store`: the state to which the batch will be
// applied; null: it is not known, so no transaction is too large.
std::vector<bool> LargeTransactions(const Buffer& payload,
                                    const kv::Store* store, uint64_t bytes_max);

// The results of a whole batch, from those of the proposed part. Requires:
// `results` are whole results of the commands that were not refused.
Buffer AddRefusedResults(const Buffer& results,
                         const std::vector<kv::ResultStatus>& refused);

}  // namespace quorate::node

#endif  // QUORATE_NODE_ROUTING_MEMORY_GATE_H_

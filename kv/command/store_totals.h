// kv/command/store_totals.h: counts of the stores that a group had on a node
// before its present one.
//
// Not replicated. A replica comes and goes while the node runs, and its store
// with it. Metrics of the node must not fall then.
#ifndef QUORATE_KV_COMMAND_STORE_TOTALS_H_
#define QUORATE_KV_COMMAND_STORE_TOTALS_H_

#include <cstdint>

namespace quorate::kv {

struct StoreTotals {
  uint64_t keys_expired = 0;
  uint64_t duplicates_answered = 0;
  uint64_t snapshots_taken = 0;
};

}  // namespace quorate::kv

#endif  // QUORATE_KV_COMMAND_STORE_TOTALS_H_

// examples/counter/counter.h: a user's own state machine: one replicated number
// to which clients add.
//
// A command is the decimal text of the number to add; its result is the decimal
// text of the sum. Consensus, log, snapshots, simulator and checker come from
// the framework, as for kv/.
#ifndef QUORATE_EXAMPLES_COUNTER_COUNTER_H_
#define QUORATE_EXAMPLES_COUNTER_COUNTER_H_

#include <cstdint>
#include <string_view>

#include "raft/host/bytes_state_machine.h"

namespace quorate::examples {

class Counter : public raft::BytesStateMachine {
 public:
  // A command that is no number, or makes the sum too large, changes nothing.
  // The result is the reason, which is no number.
  Buffer Apply(const raft::Entry& entry, bool wants_result) override;
  Buffer Save() const override;
  absl::Status Restore(std::string_view state) override;

  int64_t sum() const { return sum_; }

 private:
  int64_t sum_ = 0;
};

}  // namespace quorate::examples

#endif  // QUORATE_EXAMPLES_COUNTER_COUNTER_H_

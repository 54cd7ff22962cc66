// examples/counter/counter.h: a user's own state machine: one replicated number
// to which clients add.
//
// A command is the decimal text of the number to add; its result is the decimal
// text of the sum. Consensus, log, snapshots, simulator and checker come from
// the framework, as for kv/.
#ifndef QUORATE_EXAMPLES_COUNTER_COUNTER_H_
#define QUORATE_EXAMPLES_COUNTER_COUNTER_H_

#include <cstdint>
#include <memory>

#include "raft/host/state_machine.h"

namespace quorate::examples {

class Counter : public raft::StateMachine {
 public:
  Buffer Apply(const raft::Entry& entry, bool wants_result) override;
  std::unique_ptr<raft::SnapshotReader> TakeSnapshot() override;
  std::unique_ptr<raft::SnapshotWriter> BeginRestore(
      const raft::SnapshotDescriptor& snapshot) override;
  uint64_t Digest() const override { return static_cast<uint64_t>(sum_); }

  int64_t sum() const { return sum_; }

 private:
  int64_t sum_ = 0;
};

}  // namespace quorate::examples

#endif  // QUORATE_EXAMPLES_COUNTER_COUNTER_H_

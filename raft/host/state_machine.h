// raft/host/state_machine.h: where a user's own state machine plugs in. `kv` is one of them and not privileged.
//
// Deterministic: the same entries in the same order give the same state, results and digest on every replica, whatever the
// process, compiler or platform. Time is Entry::log_time; there is no other.
//
// Example: examples/counter.
#ifndef QUORATE_RAFT_HOST_STATE_MACHINE_H_
#define QUORATE_RAFT_HOST_STATE_MACHINE_H_

#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "env/buffer.h"
#include "raft/core/types.h"

namespace quorate::raft {

// A consistent view of a state machine, frozen when it was taken, read piece by piece while the state machine goes on.
class SnapshotReader {
 public:
  virtual ~SnapshotReader() = default;
  // The next piece, at most about `size_bytes_max` bytes; empty at the end.
  virtual Buffer Next(size_t size_bytes_max) = 0;
};

// Builds a state from the pieces of a snapshot, beside the current one, which it replaces at Commit.
class SnapshotWriter {
 public:
  virtual ~SnapshotWriter() = default;
  // Pieces arrive in order, but split anywhere. kDataLoss or kInvalidArgument stop the restore; the current state stays.
  virtual absl::Status Add(std::string_view bytes) = 0;
  // Verifies completeness, then swaps. Nothing changes on error.
  virtual absl::Status Commit() = 0;
};

class StateMachine {
 public:
  virtual ~StateMachine() = default;

  // Applies one committed entry of kind kCommands; called once per index in order. Returns the result for whoever proposed
  // it if `wants_result`, else an empty Buffer. Bad payloads are answered in the result, the same on every replica.
  virtual Buffer Apply(const Entry& entry, bool wants_result) = 0;

  // Called for entries of other kinds, so that log time and position advance. Default: nothing.
  virtual void Advance(const Entry& entry) { (void)entry; }

  // The state now, unaffected by what is applied later. One reader at a time.
  virtual std::unique_ptr<SnapshotReader> TakeSnapshot() = 0;
  virtual std::unique_ptr<SnapshotWriter> BeginRestore(
      const SnapshotDescriptor& snapshot) = 0;

  // A digest of the whole state, cheap enough to ask after every entry in simulation: replicas that applied the same index
  // must agree.
  virtual uint64_t Digest() const = 0;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_HOST_STATE_MACHINE_H_

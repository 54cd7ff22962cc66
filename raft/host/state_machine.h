// raft/host/state_machine.h: the interface of a replicated state machine. The
// store in kv/ is one implementation.
//
// A state machine must be deterministic. The same entries in the same order
// give the same state, results and digest on every replica, in every process,
// with every compiler. Its only time is Entry::log_time.
//
// Example: examples/counter.
#ifndef QUORATE_RAFT_HOST_STATE_MACHINE_H_
#define QUORATE_RAFT_HOST_STATE_MACHINE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "env/buffer.h"
#include "raft/core/types.h"

namespace quorate::raft {

// A consistent view of a state machine at one index. It is read piece by piece
// while the state machine applies further entries.
class SnapshotReader {
 public:
  virtual ~SnapshotReader() = default;
  // The next piece, at most about `size_bytes_max` bytes; empty at the end.
  virtual Buffer Next(size_t size_bytes_max) = 0;
};

// Builds a state from the pieces of a snapshot. Commit replaces the current
// state with it.
class SnapshotWriter {
 public:
  virtual ~SnapshotWriter() = default;
  // Pieces arrive in order, but split anywhere. An error ends the restore and
  // keeps the current state. kFailedPrecondition: a newer program wrote them,
  // so the replica is halted. Other errors fence it.
  virtual absl::Status Add(std::string_view bytes) = 0;
  // Verifies completeness, then replaces the current state. An error changes
  // nothing.
  virtual absl::Status Commit() = 0;
};

class StateMachine {
 public:
  virtual ~StateMachine() = default;

  // Applies one committed entry of kind kCommands. Called once per index, in
  // order. Returns the result for the proposer if `wants_result`, else an empty
  // Buffer. The result reports a bad payload, on every replica alike.
  virtual Buffer Apply(const Entry& entry, bool wants_result) = 0;

  // The highest level whose rules this program knows: 1, and one more for each
  // version that added a command or changed the effect of one. Constant. The
  // group's level rises to it once all members know it.
  virtual Level known_level() const { return Level(1); }

  // The lowest level at which the commands of this payload may be proposed. A
  // payload of a newer program gives a level above known_level(). The replica
  // halts before such an entry until the newer program is started.
  virtual Level LevelOf(const Buffer& payload) const {
    (void)payload;
    return Level(1);
  }

  // The work of applying this payload to the present state, in bytes of
  // payloads that take least. An estimate, and not replicated: it decides only
  // how many entries a node applies at a time.
  virtual uint64_t WorkOf(const Buffer& payload) const {
    return payload.size();
  }

  // Called for entries of other kinds, so that log time and position advance.
  // The default does nothing.
  virtual void Advance(const Entry& entry) { (void)entry; }

  // The present state, unaffected by later entries. One reader at a time.
  virtual std::unique_ptr<SnapshotReader> TakeSnapshot() = 0;
  virtual std::unique_ptr<SnapshotWriter> BeginRestore(
      const SnapshotDescriptor& snapshot) = 0;

  // A digest of the whole state. Replicas that applied the same index must have
  // equal digests. Must be cheap: a simulation asks for it after every entry.
  virtual uint64_t Digest() const = 0;

  // Frees a part of the state, in about a tenth of a millisecond. False: the
  // rest is so small that its destructor takes no longer. Called for a dropped
  // replica, again and again; nothing else is called after it.
  virtual bool FreePart() { return false; }

  // The whole state in words or bytes, best a line for each part of it, for
  // people who search the difference between two replicas. Equal states give
  // equal words. Empty: the state machine has no words.
  virtual std::string Describe() const { return ""; }
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_HOST_STATE_MACHINE_H_

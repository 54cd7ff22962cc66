// raft/host/bytes_state_machine.h: snapshots of state machines whose state fits
// in one string, of some megabytes at most.
//
// Larger states are read in pieces from a copy-on-write structure, as in kv/.
#ifndef QUORATE_RAFT_HOST_BYTES_STATE_MACHINE_H_
#define QUORATE_RAFT_HOST_BYTES_STATE_MACHINE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "env/buffer.h"
#include "raft/host/state_machine.h"

namespace quorate::raft {

// Reads a state that was copied as a whole.
class BytesSnapshot final : public SnapshotReader {
 public:
  explicit BytesSnapshot(Buffer state) : rest_(std::move(state)) {}
  Buffer Next(size_t size_bytes_max) override;

 private:
  Buffer rest_;
};

// Collects a whole state, and gives it to `restore` at Commit.
class BytesWriter final : public SnapshotWriter {
 public:
  // Replaces the current state. An error changes nothing.
  using Restore = absl::AnyInvocable<absl::Status(std::string_view state)>;
  explicit BytesWriter(Restore restore) : restore_(std::move(restore)) {}
  absl::Status Add(std::string_view bytes) override;
  absl::Status Commit() override { return restore_(state_); }

 private:
  Restore restore_;
  std::string state_;
};

// A state machine of three functions: Apply, Save and Restore. Equal states
// must give equal bytes, since the digest is a hash of them. Digest saves the
// state, so it takes time in proportion to the size of the state.
class BytesStateMachine : public StateMachine {
 public:
  // The whole state.
  virtual Buffer Save() const = 0;
  // Replaces the state by one that Save returned, perhaps on another node and
  // by an older program. An error changes nothing (SnapshotWriter).
  virtual absl::Status Restore(std::string_view state) = 0;

  std::unique_ptr<SnapshotReader> TakeSnapshot() override;
  std::unique_ptr<SnapshotWriter> BeginRestore(
      const SnapshotDescriptor& snapshot) override;
  uint64_t Digest() const override;
  std::string Describe() const override { return std::string(Save().view()); }
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_HOST_BYTES_STATE_MACHINE_H_

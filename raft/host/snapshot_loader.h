// raft/host/snapshot_loader.h: loads a stored snapshot into a state machine,
// piece by piece.
//
// Used when a node opens its store and when a snapshot of a leader was
// received. The state machine changes only at the end. A read that fails is
// tried again after a pause (ReadAttempts).
#ifndef QUORATE_RAFT_HOST_SNAPSHOT_LOADER_H_
#define QUORATE_RAFT_HOST_SNAPSHOT_LOADER_H_

#include <cstddef>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "env/env.h"
#include "env/quota.h"
#include "raft/host/bounds/node_room.h"
#include "raft/host/state_machine.h"
#include "raft/log/read_attempts.h"
#include "raft/log/snapshot_store.h"

namespace quorate::raft {

// One load. Destroying it abandons the load without a call. The loop, the
// store, the room and the state machine outlive it. Loads share the room, so
// however many there are, a turn takes few pieces.
class SnapshotLoader {
 public:
  using Done = absl::AnyInvocable<void(absl::Status)>;
  // Bytes of a snapshot that a turn reads or takes. Their keys are in no cache
  // of the processor, and there may be more than a thousand.
  static constexpr size_t kPieceBytes = 64 << 10;
  // Pieces that are loaded at a time. A turn may take them all.
  static constexpr size_t kPiecesMax = 4;
  // The room that loads share.
  static constexpr size_t kRoomBytes = kPiecesMax * kPieceBytes;

  SnapshotLoader(env::Loop& loop, SnapshotStore* store, ReadRoom* room,
                 GroupKey group, const SnapshotDescriptor& snapshot,
                 StateMachine* state_machine, Done done);

  ~SnapshotLoader() { *alive_ = false; }
  SnapshotLoader(const SnapshotLoader&) = delete;
  SnapshotLoader& operator=(const SnapshotLoader&) = delete;

  // Begins the load. `done` is called once, in a later turn: with OK after the
  // state machine was replaced. If ReadAttempts::MayPass(error), a later load
  // may succeed.
  void Start();

 private:
  void ReadNext();
  void BeginRead(Quota::Share held);
  void OnRead(absl::StatusOr<Buffer> bytes);

  env::Loop& loop_;
  SnapshotStore* const store_;
  ReadRoom* const room_;
  const GroupKey group_;
  const SnapshotDescriptor snapshot_;
  std::unique_ptr<SnapshotWriter> writer_;
  Done done_;
  uint64_t offset_ = 0;
  ReadAttempts attempts_;
  env::Pending next_attempt_;
  // A read of the store cannot be cancelled. A read that completes after the
  // destruction observes false. The class in env/destruction.h does not serve
  // here, since that class is for callbacks that run inside a call of the
  // destroyed object.
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_HOST_SNAPSHOT_LOADER_H_

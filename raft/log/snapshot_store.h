// raft/log/snapshot_store.h: snapshots in files of their own, checksummed, written and received in chunks.
//
// A file is named by group, incarnation, term and index; it appears under its final name only when complete and durable
// (staging name, sync, rename, sync of the directory). Format: docs/reference/formats/snapshot.md. One snapshot per group is kept besides
// one being written and one being received.
#ifndef QUORATE_RAFT_LOG_SNAPSHOT_STORE_H_
#define QUORATE_RAFT_LOG_SNAPSHOT_STORE_H_

#include <cstdint>
#include <map>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "env/env.h"
#include "raft/core/types.h"
#include "raft/log/log.h"

namespace quorate::raft {

class SnapshotStore {
 public:
  using Opened =
      absl::AnyInvocable<void(absl::StatusOr<std::unique_ptr<SnapshotStore>>)>;
  using Done = absl::AnyInvocable<void(absl::Status)>;
  using DescriptorDone =
      absl::AnyInvocable<void(absl::StatusOr<SnapshotDescriptor>)>;
  using ReadDone = absl::AnyInvocable<void(absl::StatusOr<Buffer>)>;

  // Finds the newest complete snapshot of each group, removes staging files and older ones.
  [[nodiscard]] static std::unique_ptr<AsyncTask> Open(
      env::Env& env, const LogOptions& options, Opened opened);
  virtual ~SnapshotStore() = default;

  // The newest complete snapshot of each group.
  virtual const std::map<GroupKey, SnapshotDescriptor>& newest() const = 0;

  // Groups with a snapshot file that cannot be used, and why. If the log's log_start needs it, that replica is to be fenced.
  virtual const std::map<GroupKey, absl::Status>& damaged() const = 0;

  // ---- Writing one's own. One at a time per group.
  // Begins a file for the state at `position`; size and checksum are filled in by Finish.
  virtual void Begin(GroupKey group, const SnapshotDescriptor& descriptor,
                     Done done) = 0;
  // Appends one piece (at most kDiskOperationBytesMax).
  virtual void Append(GroupKey group, Buffer piece, Done done) = 0;
  // Makes it durable and the newest; the one before is removed. Gives the full descriptor.
  virtual void Finish(GroupKey group, DescriptorDone done) = 0;
  virtual void Abandon(GroupKey group) = 0;

  // ---- Receiving one from a leader. One at a time per group; another descriptor starts over.
  // Stores `chunk` at `offset` if that is how many bytes are there; `done` gets the number there now (so a duplicate or a gap
  // is answered by what is wanted next).
  virtual void Receive(
      GroupKey group, const SnapshotDescriptor& descriptor, uint64_t offset,
      Buffer chunk,
      absl::AnyInvocable<void(absl::StatusOr<uint64_t>)> done) = 0;
  // Verifies size and checksum, makes it durable and the newest. kDataLoss if it does not verify; it is discarded then.
  virtual void FinishReceive(GroupKey group,
                             const SnapshotDescriptor& descriptor,
                             Done done) = 0;

  // ---- Reading.
  // Up to `size` bytes at `offset` of the snapshot at exactly `position`; kNotFound when it was replaced, kDataLoss when a
  // block's checksum does not fit.
  virtual void Read(GroupKey group, LogPosition position, uint64_t offset,
                    size_t size, ReadDone done) = 0;

  virtual void Drop(GroupKey group, Done done) = 0;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_SNAPSHOT_STORE_H_

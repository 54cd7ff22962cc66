// raft/log/snapshot_store.h: snapshots in checksummed files, written and
// received in chunks.
//
// A file is named by group, replica, term and index. It gets its final name
// only when it is complete and durable: write under a staging name, sync,
// rename, sync the directory. One complete snapshot per group is kept, beside
// an older one that Keep names, one being written and one being received. A
// restart keeps the part that was received. Format:
// docs/reference/formats/snapshot.md.
#ifndef QUORATE_RAFT_LOG_SNAPSHOT_STORE_H_
#define QUORATE_RAFT_LOG_SNAPSHOT_STORE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "env/bulk/bulk_pace.h"
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

  // Finds the newest complete snapshot of each group, and the newest one that
  // was being received; removes older ones and other staging files.
  [[nodiscard]] static std::unique_ptr<AsyncTask> Open(
      env::Env& env, const LogOptions& options, Opened opened);
  virtual ~SnapshotStore() = default;

  // The newest complete snapshot of each group.
  virtual const std::map<GroupKey, SnapshotDescriptor>& newest() const = 0;

  // Snapshot files that cannot be used. A replica that needs one of them,
  // because of its log start, cannot run. The files are kept for inspection
  // until the group is dropped.
  struct Damaged {
    std::string name;
    Index index;  // The position of the snapshot.
    // The code is kFailedPrecondition if a newer program wrote the file. It is
    // kDataLoss if the file is damaged, or the disk cannot read it. After many
    // attempts that failed for a reason that may pass, it is another one.
    absl::Status why;
  };
  virtual const std::map<GroupKey, std::vector<Damaged>>& damaged() const = 0;

  // Snapshots leave some room on the disk to the log. Without room the store
  // first removes received parts that no transfer has resumed. It also calls
  // `give_back`, which begins to remove other files that are not needed, and
  // returns whether there are any. Then the call for writing or receiving fails
  // with kResourceExhausted. A later attempt may succeed.
  virtual void OnLackOfRoom(absl::AnyInvocable<bool()> give_back) = 0;
  // The snapshots that were refused.
  virtual uint64_t refused_for_room() const = 0;

  // Snapshots are written at this pace from now on, own ones `haste` times as
  // fast; it is called for each piece. `pace` outlives the object.
  virtual void SetPace(env::BulkPace& pace,
                       absl::AnyInvocable<uint64_t()> haste) = 0;

  // Every group with a file, in their order.
  virtual std::vector<GroupKey> groups() const = 0;

  // ---- Writing an own snapshot. One at a time per group.
  // Begins a file for the state at `position`; size and checksum are filled in
  // by Finish.
  virtual void Begin(GroupKey group, const SnapshotDescriptor& descriptor,
                     Done done) = 0;
  // Appends one piece (at most kDiskOperationBytesMax).
  virtual void Append(GroupKey group, Buffer piece, Done done) = 0;
  // Makes the snapshot durable and the newest one, and removes the previous
  // one. Passes the full descriptor to `done`.
  virtual void Finish(GroupKey group, DescriptorDone done) = 0;
  virtual void Abandon(GroupKey group) = 0;

  // ---- Receiving a snapshot from a leader. One at a time per group.
  // Another descriptor starts over. Stores `chunk` if `offset` is the number of
  // bytes already received. `done` gets the number received now, which is the
  // offset of the chunk wanted next, also after a duplicate or a gap. The bytes
  // that an earlier run received of exactly this snapshot and that verify are
  // among them.
  virtual void Receive(
      GroupKey group, const SnapshotDescriptor& descriptor, uint64_t offset,
      Buffer chunk,
      absl::AnyInvocable<void(absl::StatusOr<uint64_t>)> done) = 0;
  // Verifies size and checksum, makes the snapshot durable and the newest one.
  // If it does not verify, it is discarded and the error is kDataLoss.
  virtual void FinishReceive(GroupKey group,
                             const SnapshotDescriptor& descriptor,
                             Done done) = 0;
  // Gives up what was received. Callbacks of Receive are not called any more.
  // Requires: FinishReceive does not run.
  virtual void DiscardReceived(GroupKey group) = 0;

  // ---- Reading.
  // Reads up to `size` bytes at `offset` of the snapshot at exactly `position`.
  // Errors are kNotFound if that snapshot was replaced and is not kept, and
  // kDataLoss if the checksum of a block does not match.
  virtual void Read(GroupKey group, LogPosition position, uint64_t offset,
                    size_t size, ReadDone done) = 0;
  // Whether Read finds the snapshot at exactly `position`.
  virtual bool Has(GroupKey group, LogPosition position) = 0;
  // The snapshot at `position` stays readable after a newer one replaced it.
  // Replaces the position of the last call for the group; the empty position
  // keeps none. A snapshot that is not kept any more is removed. A start keeps
  // none.
  virtual void Keep(GroupKey group, LogPosition position) = 0;
  // The number of snapshots that newer ones replaced and that are kept.
  virtual size_t kept() const = 0;

  // Removes every file of the group, durably. Callbacks of writing and
  // receiving are not called any more; reads end as if the file were there.
  virtual void Drop(GroupKey group, Done done) = 0;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_SNAPSHOT_STORE_H_

// raft/log/snapshot_store_impl.h: the snapshot files of a node.
// snapshot_store.h has the contract.
//
// snapshot_format.h has names and checksums. The contents of a snapshot are
// opaque here.
#ifndef QUORATE_RAFT_LOG_SNAPSHOT_STORE_IMPL_H_
#define QUORATE_RAFT_LOG_SNAPSHOT_STORE_IMPL_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "env/env.h"
#include "raft/log/callback_queue.h"
#include "raft/log/files/file_remover.h"
#include "raft/log/snapshot_format.h"
#include "raft/log/snapshot_staging.h"
#include "raft/log/snapshot_store.h"

namespace quorate::raft {

// A complete snapshot and the checksums needed to read it.
struct StoredSnapshot {
  SnapshotDescriptor descriptor;
  std::vector<uint32_t> blocks;
};

// A snapshot that an earlier run of the program received in part.
struct ReceivedPart {
  std::string staging_name;
  SnapshotProgress progress;
};

// A snapshot that is read. `file` is null until the first read.
struct ReadableSnapshot {
  StoredSnapshot stored;
  std::shared_ptr<env::File> file;
};

class SnapshotStoreImpl final : public SnapshotStore {
 public:
  SnapshotStoreImpl(env::Env& env, const LogOptions& options,
                    std::map<GroupKey, StoredSnapshot> stored,
                    std::map<GroupKey, std::vector<Damaged>> damaged,
                    std::map<GroupKey, ReceivedPart> parts,
                    uint64_t stagings_begun);

  const std::map<GroupKey, SnapshotDescriptor>& newest() const override {
    return newest_;
  }
  const std::map<GroupKey, std::vector<Damaged>>& damaged() const override {
    return damaged_;
  }
  void OnLackOfRoom(absl::AnyInvocable<bool()> give_back) override {
    give_back_ = std::move(give_back);
  }
  uint64_t refused_for_room() const override { return room_.refusals; }
  void SetPace(env::BulkPace& pace,
               absl::AnyInvocable<uint64_t()> haste) override {
    pace_ = &pace;
    haste_ = std::move(haste);
  }
  std::vector<GroupKey> groups() const override;
  void Begin(GroupKey group, const SnapshotDescriptor& descriptor,
             Done done) override;
  void Append(GroupKey group, Buffer piece, Done done) override;
  void Finish(GroupKey group, DescriptorDone done) override;
  void Abandon(GroupKey group) override;
  void Receive(
      GroupKey group, const SnapshotDescriptor& descriptor, uint64_t offset,
      Buffer chunk,
      absl::AnyInvocable<void(absl::StatusOr<uint64_t>)> done) override;
  void FinishReceive(GroupKey group, const SnapshotDescriptor& descriptor,
                     Done done) override;
  void DiscardReceived(GroupKey group) override;
  void Read(GroupKey group, LogPosition position, uint64_t offset, size_t size,
            ReadDone done) override;
  bool Has(GroupKey group, LogPosition position) override {
    return Find(group, position) != nullptr;
  }
  void Keep(GroupKey group, LogPosition position) override;
  size_t kept() const override { return replaced_.size(); }
  void Drop(GroupKey group, Done done) override;

 private:
  // One file being written. Its callbacks carry its number, so they do not act
  // on a later file of the same group.
  struct Staging {
    uint64_t number = 0;
    std::unique_ptr<SnapshotStaging> file;
  };
  using Stagings = std::map<GroupKey, Staging>;

  struct Reading {
    StoredSnapshot snapshot;  // As of the call; `blocks` only of the range.
    GroupKey group;
    uint64_t offset = 0;  // Offset of the first byte to return.
    size_t size = 0;      // Number of bytes to return.
    uint64_t first_block = 0;
    std::shared_ptr<env::File> file;
    env::Pending pending;
    ReadDone done;
  };

  // Begins to receive a snapshot, behind the part that is there.
  Staging& StartReceiving(GroupKey group, const SnapshotDescriptor& descriptor);
  SnapshotStaging::Pace PaceOf(env::BulkKind kind);
  void RemovePart(GroupKey group);
  bool MakeRoom();
  Staging& StartWriting(GroupKey group, const SnapshotDescriptor& descriptor);
  // Discards the file being written for the group, if there is one; with a
  // number, only that file.
  void Discard(Stagings& stagings, GroupKey group, uint64_t number = 0);
  // Called when a staging file has its final name: makes it the newest
  // snapshot.
  void Install(Stagings& stagings, GroupKey group);
  // Removes a file that was discarded while it was being created or renamed.
  void DiscardNamed(GroupKey group, Staging staging);
  // Ends the calls of Drop that waited for files of the group.
  void EndDrops(GroupKey group);
  // Removes a discarded file under each name that it may have.
  void RemoveFiles(GroupKey group, const SnapshotStaging& file);
  bool IsInUse(GroupKey group, LogPosition position) const;
  // The complete snapshot at `position`; null if there is none.
  ReadableSnapshot* Find(GroupKey group, LogPosition position);
  void ReadBlocks(uint64_t id);
  void OnBlocks(uint64_t id, absl::StatusOr<Buffer> bytes);
  void EndReading(uint64_t id, absl::StatusOr<Buffer> result);
  template <typename Callback, typename Value>
  void CallLater(Callback done, Value value);

  env::Env& env_;
  env::Disk& disk_;
  env::Tracer& tracer_;
  FileRemover remover_;
  absl::AnyInvocable<bool()> give_back_;
  env::BulkPace* pace_ = nullptr;
  absl::AnyInvocable<uint64_t()> haste_;
  SnapshotRoom room_;
  const LogOptions options_;
  std::map<GroupKey, ReadableSnapshot> stored_;
  std::map<GroupKey, SnapshotDescriptor> newest_;  // Descriptors of `stored_`.
  std::map<GroupKey, std::vector<Damaged>> damaged_;
  std::map<GroupKey, LogPosition> kept_;  // As Keep said.
  // Snapshots that newer ones replaced. Invariant: `kept_` names them.
  std::map<GroupKey, ReadableSnapshot> replaced_;
  Stagings writing_;
  Stagings receiving_;
  std::map<GroupKey, ReceivedPart> parts_;
  uint64_t stagings_begun_ = 0;
  // Files that were discarded while they got their final names, by number.
  struct Discarded {
    GroupKey group;
    std::unique_ptr<SnapshotStaging> file;
  };
  std::map<uint64_t, Discarded> discarded_;
  std::multimap<GroupKey, Done> drops_;
  std::map<uint64_t, Reading> readings_;
  uint64_t readings_begun_ = 0;
  CallbackQueue callbacks_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_SNAPSHOT_STORE_IMPL_H_

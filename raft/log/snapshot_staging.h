// raft/log/snapshot_staging.h: one snapshot file while it is being written, under a staging name until it is complete.
//
// A crash leaves it as something to remove at the next start, never as a snapshot.
#ifndef QUORATE_RAFT_LOG_SNAPSHOT_STAGING_H_
#define QUORATE_RAFT_LOG_SNAPSHOT_STAGING_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "env/disk.h"
#include "env/pending.h"
#include "raft/log/snapshot_format.h"

namespace quorate::raft {

// Does what it is asked in order, one disk operation at a time. The first error is the answer to everything from then on; the
// file is then to be thrown away. Destroying it cancels; the staging file stays.
class SnapshotStaging {
 public:
  using Done = absl::AnyInvocable<void(absl::Status)>;

  // `descriptor`: position and configuration; size and checksum are what gets appended.
  SnapshotStaging(env::Disk& disk, ClusterId cluster, StoreIncarnation store,
                  GroupKey group, const SnapshotDescriptor& descriptor,
                  std::string staging_name);

  // Creates the file. First.
  void Create(Done done);
  void Append(Buffer piece, Done done);
  // Adds the trailer, makes all of it durable, and gives the file its final name. Last.
  void Finish(Done done);

  const SnapshotDescriptor& descriptor() const { return descriptor_; }
  const std::string& staging_name() const { return staging_name_; }
  // Of what was appended, written or not.
  const SnapshotChecksums& checksums() const { return checksums_; }
  const absl::Status& status() const { return status_; }

 private:
  struct Step {
    enum class Kind : uint8_t { kCreate, kAppend, kFinish } kind;
    Buffer piece;
    Done done;
  };

  void Add(Step step);
  void Next();
  void CreateFile();
  void WritePiece();
  void WriteEnd();
  void Commit();
  void EndStep(absl::Status status);

  env::Disk& disk_;
  const ClusterId cluster_;
  const StoreIncarnation store_;
  const GroupKey group_;
  SnapshotDescriptor descriptor_;
  const std::string staging_name_;
  SnapshotChecksums checksums_;
  std::unique_ptr<env::File> file_;
  uint64_t written_bytes_ = 0;
  std::deque<Step> steps_;  // The first is under way.
  absl::Status status_;
  env::Pending pending_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_SNAPSHOT_STAGING_H_

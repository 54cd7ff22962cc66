// raft/log/snapshot_staging.h: one snapshot file while it is being written,
// under a staging name until it is complete.
//
// After a crash the file still has its staging name, and the next start removes
// it.
#ifndef QUORATE_RAFT_LOG_SNAPSHOT_STAGING_H_
#define QUORATE_RAFT_LOG_SNAPSHOT_STAGING_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "env/env.h"
#include "raft/log/snapshot_format.h"

namespace quorate::raft {

// Carries out its calls in order, one disk operation at a time. The first error
// is the result of all calls from then on; the file must then be discarded.
// Destroying the object cancels it, but does not remove the file.
class SnapshotStaging {
 public:
  using Done = absl::AnyInvocable<void(absl::Status)>;

  // `descriptor` gives position and configuration. Size and checksum are
  // computed from the appended bytes. `bytes_per_second`: limit of the speed of
  // appending; 0: none.
  SnapshotStaging(env::Env& env, const LogOptions& options, GroupKey group,
                  const SnapshotDescriptor& descriptor,
                  std::string staging_name, uint64_t bytes_per_second);

  // Creates the file. Must be the first call.
  void Create(Done done);
  void Append(Buffer piece, Done done);
  // Adds the trailer, makes the file durable and gives it its final name. Must
  // be the last call.
  void Finish(Done done);

  const SnapshotDescriptor& descriptor() const { return descriptor_; }
  const std::string& staging_name() const { return staging_name_; }
  // Checksums of the appended bytes, written or not.
  const SnapshotChecksums& checksums() const { return checksums_; }
  const absl::Status& status() const { return status_; }
  // True from when the file gets its final name until Finish ends.
  bool committing() const { return committing_; }
  // Replaces the callback of Finish. Requires: committing().
  void SetCommitted(Done done) { steps_.front().done = std::move(done); }

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
  void SyncPiece();
  // Ends the step of a piece when the limit of the speed allows it.
  void Pace();
  void WriteEnd();
  void Commit();
  void EndStep(absl::Status status);

  env::Disk& disk_;
  env::Loop& loop_;
  const ClusterId cluster_;
  const StoreIncarnation store_;
  const size_t sync_bytes_;
  const uint64_t bytes_per_second_;
  const GroupKey group_;
  SnapshotDescriptor descriptor_;
  const std::string staging_name_;
  SnapshotChecksums checksums_;
  std::unique_ptr<env::File> file_;
  uint64_t written_bytes_ = 0;
  uint64_t synced_bytes_ = 0;
  // The time before which the limit of the speed allows no further piece.
  MonoTime paced_until_ = MonoTime::Min();
  bool committing_ = false;
  std::deque<Step> steps_;  // The first one is running.
  absl::Status status_;
  env::Pending pending_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_SNAPSHOT_STAGING_H_

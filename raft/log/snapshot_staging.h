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
#include "env/disk.h"
#include "env/pending.h"
#include "raft/log/snapshot_format.h"

namespace quorate::raft {

// Carries out its calls in order, one disk operation at a time. The first error
// is the result of all calls from then on; the file must then be discarded.
// Destroying the object cancels it, but does not remove the file.
class SnapshotStaging {
 public:
  using Done = absl::AnyInvocable<void(absl::Status)>;

  // `descriptor` gives position and configuration. Size and checksum are
  // computed from the appended bytes.
  SnapshotStaging(env::Disk& disk, ClusterId cluster, StoreIncarnation store,
                  GroupKey group, const SnapshotDescriptor& descriptor,
                  std::string staging_name);

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
  std::deque<Step> steps_;  // The first one is running.
  absl::Status status_;
  env::Pending pending_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_SNAPSHOT_STAGING_H_

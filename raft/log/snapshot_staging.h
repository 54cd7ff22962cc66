// raft/log/snapshot_staging.h: one snapshot file while it is being written,
// under a staging name until it is complete.
//
// After a crash the file still has its staging name, and the next start removes
// an own one. Beside a received one there is a second file, which lists the
// pieces that were synced. A later run continues behind the last piece that
// verifies.
#ifndef QUORATE_RAFT_LOG_SNAPSHOT_STAGING_H_
#define QUORATE_RAFT_LOG_SNAPSHOT_STAGING_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "env/env.h"
#include "raft/log/files/file_remover.h"
#include "raft/log/snapshot_format.h"

namespace quorate::raft {

// The room on the disk that snapshots may take, shared by all of them.
struct SnapshotRoom {
  uint64_t reserve_bytes = 0;  // The log keeps so much room.
  // Begins to remove files that are not needed. Returns false if there are
  // none.
  absl::AnyInvocable<bool()> make;
  uint64_t refusals = 0;  // Snapshots that were refused for want of room.
};

// Carries out its calls in order, one disk operation at a time. The first error
// is the result of all calls from then on; the file must then be discarded.
// Destroying the object cancels it, but does not remove the file.
class SnapshotStaging {
 public:
  using Done = absl::AnyInvocable<void(absl::Status)>;

  // `descriptor` gives position and configuration. Size and checksum are
  // computed from the appended bytes. `pace` is called for each piece and
  // returns the time from which so many bytes may be written. kReceived:
  // `descriptor` is complete, and the second file is kept. `remover` removes
  // snapshots. It and `room` outlive the object. Without room for the next
  // piece, or for the rest of a received snapshot, the error is
  // kResourceExhausted. kInvalidArgument: the snapshot is too large.
  enum class Origin : uint8_t { kOwn, kReceived };
  using Pace = absl::AnyInvocable<MonoTime(uint64_t bytes)>;
  SnapshotStaging(env::Env& env, const LogOptions& options, GroupKey group,
                  const SnapshotDescriptor& descriptor,
                  std::string staging_name, Pace pace, Origin origin,
                  FileRemover& remover, SnapshotRoom& room);

  // Creates the file. Must be the first call, or Resume.
  void Create(Done done);
  // Opens the file, which an earlier run began. Its pieces up to the first one
  // that does not verify count as appended, once this has ended.
  void Resume(const SnapshotProgress& progress, Done done);
  bool resuming() const { return resuming_; }
  // Calls `done` when the calls before have ended.
  void Wait(Done done);
  void Append(Buffer piece, Done done);
  // Adds the trailer, makes the file durable and gives it its final name. Must
  // be the last call.
  void Finish(Done done);

  const SnapshotDescriptor& descriptor() const { return descriptor_; }
  const std::string& staging_name() const { return staging_name_; }
  // Whether the second file exists, or may.
  bool has_progress() const { return has_progress_; }
  // Checksums of the appended bytes, written or not.
  const SnapshotChecksums& checksums() const { return checksums_; }
  const absl::Status& status() const { return status_; }
  // True from when the file gets its final name until Finish ends.
  bool committing() const { return committing_; }
  // A file of this snapshot is being created or renamed. If it is removed now,
  // it may appear after that.
  bool naming() const { return creating_ || committing_; }
  // Does nothing more, and calls `done` when that has ended. Requires:
  // naming(), and status() is OK.
  void EndNaming(Done done);

 private:
  struct Step {
    enum class Kind : uint8_t {
      kCreate,
      kResume,
      kAppend,
      kWait,
      kFinish
    } kind;
    Buffer piece;
    Done done;
  };

  void Add(Step step);
  void Next();
  // Goes on with `next` if the disk has room for what comes.
  using Then = void (SnapshotStaging::*)();
  void CheckRoom(Then next, bool may_make_room = true);
  void CheckSize(Then next);
  void CreateFile();
  // Creates a file of this snapshot and opens it as *file.
  void CreateAs(const std::string& name, std::unique_ptr<env::File>* file,
                absl::AnyInvocable<void()> then);
  void OpenFile();
  void VerifyPiece();
  void OnPiece(absl::StatusOr<Buffer> bytes);
  void EndResume();
  // Writes a piece when the pace allows it.
  void PacePiece();
  void WritePiece();
  void SyncPiece();
  // Records the bytes that the last sync made durable.
  void RecordPiece();
  void WriteRecord();
  void WriteEnd();
  void Commit();
  void EndStep(absl::Status status);

  env::Disk& disk_;
  env::Loop& loop_;
  FileRemover& remover_;
  SnapshotRoom& room_;
  const ClusterId cluster_;
  const StoreIncarnation store_;
  const size_t sync_bytes_;
  const uint64_t bytes_max_;
  Pace pace_;
  const GroupKey group_;
  SnapshotDescriptor descriptor_;
  const std::string staging_name_;
  SnapshotChecksums checksums_;
  std::unique_ptr<env::File> file_;
  uint64_t written_bytes_ = 0;
  uint64_t synced_bytes_ = 0;
  uint64_t room_checked_until_ = 0;  // As written_bytes_.
  // Checksum of the bytes written since the last sync.
  uint32_t unsynced_crc_ = 0;
  const Origin origin_;
  bool resuming_ = false;
  bool has_progress_ = false;
  std::string progress_header_;
  std::unique_ptr<env::File> progress_file_;
  uint64_t progress_bytes_ = 0;      // Size of what was written to it.
  std::vector<SyncedPiece> pieces_;  // To be verified by Resume.
  size_t verified_ = 0;              // How many of them are.
  bool committing_ = false;
  bool creating_ = false;
  Done ended_;              // Set by EndNaming while a file is being created.
  std::deque<Step> steps_;  // The first one is running.
  absl::Status status_;
  env::Pending pending_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_SNAPSHOT_STAGING_H_

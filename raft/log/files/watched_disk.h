// raft/log/files/watched_disk.h: the disk of a node, which notices that a sync
// of the directory failed.
//
// Log and snapshots would repeat their work for ever: no file that they create
// becomes durable any more (env/disk.h).
#ifndef QUORATE_RAFT_LOG_FILES_WATCHED_DISK_H_
#define QUORATE_RAFT_LOG_FILES_WATCHED_DISK_H_

#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "env/disk.h"
#include "env/forwarding_disk.h"
#include "env/pending.h"

namespace quorate::raft {

class WatchedDisk final : public env::ForwardingDisk {
 public:
  // `disk` outlives the object. `failed` is called once, before the caller of
  // the sync has its result, and only takes note.
  WatchedDisk(env::Disk& disk, absl::AnyInvocable<void()> failed)
      : ForwardingDisk(disk), failed_(std::move(failed)) {}

  // Not OK once a sync of the directory has failed.
  const absl::Status& status() const { return status_; }

  env::Pending SyncDirectory(env::File::Done done) override {
    return ForwardingDisk::SyncDirectory([this, done = std::move(done)](
                                             absl::Status status) mutable {
      if (!status.ok() && status_.ok()) {
        status_ = absl::Status(
            status.code(),
            absl::StrCat("cannot sync the data directory: ", status.message(),
                         ". Look at the disk, then start the node again"));
        failed_();
      }
      done(std::move(status));
    });
  }

 private:
  absl::AnyInvocable<void()> failed_;
  absl::Status status_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_FILES_WATCHED_DISK_H_

// raft/log/files/watched_disk.h: the disk of a node, which notices that a sync
// of the directory failed.
//
// Log and snapshots would repeat their work for ever: no file that they create
// becomes durable any more (env/disk.h).
#ifndef QUORATE_RAFT_LOG_FILES_WATCHED_DISK_H_
#define QUORATE_RAFT_LOG_FILES_WATCHED_DISK_H_

#include <string_view>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "env/disk.h"
#include "env/pending.h"

namespace quorate::raft {

// Passes every call on to another disk. A derived class overrides those that it
// changes.
class ForwardingDisk : public env::Disk {
 public:
  // `disk` outlives the object.
  explicit ForwardingDisk(env::Disk& disk) : disk_(disk) {}

  using env::Disk::Open;
  env::Pending Open(std::string_view name, OpenMode mode, env::FileUse use,
                    OpenDone done) override {
    return disk_.Open(name, mode, use, std::move(done));
  }
  env::Pending List(ListDone done) override {
    return disk_.List(std::move(done));
  }
  env::Pending Remove(std::string_view name, env::File::Done done) override {
    return disk_.Remove(name, std::move(done));
  }
  env::Pending Rename(std::string_view from, std::string_view to,
                      env::File::Done done) override {
    return disk_.Rename(from, to, std::move(done));
  }
  env::Pending SyncDirectory(env::File::Done done) override {
    return disk_.SyncDirectory(std::move(done));
  }
  env::Pending FreeBytes(env::File::SizeDone done) override {
    return disk_.FreeBytes(std::move(done));
  }
  env::Pending SizeBytes(env::File::SizeDone done) override {
    return disk_.SizeBytes(std::move(done));
  }
  env::Pending Lock(std::string_view name, env::File::Done done) override {
    return disk_.Lock(name, std::move(done));
  }

 protected:
  ~ForwardingDisk() = default;

 private:
  env::Disk& disk_;
};

class WatchedDisk final : public ForwardingDisk {
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

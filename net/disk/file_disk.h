// net/disk/file_disk.h: env::Disk over one directory of a POSIX file system.
// posix_file.h has the blocking calls, disk_thread.h the threads.
#ifndef QUORATE_NET_DISK_FILE_DISK_H_
#define QUORATE_NET_DISK_FILE_DISK_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "env/disk.h"
#include "net/disk/disk_thread.h"
#include "net/disk/posix_file.h"
#include "net/event_loop/callback_table.h"
#include "net/event_loop/loop.h"

namespace quorate::net {

// Every system call that may touch the device runs on one of two threads. Calls
// for files of the log run on the first, all others on the second. So the log
// waits neither for the sync of a snapshot nor for work on the directory. The
// destructor waits for operations in flight and releases the locks. While a
// thread has DiskThread::kJobsMax operations, further ones fail with
// kUnavailable.
//
// The file system frees the blocks of a large file in one piece, and durable
// writes of other files wait for that (ext4: 60 to 110 ms for 256 MiB). So a
// removed file is shortened in steps, once no File of it is open.
class FileDisk final : public env::Disk, private env::Pending::Source {
 public:
  // Opens `directory`; creates it and its parents if they do not exist. Blocks,
  // so call it at start-up. Errors name the directory and the reason.
  static absl::StatusOr<std::unique_ptr<FileDisk>> OpenDirectory(
      EventLoop& loop, const std::string& directory);
  ~FileDisk();

  // A larger file that was removed is freed in parts.
  static constexpr uint64_t kFreedAtOnceMax = uint64_t{32} << 20;
  static constexpr uint64_t kFreedPart = uint64_t{2} << 20;
  // Between two parts. It is shorter while several files wait.
  static constexpr Duration kFreePause = Milliseconds(10);

  using env::Disk::Open;
  env::Pending Open(std::string_view name, OpenMode mode, env::FileUse use,
                    OpenDone done) override;
  env::Pending List(ListDone done) override;
  env::Pending Remove(std::string_view name, env::File::Done done) override;
  env::Pending Rename(std::string_view from, std::string_view to,
                      env::File::Done done) override;
  env::Pending SyncDirectory(env::File::Done done) override;
  env::Pending FreeBytes(env::File::SizeDone done) override;
  env::Pending SizeBytes(env::File::SizeDone done) override;
  // The lock file contains the process id of its holder.
  env::Pending Lock(std::string_view name, env::File::Done done) override;

  // Blocks until all operations and closes have run, but at most for `limit`.
  // Returns whether they have. A system call on a device that hangs never
  // returns, and the destructor waits for it.
  bool WaitUntilIdle(Duration limit);

  const std::string& directory() const { return directory_; }

 private:
  class Operation;
  template <typename Result>
  class OperationOf;
  class Close;
  class Descriptor;
  class OpenFile;
  class Opening;
  struct Opened {
    OwnedFd fd;
    ino_t inode = 0;
  };
  struct Freed {
    Opened opened;
    uint64_t bytes = 0;  // Left.
  };

  FileDisk(EventLoop& loop, std::string directory, int directory_fd);

  // Runs `run` on the thread of `use`, then `done` with the result on the
  // loop's thread. `descriptor`, if not null, stays open until then.
  template <typename Result>
  env::Pending Do(env::FileUse use, std::shared_ptr<Descriptor> descriptor,
                  absl::AnyInvocable<Result()> run,
                  absl::AnyInvocable<void(Result)> done);
  void Submit(env::FileUse use, std::unique_ptr<Operation> operation);
  void CloseLater(env::FileUse use, int fd, bool last);
  void FreeLater(Freed file);
  void FreeNext();
  void FreePart();
  DiskThread& ThreadOf(env::FileUse use);
  void FinishRefused();
  void Cancel(uint64_t id) override;

  EventLoop& loop_;
  const std::string directory_;
  const int directory_fd_;
  // A sync of the directory has failed. The bulk thread uses it.
  bool directory_failed_ = false;
  std::map<std::string, OwnedFd> locks_;
  // Open files, and calls of Open in flight.
  std::map<ino_t, size_t> open_;
  size_t openings_ = 0;
  std::deque<Freed> freed_;  // The first one is being freed.
  env::Pending free_;
  CallbackTable<Operation*> operations_;
  // Operations refused because the queue of their thread was full. A timer
  // completes them in step 1 of the next turn, as env/disk.h requires;
  // Loop::Defer would call them in step 2 of this one.
  std::vector<std::unique_ptr<Operation>> refused_;
  env::Pending refused_timer_;
  bool closing_ = false;
  // Null in the destructor once the threads have ended.
  std::unique_ptr<DiskThread> log_thread_;
  std::unique_ptr<DiskThread> bulk_thread_;
};

}  // namespace quorate::net

#endif  // QUORATE_NET_DISK_FILE_DISK_H_

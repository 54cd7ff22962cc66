// env/disk.h: one node's data directory, asynchronous.
//
// Names are flat: [a-z0-9._-]{1,128}, no subdirectories. Callbacks run in step
// 1 of a later turn, never inside the call. Operations on one file may complete
// in any order, unless one was issued after the completion of the other.
//
// Durability:
//   - A completed plain Write survives a crash of the process, but not of the
//     machine.
//   - A completed Sync makes exactly those writes of the file durable whose
//     completion was observed before the Sync was issued.
//   - A completed Write with kDurable is itself durable. It does not make other
//     writes durable.
//   - Creation, removal and renaming of files are durable only after
//     SyncDirectory.
// A crash of the machine can tear a write that was not durable. Each of its
// 512-byte sectors then holds its old or its new contents, in any mix.
//
// Errors: kResourceExhausted (no room on the disk, or the process lacks
// descriptors or memory), kDataLoss and kUnavailable (I/O error), kNotFound,
// kAlreadyExists, kPermissionDenied. After a failed Sync or durable Write the
// contents of the unsynced range are undefined, and the file must not be
// written again.
//
// An operating system reports an error of a sync once to each open file. Of two
// syncs in flight, one could report the error of the other, which would then
// report success. So at most one Sync or durable Write of a File is in flight,
// and a file has one FileUse at a time.
#ifndef QUORATE_ENV_DISK_H_
#define QUORATE_ENV_DISK_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "env/buffer.h"
#include "env/pending.h"

namespace quorate::env {

// Size of the largest single Write, in bytes, and of the largest Read while the
// node serves: other operations wait for it.
inline constexpr size_t kDiskOperationBytesMax = 8 << 20;
// Size of the largest single Read at a start, in bytes.
inline constexpr size_t kDiskReadBytesMax = 128 << 20;

enum class Durability : uint8_t { kLater, kDurable };

// Operations belong to one of two uses, which never wait for each other. Those
// on files that were opened for the log have one use. Those on all other files
// and on the directory have the other one, bulk work.
//
// A file that bulk work wrote is opened for the log only after each such File
// was destroyed, with nothing in flight. A SyncDirectory that was issued after
// that must have succeeded. Reading a file of the log is bulk work.
enum class FileUse : uint8_t { kBulk, kLog };

// An open file. Destroying it cancels the callbacks of its operations and
// closes the file once the operations have ended. Operations on the directory
// that are issued later are carried out after that, if none was in flight.
class File {
 public:
  using Done = absl::AnyInvocable<void(absl::Status)>;
  using ReadDone = absl::AnyInvocable<void(absl::StatusOr<Buffer>)>;
  using SizeDone = absl::AnyInvocable<void(absl::StatusOr<uint64_t>)>;

  virtual ~File() = default;

  // Writes `pieces` one after another from byte `offset`, extending the file if
  // needed; a gap reads as zeros. The file takes references to the pieces, so
  // the span may be destroyed after the call.
  virtual Pending Write(uint64_t offset, absl::Span<const Buffer> pieces,
                        Durability durability, Done done) = 0;
  // Reads `size` bytes from `offset`, or fewer if the file ends before.
  virtual Pending Read(uint64_t offset, size_t size, ReadDone done) = 0;
  virtual Pending Sync(Done done) = 0;
  virtual Pending Size(SizeDone done) = 0;
};

class Disk {
 public:
  enum class OpenMode : uint8_t {
    kExisting,        // kNotFound if the file does not exist.
    kCreate,          // kAlreadyExists if the file exists.
    kCreateIfAbsent,  // Opens the file, or creates it.
  };
  using OpenDone =
      absl::AnyInvocable<void(absl::StatusOr<std::unique_ptr<File>>)>;
  using ListDone =
      absl::AnyInvocable<void(absl::StatusOr<std::vector<std::string>>)>;

  virtual Pending Open(std::string_view name, OpenMode mode, FileUse use,
                       OpenDone done) = 0;
  // Opens a file for bulk work.
  Pending Open(std::string_view name, OpenMode mode, OpenDone done) {
    return Open(name, mode, FileUse::kBulk, std::move(done));
  }
  // All names in the directory, sorted bytewise.
  virtual Pending List(ListDone done) = 0;
  // The room of a large file may become free later. An open File goes on.
  virtual Pending Remove(std::string_view name, File::Done done) = 0;
  // Renames a file atomically, replacing `to` if it exists.
  virtual Pending Rename(std::string_view from, std::string_view to,
                         File::Done done) = 0;
  // After an error, whatever its code, no later call can be relied on: it may
  // report success for names that are lost. So the program must end. Names that
  // its next start creates and syncs are durable again.
  virtual Pending SyncDirectory(File::Done done) = 0;
  // The number of bytes that files can still take. It may change at once.
  virtual Pending FreeBytes(File::SizeDone done) = 0;
  // The number of bytes of the disk, with all that is used.
  virtual Pending SizeBytes(File::SizeDone done) = 0;
  // Takes the exclusive lock `name` until the Disk is destroyed. kUnavailable,
  // with the holder if known, if another process has the lock. Taking a lock
  // that this Disk already holds succeeds.
  virtual Pending Lock(std::string_view name, File::Done done) = 0;

 protected:
  ~Disk() = default;
};

}  // namespace quorate::env

#endif  // QUORATE_ENV_DISK_H_

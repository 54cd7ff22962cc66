// env/disk.h: one node's data directory, asynchronous.
//
// Names are flat: [a-z0-9._-]{1,128}, no subdirectories. Callbacks run in step 1 of a later turn, never inside the call.
// Operations on one file may complete in any order unless one was issued after the other's completion.
//
// Durability, the whole of it:
//   - a completed plain Write survives a crash of the process, not of the machine;
//   - a completed Sync makes durable exactly the writes (and truncations) to that file whose completion was seen before it
//     was issued;
//   - a completed Write with kDurable is itself durable, and says nothing about others;
//   - a file's existence and name are durable only after SyncDirectory (creation, removal, renaming).
// After a crash of the machine each 512-byte sector of what was not durable holds its old or its new contents, in any mix.
//
// Errors: kResourceExhausted (disk full), kDataLoss and kUnavailable (I/O error), kNotFound, kAlreadyExists. After a failed
// Sync or durable Write the contents of the unsynced range are undefined and that file must not be written again.
#ifndef QUORATE_ENV_DISK_H_
#define QUORATE_ENV_DISK_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "env/buffer.h"
#include "env/pending.h"

namespace quorate::env {

// Size of the largest single Write or Read, in bytes.
inline constexpr size_t kDiskOperationBytesMax = 8 << 20;

enum class Durability : uint8_t { kLater, kDurable };

// An open file. Destroying it cancels the callbacks of its operations and closes it once they have ended.
class File {
 public:
  using Done = absl::AnyInvocable<void(absl::Status)>;
  using ReadDone = absl::AnyInvocable<void(absl::StatusOr<Buffer>)>;
  using SizeDone = absl::AnyInvocable<void(absl::StatusOr<uint64_t>)>;

  virtual ~File() = default;

  // Writes `pieces` one after another from byte `offset`, extending the file (a gap reads as zeros).
  // The file takes references to the pieces; the span itself may go.
  virtual Pending Write(uint64_t offset, absl::Span<const Buffer> pieces,
                        Durability durability, Done done) = 0;
  // Reads up to `size` bytes from `offset`; fewer only where the file ends.
  virtual Pending Read(uint64_t offset, size_t size, ReadDone done) = 0;
  virtual Pending Sync(Done done) = 0;
  // Cuts the file or extends it with zeros. Durable after a later Sync.
  virtual Pending Truncate(uint64_t size, Done done) = 0;
  virtual Pending Size(SizeDone done) = 0;
};

class Disk {
 public:
  enum class OpenMode : uint8_t {
    kExisting,        // kNotFound if it is not there.
    kCreate,          // kAlreadyExists if it is there.
    kCreateIfAbsent,  // Either.
  };
  using OpenDone =
      absl::AnyInvocable<void(absl::StatusOr<std::unique_ptr<File>>)>;
  using ListDone =
      absl::AnyInvocable<void(absl::StatusOr<std::vector<std::string>>)>;

  virtual Pending Open(std::string_view name, OpenMode mode, OpenDone done) = 0;
  // Every name in the directory, sorted bytewise.
  virtual Pending List(ListDone done) = 0;
  virtual Pending Remove(std::string_view name, File::Done done) = 0;
  // Replaces `to` where it exists; atomic.
  virtual Pending Rename(std::string_view from, std::string_view to,
                         File::Done done) = 0;
  virtual Pending SyncDirectory(File::Done done) = 0;
  // Takes the exclusive lock `name`, held until the Disk is destroyed. kUnavailable, with the holder if known, when another
  // process has it. Taking a lock that this Disk already holds succeeds.
  virtual Pending Lock(std::string_view name, File::Done done) = 0;

 protected:
  ~Disk() = default;
};

}  // namespace quorate::env

#endif  // QUORATE_ENV_DISK_H_

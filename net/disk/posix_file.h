// net/disk/posix_file.h: blocking file operations with readable errors. They
// run on disk threads and at start-up.
#ifndef QUORATE_NET_DISK_POSIX_FILE_H_
#define QUORATE_NET_DISK_POSIX_FILE_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace quorate::net {

// A file descriptor that its destructor closes.
class OwnedFd {
 public:
  OwnedFd() = default;
  explicit OwnedFd(int fd) : fd_(fd) {}
  OwnedFd(OwnedFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  OwnedFd& operator=(OwnedFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~OwnedFd();

  int get() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

// Returns the Status of a failed operation, such as "writing 'wal-1.log': No
// space left on device":
//   - kResourceExhausted: disk or quota is full, or the process lacks
//     descriptors or memory.
//   - kDataLoss: the device could not read.
//   - kNotFound, kAlreadyExists, kPermissionDenied.
//   - kUnavailable: all else.
absl::Status FileError(int error, std::string_view action,
                       std::string_view name);

// Writes all of `pieces` from `offset`; durably if `durable` (RWF_DSYNC, or
// fdatasync afterwards if the file system does not support it). Changes
// `pieces`. Returns 0 or errno.
int WriteFully(int fd, std::vector<iovec>& pieces, uint64_t offset,
               bool durable);

// Reads up to `size` bytes. Returns the number of bytes (less than `size` only
// at the end of the file) or -errno.
int64_t ReadFully(int fd, char* bytes, size_t size, uint64_t offset);

// Creates `path` and its missing parents durably: syncs the parent of each new
// directory. The parent of `path` is synced in any case, if that is possible:
// an earlier process may have ended before its sync.
absl::Status MakeDirectories(const std::string& path);

// Returns the names of the regular files in the directory, sorted.
absl::StatusOr<std::vector<std::string>> ListFiles(int directory_fd);

// Takes an exclusive lock on `name` and writes the id of this process into it,
// if the disk has room. Returns the descriptor that holds the lock.
// kUnavailable: another process holds it; the message names that process if the
// file does.
absl::StatusOr<OwnedFd> LockFile(int directory_fd, const std::string& name,
                                 const std::string& directory);

// Returns the process that holds the lock file at `path`, or 0 if the file does
// not say. Returns nothing if the file is not locked or does not exist.
std::optional<int64_t> LockHolder(const std::string& path);

}  // namespace quorate::net

#endif  // QUORATE_NET_DISK_POSIX_FILE_H_

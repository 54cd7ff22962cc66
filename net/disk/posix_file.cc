#include "net/disk/posix_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace quorate::net {

OwnedFd::~OwnedFd() {
  if (fd_ >= 0) close(fd_);
}

absl::Status FileError(int error, std::string_view action,
                       std::string_view name) {
  const std::string message = std::string(action) + " '" + std::string(name) +
                              "': " + std::generic_category().message(error);
  switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return absl::ResourceExhaustedError(message);
    case ENOENT:
      return absl::NotFoundError(message);
    case EEXIST:
      return absl::AlreadyExistsError(message);
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(message);
    case EIO:
      if (action == "reading") return absl::DataLossError(message);
      return absl::UnavailableError(message);
    default:
      return absl::UnavailableError(message);
  }
}

int WriteFully(int fd, std::vector<iovec>& pieces, uint64_t offset,
               bool durable) {
  size_t first = 0;
  // One sync at the end is cheaper than one for each of several calls.
  bool sync_after = durable && pieces.size() > IOV_MAX;
  while (first < pieces.size()) {
    if (pieces[first].iov_len == 0) {
      ++first;
      continue;
    }
    const int count =
        static_cast<int>(std::min<size_t>(pieces.size() - first, IOV_MAX));
    const ssize_t written =
        pwritev2(fd, pieces.data() + first, count, static_cast<off_t>(offset),
                 durable && !sync_after ? RWF_DSYNC : 0);
    if (written < 0) {
      if (errno == EINTR) continue;
      if ((errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL) &&
          durable && !sync_after) {
        sync_after = true;
        continue;
      }
      return errno;
    }
    offset += written;
    size_t left = written;
    while (left > 0) {
      const size_t taken = std::min(left, pieces[first].iov_len);
      pieces[first].iov_base =
          static_cast<char*>(pieces[first].iov_base) + taken;
      pieces[first].iov_len -= taken;
      left -= taken;
      if (pieces[first].iov_len == 0) ++first;
    }
  }
  if (sync_after && fdatasync(fd) != 0) return errno;
  return 0;
}

int64_t ReadFully(int fd, char* bytes, size_t size, uint64_t offset) {
  size_t done = 0;
  while (done < size) {
    const ssize_t n =
        pread(fd, bytes + done, size - done, static_cast<off_t>(offset + done));
    if (n < 0) {
      if (errno == EINTR) continue;
      return -errno;
    }
    if (n == 0) break;
    done += n;
  }
  return static_cast<int64_t>(done);
}

absl::Status MakeDirectories(const std::string& path) {
  std::error_code error;
  const std::filesystem::path whole = std::filesystem::absolute(path, error);
  const std::filesystem::path last =
      whole.has_filename() ? whole : whole.parent_path();
  std::filesystem::path made;
  for (const std::filesystem::path& part : whole) {
    const std::filesystem::path parent = made;
    made /= part;
    if (part.empty() || made == made.root_path()) continue;
    const bool existed = mkdir(made.c_str(), 0750) != 0;
    if (existed && errno != EEXIST) {
      return FileError(errno, "creating directory", made.string());
    }
    if (existed && made != last) continue;
    const OwnedFd fd(open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd.get() < 0 || fsync(fd.get()) != 0) {
      // Such a parent need not be readable, nor support a sync.
      if (existed && errno != EIO) continue;
      return FileError(errno, "syncing directory", parent.string());
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> ListFiles(int directory_fd) {
  // A separate descriptor: reading would move the position of the shared one.
  const int fd = openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return FileError(errno, "listing", ".");
  DIR* directory = fdopendir(fd);
  if (directory == nullptr) {
    const int error = errno;
    close(fd);
    return FileError(error, "listing", ".");
  }
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = readdir(directory)) {
    struct stat info;
    if (fstatat(fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0) {
      if (S_ISREG(info.st_mode)) names.emplace_back(entry->d_name);
    } else if (errno != ENOENT) {
      break;  // A file that cannot be asked about must not seem to be absent.
    }
    errno = 0;
  }
  const int error = errno;
  closedir(directory);
  if (error != 0) return FileError(error, "listing", ".");
  std::sort(names.begin(), names.end());
  return names;
}

namespace {

// A lock of the open file description: the kernel releases it however the
// process ends, and it also excludes within one process.
struct flock WholeFile() {
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

// Returns the process id written in a lock file; 0 if there is none.
int64_t ReadHolder(int fd) {
  char text[32] = {};
  int64_t holder = 0;
  if (ReadFully(fd, text, sizeof(text) - 1, 0) <= 0 ||
      !absl::SimpleAtoi(text, &holder) || holder < 0) {
    return 0;
  }
  return holder;
}

// Names this process in a lock file. The text is for messages only: a
// failure to write it does not fail the lock. A full disk may have no room for
// the text. So the blocks of the last holder's text are used again.
void WriteHolder(int fd) {
  const std::string holder = absl::StrCat(getpid(), "\n");
  const auto size = static_cast<ssize_t>(holder.size());
  const bool written = pwrite(fd, holder.data(), holder.size(), 0) == size;
  // No other process may be named.
  [[maybe_unused]] const int ignored = ftruncate(fd, written ? size : 0);
}

}  // namespace

absl::StatusOr<OwnedFd> LockFile(int directory_fd, const std::string& name,
                                 const std::string& directory) {
  OwnedFd owned(
      openat(directory_fd, name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640));
  const int fd = owned.get();
  if (fd < 0) return FileError(errno, "opening the lock", name);
  struct flock lock = WholeFile();
  if (fcntl(fd, F_OFD_SETLK, &lock) != 0) {
    if (errno != EAGAIN && errno != EACCES) {
      return FileError(errno, "locking", name);
    }
    const int64_t holder = ReadHolder(fd);
    std::string who = "another process";
    if (holder > 0) {
      absl::StrAppend(&who, " (process ", holder, ")");
    }
    return absl::UnavailableError(
        absl::StrCat("the data directory '", directory, "' is in use by ", who,
                     ", which holds the lock '", name, "'"));
  }
  // The last holder removed the file meanwhile, so a lock on it excludes no
  // other process.
  struct stat info;
  if (fstat(fd, &info) != 0 || info.st_nlink == 0) {
    return absl::UnavailableError(
        absl::StrCat("the lock '", name, "' of the data directory '", directory,
                     "' was removed by another process just now: try again"));
  }
  WriteHolder(fd);
  return owned;
}

std::optional<int64_t> LockHolder(const std::string& path) {
  const OwnedFd fd(open(path.c_str(), O_RDWR | O_CLOEXEC));
  struct flock lock = WholeFile();
  if (fd.get() < 0 || fcntl(fd.get(), F_OFD_GETLK, &lock) != 0 ||
      lock.l_type == F_UNLCK) {
    return std::nullopt;
  }
  return ReadHolder(fd.get());
}

}  // namespace quorate::net

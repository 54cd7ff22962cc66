#include "net/tools/lock_owner.h"

#include <dirent.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace quorate::net {
namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const { closedir(directory); }
};

// True if the process has the file open. False also if its list of open files
// may not be read.
bool HasOpen(pid_t pid, const struct stat& file) {
  const std::unique_ptr<DIR, CloseDirectory> directory(
      opendir(absl::StrCat("/proc/", pid, "/fd").c_str()));
  if (directory == nullptr) return false;
  while (const dirent* const entry = readdir(directory.get())) {
    struct stat open;
    if (fstatat(dirfd(directory.get()), entry->d_name, &open, 0) == 0 &&
        open.st_dev == file.st_dev && open.st_ino == file.st_ino) {
      return true;
    }
  }
  return false;
}

}  // namespace

absl::StatusOr<LockOwner> LockOwner::Find(const std::string& path) {
  const std::optional<int64_t> named = LockHolder(path);
  if (!named.has_value()) {
    return absl::NotFoundError(absl::StrCat(path, " is not locked"));
  }
  if (*named <= 0 || *named > std::numeric_limits<pid_t>::max()) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " names no process"));
  }
  const auto pid = static_cast<pid_t>(*named);
  OwnedFd handle(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  struct stat file;
  // The process is opened before it is checked: another one with its id is then
  // never signalled.
  if (handle.get() < 0 || stat(path.c_str(), &file) != 0 ||
      !HasOpen(pid, file)) {
    return absl::FailedPreconditionError(
        absl::StrCat("process ", pid, ", which ", path,
                     " names, is another program here: the lock is perhaps "
                     "held in another container, or by another user"));
  }
  return LockOwner(pid, std::move(handle));
}

bool LockOwner::Signal(int signal) const {
  return syscall(SYS_pidfd_send_signal, handle_.get(), signal, nullptr, 0) == 0;
}

}  // namespace quorate::net

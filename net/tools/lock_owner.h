// net/tools/lock_owner.h: the process that holds a lock file, to be signalled.
//
// The text of a lock file may name a process of another pid namespace, or one
// that ended and whose id was used again. A LockOwner is proven to have the
// file open, and stays that process.
#ifndef QUORATE_NET_TOOLS_LOCK_OWNER_H_
#define QUORATE_NET_TOOLS_LOCK_OWNER_H_

#include <sys/types.h>

#include <string>

#include "absl/status/statusor.h"
#include "net/disk/posix_file.h"

namespace quorate::net {

class LockOwner {
 public:
  // kNotFound: the file is not locked. kFailedPrecondition: it is, but not by a
  // process that can be found here; the message says why.
  static absl::StatusOr<LockOwner> Find(const std::string& path);

  pid_t pid() const { return pid_; }
  // False if the process has ended, or may not be signalled.
  bool Signal(int signal) const;

 private:
  LockOwner(pid_t pid, OwnedFd handle)
      : pid_(pid), handle_(std::move(handle)) {}

  pid_t pid_;
  OwnedFd handle_;  // A pidfd.
};

}  // namespace quorate::net

#endif  // QUORATE_NET_TOOLS_LOCK_OWNER_H_

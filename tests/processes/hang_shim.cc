// A library to be preloaded into quorated. Writes and syncs of files do not
// return while the file exists that QUORATE_HANG_FILE names. Beside it, a file
// with the suffix ".hung" shows that a call hangs.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <string>

namespace {

void HangWhileFileExists() {
  static const char* const path = getenv("QUORATE_HANG_FILE");
  while (path != nullptr && access(path, F_OK) == 0) {
    const std::string hung = std::string(path) + ".hung";
    syscall(SYS_close, open(hung.c_str(), O_CREAT | O_WRONLY, 0640));
    const timespec pause = {.tv_sec = 0, .tv_nsec = 10'000'000};
    nanosleep(&pause, nullptr);
  }
}

}  // namespace

extern "C" {

ssize_t pwritev2(int fd, const iovec* pieces, int count, off_t offset,
                 int flags) {
  HangWhileFileExists();
  return syscall(SYS_pwritev2, fd, pieces, count, offset, 0L, flags);
}

ssize_t pwritev64v2(int fd, const iovec* pieces, int count, off_t offset,
                    int flags) {
  return pwritev2(fd, pieces, count, offset, flags);
}

int fdatasync(int fd) {
  HangWhileFileExists();
  return static_cast<int>(syscall(SYS_fdatasync, fd));
}

int fsync(int fd) {
  HangWhileFileExists();
  return static_cast<int>(syscall(SYS_fsync, fd));
}

}  // extern "C"

#include "net/testing/disk_calls.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace quorate::net {
namespace {

struct Recorder {
  std::mutex mutex;
  std::map<int, std::string> names;  // Names of open descriptors.
  std::vector<DiskCall> calls;
  uint64_t time = 0;
  DiskCallKind failing = DiskCallKind::kOpen;
  uint64_t failing_nth = 0;
  int failing_error = 0;
  bool failed = false;
  size_t bytes_max = 0;  // Of one read or write; 0: any number.
};

Recorder& TheRecorder() {
  static Recorder* const recorder = new Recorder;
  return *recorder;
}

// Returns the path of an open directory; empty if `fd` is of something else.
std::string DirectoryPath(int fd) {
  struct stat info;
  if (syscall(SYS_fstat, fd, &info) != 0 || !S_ISDIR(info.st_mode)) return {};
  char path[PATH_MAX];
  const ssize_t size =
      readlink(absl::StrCat("/proc/self/fd/", fd).c_str(), path, sizeof(path));
  return std::string(path, static_cast<size_t>(std::max<ssize_t>(size, 0)));
}

size_t BytesMax() {
  Recorder& recorder = TheRecorder();
  const std::lock_guard<std::mutex> lock(recorder.mutex);
  return recorder.bytes_max;
}

// Returns as many of the pieces as one call may write.
std::vector<iovec> Shortened(const iovec* pieces, int count) {
  std::vector<iovec> shortened(pieces, pieces + count);
  size_t left = BytesMax();
  if (left == 0) return shortened;
  for (iovec& piece : shortened) {
    piece.iov_len = std::min(piece.iov_len, left);
    left -= piece.iov_len;
  }
  return shortened;
}

// Records a call; `run` makes it and returns its result.
template <typename Run>
auto Record(DiskCall call, Run run) -> decltype(run()) {
  Recorder& recorder = TheRecorder();
  size_t index;
  bool fails = false;
  {
    const std::lock_guard<std::mutex> lock(recorder.mutex);
    const auto named = recorder.names.find(call.fd);
    if (call.name.empty() && named != recorder.names.end()) {
      call.name = named->second;
    }
    if (call.kind == DiskCallKind::kClose) recorder.names.erase(call.fd);
    call.begin = ++recorder.time;
    call.thread = static_cast<uint64_t>(gettid());
    if (recorder.failing_nth > 0 && recorder.failing == call.kind &&
        --recorder.failing_nth == 0) {
      fails = recorder.failed = true;
    }
    index = recorder.calls.size();
    recorder.calls.push_back(call);
  }
  decltype(run()) result = -1;
  if (!fails || call.kind == DiskCallKind::kClose) result = run();
  if (fails) result = -1;
  const int error = fails ? recorder.failing_error : errno;
  {
    const std::lock_guard<std::mutex> lock(recorder.mutex);
    if (index < recorder.calls.size()) {
      DiskCall& made = recorder.calls[index];
      made.end = ++recorder.time;
      made.error = result < 0 ? error : 0;
      if (call.kind == DiskCallKind::kOpen && result >= 0) {
        made.fd = static_cast<int>(result);
        recorder.names[made.fd] = call.name;
      }
      if (call.kind == DiskCallKind::kRename && result >= 0) {
        for (auto& [fd, name] : recorder.names) {
          if (name == call.name) name = call.to;
        }
      }
    }
  }
  errno = error;
  return result;
}

}  // namespace

void BeginRecordingDiskCalls() {
  Recorder& recorder = TheRecorder();
  const std::lock_guard<std::mutex> lock(recorder.mutex);
  recorder.calls.clear();
}

std::vector<DiskCall> RecordedDiskCalls() {
  Recorder& recorder = TheRecorder();
  const std::lock_guard<std::mutex> lock(recorder.mutex);
  return recorder.calls;
}

void FailDiskCall(DiskCallKind kind, uint64_t nth, int error) {
  Recorder& recorder = TheRecorder();
  const std::lock_guard<std::mutex> lock(recorder.mutex);
  recorder.failing = kind;
  recorder.failing_nth = nth;
  recorder.failing_error = error;
  recorder.failed = false;
}

bool DiskCallFailed() {
  Recorder& recorder = TheRecorder();
  const std::lock_guard<std::mutex> lock(recorder.mutex);
  return recorder.failed;
}

void ShortenDiskCalls(size_t bytes) {
  Recorder& recorder = TheRecorder();
  const std::lock_guard<std::mutex> lock(recorder.mutex);
  recorder.bytes_max = bytes;
}

void RecordAcknowledgement() {
  Record(DiskCall{.kind = DiskCallKind::kAcknowledgement}, [] { return 0; });
}

// ---- The rules

namespace {

struct Span {
  uint64_t begin = 0;
  uint64_t end = 0;
};

// Whether one of the spans lies between the two times.
bool AnyBetween(const std::vector<Span>& spans, uint64_t from, uint64_t to) {
  return std::any_of(spans.begin(), spans.end(), [&](const Span& span) {
    return span.begin > from && span.end < to;
  });
}

// A file, under its present name.
struct FileState {
  uint64_t named = 0;    // When it got the name; 0: before the process.
  uint64_t written = 0;  // When the last write that is not durable ended.
  std::vector<Span> syncs;
};

struct DescriptorState {
  std::string name;
  bool wrote_later = false;
  bool failed = false;    // A sync of it.
  bool erred = false;     // Any call of it.
  uint64_t sync_end = 0;  // When its last sync or durable write ended.
  std::set<uint64_t> threads;
};

class Checker {
 public:
  void Add(const DiskCall& call) {
    const bool ok = call.error == 0;
    switch (call.kind) {
      case DiskCallKind::kOpen:
        if (!ok) return;
        descriptors_[call.fd] = {.name = call.name};
        if (files_.count(call.name) == 0) {
          files_[call.name].named = call.creates ? call.end : 0;
        }
        return;
      case DiskCallKind::kClose:
        descriptors_.erase(call.fd);
        return;
      case DiskCallKind::kSyncDirectory:
        if (directory_failed_) {
          Report("the directory is synced after a failed sync", call);
        }
        directory_failed_ = !ok;
        if (ok) directory_syncs_.push_back({call.begin, call.end});
        bulk_threads_.insert(call.thread);
        return;
      case DiskCallKind::kWrite:
      case DiskCallKind::kDurableWrite:
      case DiskCallKind::kSyncFile:
        return Access(call);
      case DiskCallKind::kRename:
        if (ok) Rename(call);
        return;
      case DiskCallKind::kRemove:
        if (ok) Remove(call);
        return;
      case DiskCallKind::kOpenDirectory:
      case DiskCallKind::kRead:
      case DiskCallKind::kMakeDirectory:
      case DiskCallKind::kSize:
      case DiskCallKind::kResize:
      case DiskCallKind::kLock:
      case DiskCallKind::kAccess:
      case DiskCallKind::kList:
      case DiskCallKind::kFreeSpace:
        return;
      case DiskCallKind::kAcknowledgement:
        if (!AnyBetween(log_writes_, acknowledged_, call.begin)) {
          Report("an append is acknowledged before a durable write", call);
        }
        acknowledged_ = call.end;
        return;
    }
  }
  std::vector<std::string> Finish() {
    for (const uint64_t thread : log_threads_) {
      if (bulk_threads_.count(thread) > 0) {
        Report("a thread writes the log and does other work", DiskCall());
      }
    }
    if (log_threads_.size() > 1) {
      Report("two threads write the log", DiskCall());
    }
    return std::move(found_);
  }

 private:
  static bool IsLog(const std::string& name) {
    return absl::StartsWith(name, "log-");
  }
  static bool IsCompleteSnapshot(const std::string& name) {
    return absl::StartsWith(name, "snap-") && !absl::StrContains(name, '.');
  }
  void Report(const std::string& what, const DiskCall& call) {
    found_.push_back(absl::StrCat(what, ": ", call.name, " at ", call.begin));
  }
  bool NameIsDurable(const FileState& file, uint64_t at) const {
    return file.named == 0 || AnyBetween(directory_syncs_, file.named, at);
  }
  bool ContentsAreDurable(const FileState& file, uint64_t at) const {
    return file.written == 0 || AnyBetween(file.syncs, file.written, at);
  }

  void Access(const DiskCall& call) {
    FileState& file = files_[call.name];
    DescriptorState& descriptor = descriptors_[call.fd];
    descriptor.threads.insert(call.thread);
    if (descriptor.failed) Report("a write after a failed sync", call);
    descriptor.erred |= call.error != 0;
    if (call.kind == DiskCallKind::kWrite) {
      bulk_threads_.insert(call.thread);
      descriptor.wrote_later = true;
      file.written = call.end;
      return;
    }
    if (call.begin < descriptor.sync_end) {
      Report("two syncs of one descriptor at once", call);
    }
    descriptor.sync_end = call.end;
    descriptor.failed = call.error != 0;
    if (call.kind == DiskCallKind::kSyncFile) {
      bulk_threads_.insert(call.thread);
      if (call.error == 0) file.syncs.push_back({call.begin, call.end});
      return;
    }
    if (IsLog(call.name)) WriteLog(call, file);
  }

  void WriteLog(const DiskCall& call, const FileState& file) {
    log_threads_.insert(call.thread);
    if (call.error == 0) log_writes_.push_back({call.begin, call.end});
    if (!NameIsDurable(file, call.begin)) {
      Report("a file of the log is written before its name is durable", call);
    }
    if (!ContentsAreDurable(file, call.begin)) {
      Report("a file of the log is written before its space is durable", call);
    }
    for (const auto& [fd, other] : descriptors_) {
      const bool wrote = other.wrote_later || !other.threads.empty();
      // A file that could not be prepared is closed by its own thread, while
      // the log begins another one with this name.
      if (other.name == call.name && wrote && !other.erred && fd != call.fd) {
        Report("two descriptors write a file of the log", call);
      }
    }
  }

  void Rename(const DiskCall& call) {
    if (!ContentsAreDurable(files_[call.name], call.begin)) {
      Report("a file is renamed before it is durable", call);
    }
    files_[call.to] = files_[call.name];
    files_[call.to].named = call.end;
    files_.erase(call.name);
    for (auto& [fd, descriptor] : descriptors_) {
      if (descriptor.name == call.name) descriptor.name = call.to;
    }
  }

  void Remove(const DiskCall& call) {
    files_.erase(call.name);
    if (!IsCompleteSnapshot(call.name)) return;
    for (const auto& [name, file] : files_) {
      if (IsCompleteSnapshot(name) && !NameIsDurable(file, call.begin)) {
        Report("a snapshot is removed before the next one is durable", call);
      }
    }
  }

  std::map<std::string, FileState> files_;
  std::map<int, DescriptorState> descriptors_;
  std::vector<Span> directory_syncs_;
  bool directory_failed_ = false;  // A sync of it has failed.
  std::vector<Span> log_writes_;   // The durable ones.
  uint64_t acknowledged_ = 0;      // When the last append was acknowledged.
  std::set<uint64_t> log_threads_;
  std::set<uint64_t> bulk_threads_;
  std::vector<std::string> found_;
};

}  // namespace

std::vector<std::string> CheckDiskCalls(const std::vector<DiskCall>& calls) {
  Checker checker;
  for (const DiskCall& call : calls) checker.Add(call);
  return checker.Finish();
}

}  // namespace quorate::net

// ---- The functions of the C library

using quorate::net::DiskCall;
using quorate::net::DiskCallKind;

extern "C" {

int openat(int directory, const char* path, int flags, ...) {
  mode_t mode = 0;
  if ((flags & O_CREAT) != 0) {
    va_list arguments;
    va_start(arguments, flags);
    mode = va_arg(arguments, mode_t);
    va_end(arguments);
  }
  const auto run = [&] {
    return syscall(SYS_openat, directory, path, flags, mode);
  };
  const bool of_directory = (flags & O_DIRECTORY) != 0;
  DiskCall call{
      .kind = of_directory ? DiskCallKind::kOpenDirectory : DiskCallKind::kOpen,
      .name = path};
  call.creates = (flags & O_CREAT) != 0;
  return static_cast<int>(quorate::net::Record(call, run));
}

// Only directories are opened by this function.
int open(const char* path, int flags, ...) {
  mode_t mode = 0;
  if ((flags & O_CREAT) != 0) {
    va_list arguments;
    va_start(arguments, flags);
    mode = va_arg(arguments, mode_t);
    va_end(arguments);
  }
  const auto run = [&] {
    return syscall(SYS_openat, AT_FDCWD, path, flags, mode);
  };
  if ((flags & O_DIRECTORY) == 0) return static_cast<int>(run());
  return static_cast<int>(quorate::net::Record(
      DiskCall{.kind = DiskCallKind::kOpenDirectory, .name = path}, run));
}

int close(int fd) {
  return static_cast<int>(
      quorate::net::Record(DiskCall{.kind = DiskCallKind::kClose, .fd = fd},
                           [&] { return syscall(SYS_close, fd); }));
}

ssize_t pwritev2(int fd, const iovec* pieces, int count, off_t offset,
                 int flags) {
  DiskCall call{.kind = (flags & RWF_DSYNC) != 0 ? DiskCallKind::kDurableWrite
                                                 : DiskCallKind::kWrite,
                .fd = fd};
  const std::vector<iovec> some = quorate::net::Shortened(pieces, count);
  return quorate::net::Record(call, [&]() -> ssize_t {
    return syscall(SYS_pwritev2, fd, some.data(), count, offset, 0L, flags);
  });
}

ssize_t pread(int fd, void* bytes, size_t size, off_t offset) {
  const size_t most = quorate::net::BytesMax();
  if (most > 0) size = std::min(size, most);
  return quorate::net::Record(
      DiskCall{.kind = DiskCallKind::kRead, .fd = fd}, [&]() -> ssize_t {
        return syscall(SYS_pread64, fd, bytes, size, offset);
      });
}

// A test may have its own version of a weak function.
__attribute__((weak)) ssize_t pwrite(int fd, const void* bytes, size_t size,
                                     off_t offset) {
  return quorate::net::Record(
      DiskCall{.kind = DiskCallKind::kWrite, .fd = fd}, [&]() -> ssize_t {
        return syscall(SYS_pwrite64, fd, bytes, size, offset);
      });
}

int ftruncate(int fd, off_t size) noexcept {
  return static_cast<int>(
      quorate::net::Record(DiskCall{.kind = DiskCallKind::kResize, .fd = fd},
                           [&] { return syscall(SYS_ftruncate, fd, size); }));
}

int fstat(int fd, struct stat* info) noexcept {
  return static_cast<int>(
      quorate::net::Record(DiskCall{.kind = DiskCallKind::kSize, .fd = fd},
                           [&] { return syscall(SYS_fstat, fd, info); }));
}

__attribute__((weak)) int fstatat(int directory, const char* path,
                                  struct stat* info, int flags) noexcept {
  return static_cast<int>(quorate::net::Record(
      DiskCall{.kind = DiskCallKind::kSize, .name = path},
      [&] { return syscall(SYS_newfstatat, directory, path, info, flags); }));
}

__attribute__((weak)) int fcntl(int fd, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  void* const argument = va_arg(arguments, void*);
  va_end(arguments);
  const auto run = [&] { return syscall(SYS_fcntl, fd, command, argument); };
  if (command != F_OFD_SETLK) return static_cast<int>(run());
  return static_cast<int>(quorate::net::Record(
      DiskCall{.kind = DiskCallKind::kLock, .fd = fd}, run));
}

int faccessat(int directory, const char* path, int mode, int flags) noexcept {
  static const auto library =
      reinterpret_cast<decltype(&faccessat)>(dlsym(RTLD_NEXT, "faccessat"));
  return quorate::net::Record(
      DiskCall{.kind = DiskCallKind::kAccess, .name = path},
      [&] { return library(directory, path, mode, flags); });
}

int fstatvfs(int fd, struct statvfs* info) noexcept {
  static const auto library =
      reinterpret_cast<decltype(&fstatvfs)>(dlsym(RTLD_NEXT, "fstatvfs"));
  return quorate::net::Record(
      DiskCall{.kind = DiskCallKind::kFreeSpace, .fd = fd},
      [&] { return library(fd, info); });
}

DIR* fdopendir(int fd) {
  static const auto library =
      reinterpret_cast<decltype(&fdopendir)>(dlsym(RTLD_NEXT, "fdopendir"));
  DIR* opened = nullptr;
  quorate::net::Record(DiskCall{.kind = DiskCallKind::kList, .fd = fd}, [&] {
    opened = library(fd);
    return opened == nullptr ? -1 : 0;
  });
  return opened;
}

dirent* readdir(DIR* directory) {
  static const auto library =
      reinterpret_cast<decltype(&readdir)>(dlsym(RTLD_NEXT, "readdir"));
  dirent* entry = nullptr;
  quorate::net::Record(DiskCall{.kind = DiskCallKind::kList}, [&] {
    const int before = std::exchange(errno, 0);
    entry = library(directory);
    if (entry == nullptr && errno != 0) return -1;
    errno = before;
    return 0;
  });
  return entry;
}

int fdatasync(int fd) {
  return static_cast<int>(
      quorate::net::Record(DiskCall{.kind = DiskCallKind::kSyncFile, .fd = fd},
                           [&] { return syscall(SYS_fdatasync, fd); }));
}

int fsync(int fd) {
  DiskCall call{.kind = DiskCallKind::kSyncFile, .fd = fd};
  const std::string directory = quorate::net::DirectoryPath(fd);
  if (!directory.empty()) {
    call.kind = DiskCallKind::kSyncDirectory;
    call.name = directory;
  }
  return static_cast<int>(
      quorate::net::Record(call, [&] { return syscall(SYS_fsync, fd); }));
}

int renameat(int from_directory, const char* from, int to_directory,
             const char* to) noexcept {
  DiskCall call{.kind = DiskCallKind::kRename, .name = from, .to = to};
  return static_cast<int>(quorate::net::Record(call, [&] {
    return syscall(SYS_renameat2, from_directory, from, to_directory, to, 0);
  }));
}

int unlinkat(int directory, const char* path, int flags) noexcept {
  DiskCall call{.kind = DiskCallKind::kRemove, .name = path};
  return static_cast<int>(quorate::net::Record(
      call, [&] { return syscall(SYS_unlinkat, directory, path, flags); }));
}

int mkdir(const char* path, mode_t mode) noexcept {
  DiskCall call{.kind = DiskCallKind::kMakeDirectory, .name = path};
  return static_cast<int>(quorate::net::Record(
      call, [&] { return syscall(SYS_mkdir, path, mode); }));
}

}  // extern "C"

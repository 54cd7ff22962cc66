// The system calls behind one write and one listing.
#include "net/disk/posix_file.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "net/testing/disk_calls.h"

namespace {

// The name that fstatat fails for, and how.
std::string_view failing_name;
int failing_error = 0;
// The file that is removed when the next lock is about to be taken.
std::string removed_at_lock;
// Writes through pwrite find no room behind the ends of their files.
bool disk_is_full = false;

}  // namespace

// Replaces that of the C library.
extern "C" int fstatat(int fd, const char* name, struct stat* info,
                       int flags) noexcept {
  static const auto real =
      reinterpret_cast<decltype(&::fstatat)>(dlsym(RTLD_NEXT, "fstatat"));
  if (name == failing_name) {
    errno = failing_error;
    return -1;
  }
  return real(fd, name, info, flags);
}

extern "C" int fcntl(int fd, int command, ...) {
  static const auto real =
      reinterpret_cast<decltype(&::fcntl)>(dlsym(RTLD_NEXT, "fcntl"));
  va_list arguments;
  va_start(arguments, command);
  void* const argument = va_arg(arguments, void*);
  va_end(arguments);
  if (command == F_OFD_SETLK && !removed_at_lock.empty()) {
    std::filesystem::remove(removed_at_lock);
  }
  return real(fd, command, argument);
}

extern "C" ssize_t pwrite(int fd, const void* bytes, size_t size,
                          off_t offset) {
  static const auto real =
      reinterpret_cast<decltype(&::pwrite)>(dlsym(RTLD_NEXT, "pwrite"));
  struct stat info;
  if (disk_is_full && fstat(fd, &info) == 0 &&
      offset + static_cast<off_t>(size) > info.st_size) {
    errno = ENOSPC;
    return -1;
  }
  return real(fd, bytes, size, offset);
}

namespace quorate::net {
namespace {

class PosixFileTest : public testing::Test {
 protected:
  PosixFileTest() {
    path_ = testing::TempDir() + "/posix_file_test";
    mkdir(path_.c_str(), 0700);
    directory_ = OwnedFd(open(path_.c_str(), O_RDONLY | O_DIRECTORY));
    for (const char* const name : {"a", "b", "c"}) {
      const OwnedFd file(
          openat(directory_.get(), name, O_RDWR | O_CREAT | O_TRUNC, 0600));
      EXPECT_GE(file.get(), 0);
    }
  }
  ~PosixFileTest() override {
    failing_name = {};
    removed_at_lock = {};
    disk_is_full = false;
    FailDiskCall(DiskCallKind::kOpen, 0, 0);
    ShortenDiskCalls(0);
    std::filesystem::remove_all(path_);
  }

  static size_t Count(DiskCallKind kind) {
    const std::vector<DiskCall> calls = RecordedDiskCalls();
    return static_cast<size_t>(std::count_if(
        calls.begin(), calls.end(),
        [kind](const DiskCall& call) { return call.kind == kind; }));
  }
  // Makes the lock file of a process that ended.
  void LeaveLock(std::string text) {
    const OwnedFd file(
        openat(directory_.get(), "lock", O_RDWR | O_CREAT | O_TRUNC, 0600));
    std::vector<iovec> pieces = {{text.data(), text.size()}};
    ASSERT_EQ(WriteFully(file.get(), pieces, 0, /*durable=*/false), 0);
  }
  // Writes pieces of 0 to 19 bytes, then reads the file: it must have exactly
  // these. Ends with the result of the write.
  int WriteAndRead(bool durable) {
    const OwnedFd file(openat(directory_.get(), "b", O_RDWR | O_TRUNC));
    std::string whole(950, ' ');
    for (size_t i = 0; i < whole.size(); ++i) {
      whole[i] = static_cast<char>('a' + i * 7 % 26);
    }
    std::vector<iovec> pieces;
    for (size_t at = 0, i = 0; at < whole.size(); at += i++ % 20) {
      pieces.push_back(
          {whole.data() + at, std::min(i % 20, whole.size() - at)});
    }
    const int error = WriteFully(file.get(), pieces, 3, durable);
    std::string read(whole.size() + 10, ' ');
    const int64_t size = ReadFully(file.get(), read.data(), read.size(), 3);
    read.resize(static_cast<size_t>(std::max<int64_t>(size, 0)));
    if (error == 0) {
      EXPECT_EQ(read, whole);
    }
    return error;
  }
  // Writes so many pieces of a byte.
  void Write(size_t pieces, bool durable) {
    const OwnedFd file(openat(directory_.get(), "a", O_RDWR));
    std::string byte = "x";
    std::vector<iovec> all(pieces, {byte.data(), 1});
    BeginRecordingDiskCalls();
    ASSERT_EQ(WriteFully(file.get(), all, 0, durable), 0);
    struct stat info;
    ASSERT_EQ(fstat(file.get(), &info), 0);
    EXPECT_EQ(info.st_size, static_cast<off_t>(pieces));
  }

  std::string path_;
  OwnedFd directory_;
};

TEST_F(PosixFileTest, DurableWriteOfAnyNumberOfPieces_IsOneFlush) {
  Write(IOV_MAX, /*durable=*/true);
  EXPECT_EQ(Count(DiskCallKind::kDurableWrite), 1u);
  EXPECT_EQ(Count(DiskCallKind::kSyncFile), 0u);
  Write(10 * IOV_MAX + 1, /*durable=*/true);
  EXPECT_EQ(Count(DiskCallKind::kDurableWrite), 0u);
  EXPECT_EQ(Count(DiskCallKind::kWrite), 11u);
  EXPECT_EQ(Count(DiskCallKind::kSyncFile), 1u);
  Write(10 * IOV_MAX + 1, /*durable=*/false);
  EXPECT_EQ(Count(DiskCallKind::kSyncFile), 0u);
}

// A disk that is almost full takes only a part, and a signal may interrupt.
TEST_F(PosixFileTest, ShortAndInterruptedCalls_AreContinuedAtTheirEnd) {
  for (const size_t bytes : {1, 7, 64}) {
    for (const bool durable : {false, true}) {
      ShortenDiskCalls(bytes);
      FailDiskCall(durable ? DiskCallKind::kDurableWrite : DiskCallKind::kWrite,
                   3, EINTR);
      BeginRecordingDiskCalls();
      EXPECT_EQ(WriteAndRead(durable), 0) << bytes;
      EXPECT_TRUE(DiskCallFailed());
      EXPECT_EQ(
          Count(durable ? DiskCallKind::kWrite : DiskCallKind::kDurableWrite),
          0u);
    }
  }
}

TEST_F(PosixFileTest, FileSystemWithoutDurableWrites_GetsASync) {
  FailDiskCall(DiskCallKind::kDurableWrite, 1, EOPNOTSUPP);
  BeginRecordingDiskCalls();
  EXPECT_EQ(WriteAndRead(/*durable=*/true), 0);
  std::vector<DiskCall> calls = RecordedDiskCalls();
  std::erase_if(calls, [](const DiskCall& call) {
    return call.kind == DiskCallKind::kRead;
  });
  EXPECT_EQ(Count(DiskCallKind::kSyncFile), 1u);
  ASSERT_GE(calls.size(), 2u);
  EXPECT_EQ(calls[calls.size() - 2].kind, DiskCallKind::kSyncFile);
  EXPECT_EQ(calls.back().kind, DiskCallKind::kClose);
}

TEST_F(PosixFileTest, FailedCallOfAWrite_IsReported) {
  FailDiskCall(DiskCallKind::kDurableWrite, 1, EIO);
  EXPECT_EQ(WriteAndRead(/*durable=*/true), EIO);
  FailDiskCall(DiskCallKind::kWrite, 1, ENOSPC);
  EXPECT_EQ(WriteAndRead(/*durable=*/false), ENOSPC);
  FailDiskCall(DiskCallKind::kSyncFile, 1, EIO);
  const OwnedFd file(openat(directory_.get(), "a", O_RDWR));
  std::string byte = "x";
  std::vector<iovec> many(IOV_MAX + 1, {byte.data(), 1});
  EXPECT_EQ(WriteFully(file.get(), many, 0, /*durable=*/true), EIO);
}

// Otherwise a power failure removes the directory, with all files in it.
TEST_F(PosixFileTest, NewDirectories_AreDurableInTheirParents) {
  const std::string path = std::filesystem::canonical(path_);
  // The calls below the path, and the sync of the directory itself.
  const auto make = [&] {
    BeginRecordingDiskCalls();
    EXPECT_TRUE(MakeDirectories(path + "/d/e").ok());
    std::vector<std::string> calls;
    for (const DiskCall& call : RecordedDiskCalls()) {
      if (call.error != 0 || !call.name.starts_with(path)) continue;
      if (call.kind == DiskCallKind::kMakeDirectory) {
        calls.push_back("make " + call.name);
      }
      if (call.kind == DiskCallKind::kSyncDirectory) {
        calls.push_back("sync " + call.name);
      }
    }
    return calls;
  };
  using Calls = std::vector<std::string>;
  EXPECT_EQ(make(), (Calls{"make " + path + "/d", "sync " + path,
                           "make " + path + "/d/e", "sync " + path + "/d"}));
  // An earlier process may have ended before its sync.
  EXPECT_EQ(make(), Calls{"sync " + path + "/d"});
  FailDiskCall(DiskCallKind::kSyncDirectory, 1, EINVAL);
  EXPECT_TRUE(MakeDirectories(path).ok()) << "a file system without this sync";
  FailDiskCall(DiskCallKind::kSyncDirectory, 1, EIO);
  EXPECT_FALSE(MakeDirectories(path).ok());
  FailDiskCall(DiskCallKind::kSyncDirectory, 1, EIO);
  EXPECT_FALSE(MakeDirectories(path + "/f").ok());
}

// The last holder removes the file between its opening and its lock.
TEST_F(PosixFileTest, LockOnARemovedFile_IsNotTaken) {
  ASSERT_TRUE(LockFile(directory_.get(), "lock", path_).ok());
  removed_at_lock = path_ + "/lock";
  const absl::StatusOr<OwnedFd> locked =
      LockFile(directory_.get(), "lock", path_);
  EXPECT_NE(locked.status().message().find("was removed"), std::string::npos)
      << locked.status();
}

// The start must come to the removal of files, which makes room.
TEST_F(PosixFileTest, LockOnAFullDisk_IsTaken) {
  disk_is_full = true;
  // The longest id takes the most room.
  LeaveLock("4194304\n");
  const auto locked = LockFile(directory_.get(), "lock", path_);
  ASSERT_TRUE(locked.ok()) << locked.status();
  EXPECT_EQ(LockHolder(path_ + "/lock"), getpid());
}

TEST_F(PosixFileTest, LockWithoutRoomForTheHolder_NamesNoOther) {
  disk_is_full = true;
  LeaveLock("9");
  const auto locked = LockFile(directory_.get(), "lock", path_);
  ASSERT_TRUE(locked.ok()) << locked.status();
  EXPECT_EQ(LockHolder(path_ + "/lock"), 0);
  const auto refused = LockFile(directory_.get(), "lock", path_);
  EXPECT_TRUE(absl::IsUnavailable(refused.status())) << refused.status();
  EXPECT_EQ(refused.status().message().find("(process"), std::string::npos)
      << refused.status();
}

// A file that seems to be absent could be made again over its data.
TEST_F(PosixFileTest, FileThatCannotBeAskedAbout_IsNotLeftOutOfTheList) {
  auto files = ListFiles(directory_.get());
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_EQ(*files, (std::vector<std::string>{"a", "b", "c"}));
  failing_name = "b";
  failing_error = EIO;
  EXPECT_FALSE(ListFiles(directory_.get()).ok());
  // It was removed meanwhile.
  failing_error = ENOENT;
  files = ListFiles(directory_.get());
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_EQ(*files, (std::vector<std::string>{"a", "c"}));
}

// The log makes room after a lack of it, and tries again. Such an error says
// nothing about the file.
TEST(FileErrorTest, ErrorsThatARemedyFollows_HaveCodesOfTheirOwn) {
  struct Row {
    int error;
    absl::StatusCode code;
  };
  constexpr Row kRows[] = {
      // The disk, a quota, the longest file that the process may make.
      {ENOSPC, absl::StatusCode::kResourceExhausted},
      {EDQUOT, absl::StatusCode::kResourceExhausted},
      {EFBIG, absl::StatusCode::kResourceExhausted},
      // Descriptors of the process and of the system, and memory.
      {EMFILE, absl::StatusCode::kResourceExhausted},
      {ENFILE, absl::StatusCode::kResourceExhausted},
      {ENOMEM, absl::StatusCode::kResourceExhausted},
      {ENOENT, absl::StatusCode::kNotFound},
      {EEXIST, absl::StatusCode::kAlreadyExists},
      {EACCES, absl::StatusCode::kPermissionDenied},
      {EPERM, absl::StatusCode::kPermissionDenied},
      {EROFS, absl::StatusCode::kPermissionDenied},
      {EIO, absl::StatusCode::kUnavailable},
      {EINVAL, absl::StatusCode::kUnavailable}};
  for (const auto& [error, code] : kRows) {
    EXPECT_EQ(FileError(error, "writing", "f").code(), code) << error;
  }
  EXPECT_TRUE(absl::IsDataLoss(FileError(EIO, "reading", "f")));
}

}  // namespace
}  // namespace quorate::net

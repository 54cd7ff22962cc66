// The system calls behind one write and one listing.
#include "net/disk/posix_file.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "net/testing/disk_calls.h"

namespace {

// The name that fstatat fails for, and how.
std::string_view failing_name;
int failing_error = 0;

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

namespace quorate::net {
namespace {

class PosixFileTest : public testing::Test {
 protected:
  PosixFileTest() {
    const std::string path = testing::TempDir() + "/posix_file_test";
    mkdir(path.c_str(), 0700);
    directory_ = OwnedFd(open(path.c_str(), O_RDONLY | O_DIRECTORY));
    for (const char* const name : {"a", "b", "c"}) {
      const OwnedFd file(
          openat(directory_.get(), name, O_RDWR | O_CREAT | O_TRUNC, 0600));
      EXPECT_GE(file.get(), 0);
    }
  }
  ~PosixFileTest() override { failing_name = {}; }

  static size_t Count(DiskCallKind kind) {
    const std::vector<DiskCall> calls = RecordedDiskCalls();
    return static_cast<size_t>(std::count_if(
        calls.begin(), calls.end(),
        [kind](const DiskCall& call) { return call.kind == kind; }));
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

}  // namespace
}  // namespace quorate::net

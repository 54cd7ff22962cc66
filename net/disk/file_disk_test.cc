#include "net/disk/file_disk.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "env/buffer.h"
#include "gtest/gtest.h"
#include "net/testing/disk_calls.h"

namespace quorate::net {
namespace {

using env::Durability;
using OpenMode = env::Disk::OpenMode;

class FileDiskTest : public testing::Test {
 protected:
  FileDiskTest() {
    std::string pattern =
        std::filesystem::path(testing::TempDir()) / "file_disk.XXXXXX";
    directory_ = mkdtemp(pattern.data());
    disk_ = *FileDisk::OpenDirectory(loop_, directory_);
  }
  ~FileDiskTest() override {
    disk_.reset();
    std::filesystem::remove_all(directory_);
  }

  void RunUntil(const std::function<bool()>& done) {
    const MonoTime limit = Clock::ReadMono() + Seconds(30);
    while (!done()) {
      ASSERT_LT(Clock::ReadMono(), limit) << "the operation never completed";
      loop_.RunTurn(Milliseconds(10));
    }
  }
  // Runs one operation to its end: Get<Result>([&](auto done) { return … }).
  template <typename Result, typename Issue>
  Result Get(Issue issue) {
    std::optional<Result> result;
    env::Pending pending =
        issue([&](Result r) { result.emplace(std::move(r)); });
    EXPECT_FALSE(result.has_value()) << "called back inside the call";
    RunUntil([&] { return result.has_value(); });
    return std::move(*result);
  }
  absl::StatusOr<std::unique_ptr<env::File>> Open(FileDisk& disk,
                                                  std::string_view name,
                                                  OpenMode mode) {
    return Get<absl::StatusOr<std::unique_ptr<env::File>>>(
        [&](auto done) { return disk.Open(name, mode, std::move(done)); });
  }
  absl::Status Write(env::File& file, uint64_t offset,
                     const std::vector<std::string>& pieces,
                     Durability durability) {
    return Get<absl::Status>([&](auto done) {
      std::vector<Buffer> buffers;
      for (const std::string& piece : pieces) {
        buffers.push_back(Buffer::Copy(piece));
      }
      return file.Write(offset, buffers, durability, std::move(done));
    });
  }
  std::string Read(env::File& file, uint64_t offset, size_t size) {
    const absl::StatusOr<Buffer> bytes = Get<absl::StatusOr<Buffer>>(
        [&](auto done) { return file.Read(offset, size, std::move(done)); });
    EXPECT_TRUE(bytes.ok()) << bytes.status();
    return bytes.ok() ? std::string(bytes->view()) : std::string();
  }

  EventLoop loop_;
  std::string directory_;
  std::unique_ptr<FileDisk> disk_;
};

TEST_F(FileDiskTest, Write_OfPieces_ReadsBackWhole) {
  auto file = Open(*disk_, "a.log", OpenMode::kCreate);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE(
      Write(**file, 0, {"hello ", "", "world"}, Durability::kDurable).ok());
  EXPECT_TRUE(Write(**file, 20, {"!"}, Durability::kLater).ok());
  EXPECT_EQ(Read(**file, 0, 100), "hello world" + std::string(9, '\0') + "!");
  EXPECT_EQ(Read(**file, 6, 5), "world");
  EXPECT_EQ(Read(**file, 21, 5), "");
}

TEST_F(FileDiskTest, Write_OfMorePiecesThanOneCallTakes_IsWhole) {
  auto file = Open(*disk_, "many", OpenMode::kCreate);
  std::vector<std::string> pieces;
  std::string whole;
  for (int i = 0; i < 3000; ++i) {
    pieces.push_back(std::to_string(i));
    whole += pieces.back();
  }
  ASSERT_TRUE(Write(**file, 0, pieces, Durability::kDurable).ok());
  EXPECT_EQ(Read(**file, 0, whole.size() + 1), whole);
}

TEST_F(FileDiskTest, Open_ByMode_ReportsWhetherTheFileExists) {
  EXPECT_EQ(Open(*disk_, "a", OpenMode::kExisting).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_TRUE(Open(*disk_, "a", OpenMode::kCreate).ok());
  EXPECT_EQ(Open(*disk_, "a", OpenMode::kCreate).status().code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_TRUE(Open(*disk_, "a", OpenMode::kCreateIfAbsent).ok());
  EXPECT_TRUE(Open(*disk_, "b", OpenMode::kCreateIfAbsent).ok());
}

TEST_F(FileDiskTest, ListRenameRemove_KeepTheDirectoryInOrder) {
  for (const char* name : {"c", "a", "b"}) {
    ASSERT_TRUE(Open(*disk_, name, OpenMode::kCreate).ok());
  }
  std::filesystem::create_directory(directory_ + "/sub");
  auto list = [&] {
    return *Get<absl::StatusOr<std::vector<std::string>>>(
        [&](auto done) { return disk_->List(std::move(done)); });
  };
  EXPECT_EQ(list(), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_TRUE(Get<absl::Status>([&](auto done) {
                return disk_->Rename("c", "a", std::move(done));
              }).ok());
  EXPECT_TRUE(Get<absl::Status>([&](auto done) {
                return disk_->Remove("b", std::move(done));
              }).ok());
  EXPECT_EQ(Get<absl::Status>([&](auto done) {
              return disk_->Remove("b", std::move(done));
            }).code(),
            absl::StatusCode::kNotFound);
  EXPECT_TRUE(Get<absl::Status>([&](auto done) {
                return disk_->SyncDirectory(std::move(done));
              }).ok());
  EXPECT_EQ(list(), (std::vector<std::string>{"a"}));
}

// A reader of an old snapshot goes on while a new one takes its place.
TEST_F(FileDiskTest, LargeRemovedFile_OnceClosed_IsFreedInParts) {
  constexpr uint64_t kSize = 40 << 20;
  auto file = *Open(*disk_, "large", OpenMode::kCreate);
  const Buffer end = Buffer::Copy("end");
  ASSERT_TRUE(Get<absl::Status>([&](auto done) {
                return file->Write(kSize - end.size(), absl::MakeSpan(&end, 1),
                                   Durability::kLater, std::move(done));
              }).ok());
  const OwnedFd seen(
      open((std::filesystem::path(directory_) / "large").c_str(), O_RDONLY));
  const auto size = [&] {
    struct stat info;
    EXPECT_EQ(fstat(seen.get(), &info), 0);
    return static_cast<uint64_t>(info.st_size);
  };
  ASSERT_TRUE(Get<absl::Status>([&](auto done) {
                return disk_->Remove("large", std::move(done));
              }).ok());
  for (int i = 0; i < 20; ++i) loop_.RunTurn(Milliseconds(5));
  EXPECT_EQ(size(), kSize);

  file.reset();
  uint64_t last = kSize;
  RunUntil([&] {
    const uint64_t now = size();
    // A step ends in each turn at most.
    EXPECT_LE(last - now, FileDisk::kFreedPart);
    last = now;
    return now <= FileDisk::kFreedPart;
  });
}

TEST_F(FileDiskTest, Pending_Destroyed_WritesWithoutACall) {
  auto file = Open(*disk_, "p", OpenMode::kCreate);
  const Buffer bytes = Buffer::Copy("kept");
  {
    env::Pending pending =
        (*file)->Write(0, absl::MakeSpan(&bytes, 1), Durability::kLater,
                       [](absl::Status) { FAIL(); });
  }
  EXPECT_TRUE(Get<absl::Status>([&](auto done) {
                return (*file)->Sync(std::move(done));
              }).ok());
  EXPECT_EQ(Read(**file, 0, 10), "kept");
}

TEST_F(FileDiskTest, File_DestroyedWithOperationsInFlight_MakesNoCall) {
  auto file = Open(*disk_, "gone", OpenMode::kCreate);
  const Buffer bytes = Buffer::Copy(std::string(1 << 20, 'x'));
  std::vector<env::Pending> pendings;
  for (int i = 0; i < 8; ++i) {
    pendings.push_back((*file)->Write(i << 20, absl::MakeSpan(&bytes, 1),
                                      Durability::kDurable,
                                      [](absl::Status) { FAIL(); }));
    pendings.push_back(
        (*file)->Read(0, 1000, [](absl::StatusOr<Buffer>) { FAIL(); }));
  }
  file->reset();
  auto again = Open(*disk_, "gone", OpenMode::kExisting);
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(Get<absl::Status>([&](auto done) {
                return (*again)->Sync(std::move(done));
              }).ok());
}

TEST_F(FileDiskTest, Lock_HeldByAnotherDisk_NamesTheHolder) {
  auto lock = [&](FileDisk& disk) {
    return Get<absl::Status>(
        [&](auto done) { return disk.Lock("lock", std::move(done)); });
  };
  EXPECT_TRUE(lock(*disk_).ok());
  EXPECT_TRUE(lock(*disk_).ok()) << "a lock it already holds";
  {
    auto other = FileDisk::OpenDirectory(loop_, directory_);
    ASSERT_TRUE(other.ok());
    const absl::Status refused = lock(**other);
    EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
    EXPECT_NE(refused.ToString().find("process " + std::to_string(getpid())),
              std::string::npos)
        << refused;
  }
  EXPECT_EQ(LockHolder(directory_ + "/lock"), getpid());
  disk_.reset();
  EXPECT_EQ(LockHolder(directory_ + "/lock"), std::nullopt);
  EXPECT_EQ(LockHolder(directory_ + "/no-lock"), std::nullopt);
  auto next = FileDisk::OpenDirectory(loop_, directory_);
  EXPECT_TRUE(lock(**next).ok()) << "released with its Disk";
}

TEST_F(FileDiskTest, Write_BeyondTheFileSizeLimit_IsResourceExhausted) {
  // An unprivileged test cannot fill a disk; a size limit is the closest
  // substitute.
  auto file = Open(*disk_, "limited", OpenMode::kCreate);
  rlimit before;
  getrlimit(RLIMIT_FSIZE, &before);
  rlimit small = before;
  small.rlim_cur = 4096;
  signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const absl::Status status =
      Write(**file, 8192, {"too far"}, Durability::kDurable);
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
}

TEST_F(FileDiskTest, Operations_BeyondTheQueuesMaximum_AreRefused) {
  auto file = Open(*disk_, "busy", OpenMode::kCreate);
  std::vector<env::Pending> pendings;
  size_t done = 0;
  size_t refused = 0;
  const size_t issued = DiskThread::kJobsMax + 100;
  for (size_t i = 0; i < issued; ++i) {
    pendings.push_back((*file)->Size([&](absl::StatusOr<uint64_t> size) {
      ++done;
      if (absl::IsUnavailable(size.status())) ++refused;
    }));
  }
  RunUntil([&] { return done == issued; });
  // The loop ran no turn meanwhile, so no operation had finished.
  EXPECT_EQ(refused, 100u);
}

TEST(FileDisk, OpenDirectory_OfAMissingPath_CreatesItWithItsParents) {
  EventLoop loop;
  const std::filesystem::path root =
      std::filesystem::path(testing::TempDir()) / "made";
  for (const std::string path : {root / "a" / "b", root / "a" / "b" / ""}) {
    const auto disk = FileDisk::OpenDirectory(loop, path);
    ASSERT_TRUE(disk.ok()) << disk.status();
    EXPECT_TRUE(std::filesystem::is_directory(path));
  }
  std::filesystem::remove_all(root);
}

TEST(FileDisk, OpenDirectory_OfAFile_NamesTheReason) {
  EventLoop loop;
  const std::string path = std::filesystem::path(testing::TempDir()) / "a_file";
  std::ofstream(path) << "x";
  const auto disk = FileDisk::OpenDirectory(loop, path);
  ASSERT_FALSE(disk.ok());
  EXPECT_NE(disk.status().ToString().find(path), std::string::npos);
}

}  // namespace
}  // namespace quorate::net

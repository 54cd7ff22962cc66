// The simulated disk: what survives which crash.
#include <memory>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "sim/test_env.h"

namespace quorate::sim {
namespace {

using env::Disk;
using env::Durability;
using env::File;
using env::Pending;

// Runs disk operations one at a time.
class DiskTest : public ::testing::Test {
 protected:
  explicit DiskTest(uint64_t seed = 1) : test_(seed) {}

  std::unique_ptr<File> Open(
      const std::string& name,
      Disk::OpenMode mode = Disk::OpenMode::kCreateIfAbsent) {
    std::unique_ptr<File> file;
    Pending p = test_.env().disk.Open(name, mode, [&](auto opened) {
      if (opened.ok()) file = *std::move(opened);
    });
    test_.world().RunUntilIdle();
    return file;
  }
  absl::Status Write(File* file, uint64_t offset, const std::string& bytes,
                     Durability durability) {
    absl::Status result = absl::UnknownError("not called");
    const Buffer piece = Buffer::Copy(bytes);
    Pending p = file->Write(offset, absl::MakeConstSpan(&piece, 1), durability,
                            [&](absl::Status status) { result = status; });
    test_.world().RunUntilIdle();
    return result;
  }
  absl::Status Sync(File* file) {
    absl::Status result = absl::UnknownError("not called");
    Pending p = file->Sync([&](absl::Status status) { result = status; });
    test_.world().RunUntilIdle();
    return result;
  }
  absl::Status SyncDirectory() {
    absl::Status result = absl::UnknownError("not called");
    Pending p = test_.env().disk.SyncDirectory(
        [&](absl::Status status) { result = status; });
    test_.world().RunUntilIdle();
    return result;
  }
  std::string Contents(const std::string& name) {
    return test_.world().ReadDiskFile(test_.machine(), name);
  }

  TestEnv test_;
};

TEST_F(DiskTest, PlainWrite_SurvivesACrashOfTheProcess) {
  auto file = Open("f");
  ASSERT_NE(file, nullptr);
  ASSERT_TRUE(Write(file.get(), 0, "abc", Durability::kLater).ok());
  file.reset();
  test_.Crash(CrashKind::kProcess);
  EXPECT_EQ(Contents("f"), "abc");
}

TEST_F(DiskTest, DurableWriteInASyncedDirectory_SurvivesEveryCrash) {
  auto file = Open("f");
  ASSERT_TRUE(SyncDirectory().ok());
  ASSERT_TRUE(Write(file.get(), 0, "abc", Durability::kDurable).ok());
  file.reset();
  test_.Crash(CrashKind::kMachine);
  EXPECT_EQ(Contents("f"), "abc");
}

}  // namespace
}  // namespace quorate::sim

#include "bench/snapshot_files.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "bench/processes.h"
#include "env/ids.h"
#include "gtest/gtest.h"
#include "raft/log/snapshot_format.h"

namespace quorate::bench {
namespace {

class SnapshotFilesTest : public ::testing::Test {
 protected:
  SnapshotFilesTest() : scratch_(*ScratchFolder::Create(testing::TempDir())) {}

  std::string PathOf(uint64_t index, const std::string& suffix = "") const {
    return scratch_.path() + "/" +
           raft::SnapshotName({GroupId(1), ReplicaId(7)},
                              {raft::Term(2), raft::Index(index)}) +
           suffix;
  }
  void Write(const std::string& path, size_t size) const {
    std::ofstream(path) << std::string(size, 's');
  }
  void Complete(uint64_t index) const {
    std::filesystem::rename(PathOf(index, ".w1"), PathOf(index));
  }

  const ScratchFolder scratch_;
  SnapshotTimer timer_{scratch_.path()};
};

TEST_F(SnapshotFilesTest, NewestCompleteFile_IsTheSnapshot) {
  Write(PathOf(9), 90);
  Write(PathOf(0x100), 30);
  Write(PathOf(0x200, ".r3"), 1);
  Write(PathOf(0x200, ".r3.p"), 1);
  Write(scratch_.path() + "/log-1", 1);
  const SnapshotFiles files = ReadSnapshotFiles(scratch_.path());
  EXPECT_EQ(files.index, 0x100u);
  EXPECT_EQ(files.bytes, 30u);
  EXPECT_FALSE(files.writing);
  Write(PathOf(0x300, ".w4"), 1);
  EXPECT_TRUE(ReadSnapshotFiles(scratch_.path()).writing);
}

TEST_F(SnapshotFilesTest, SnapshotThatIsCompleted_IsTimed) {
  Write(PathOf(10), 50);
  EXPECT_FALSE(timer_.Look(100));
  Write(PathOf(20, ".w1"), 70);
  EXPECT_FALSE(timer_.Look(200));
  EXPECT_FALSE(timer_.Look(300));
  Complete(20);
  EXPECT_TRUE(timer_.Look(400));
  EXPECT_EQ(timer_.took_ns(), 200);
  EXPECT_EQ(timer_.bytes(), 70u);
  // Later ones do not count.
  Write(PathOf(30), 90);
  EXPECT_TRUE(timer_.Look(500));
  EXPECT_EQ(timer_.took_ns(), 200);
}

// The older snapshot is there all the time.
TEST_F(SnapshotFilesTest, SnapshotThatIsDiscarded_IsNotWritten) {
  Write(PathOf(10), 50);
  Write(PathOf(20, ".w1"), 70);
  EXPECT_FALSE(timer_.Look(100));
  std::filesystem::remove(PathOf(20, ".w1"));
  EXPECT_FALSE(timer_.Look(200));
  Write(PathOf(30, ".w1"), 80);
  EXPECT_FALSE(timer_.Look(300));
  Complete(30);
  EXPECT_TRUE(timer_.Look(400));
  EXPECT_EQ(timer_.took_ns(), 300);
  EXPECT_EQ(timer_.bytes(), 80u);
}

}  // namespace
}  // namespace quorate::bench

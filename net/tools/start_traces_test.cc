// A failed start leaves no new file, and every file that existed before.
#include "net/tools/start_traces.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "gtest/gtest.h"
#include "net/disk/posix_file.h"

namespace quorate::net {
namespace {

namespace fs = std::filesystem;

class StartTracesTest : public testing::Test {
 protected:
  StartTracesTest() {
    std::string name = testing::TempDir() + "/traces-XXXXXX";
    root_ = mkdtemp(name.data());
  }
  ~StartTracesTest() override { fs::remove_all(root_); }
  static void Write(const fs::path& file) { std::ofstream(file) << "x"; }
  // Files that a start creates before the identity.
  static void Begin(const fs::path& directory) {
    ASSERT_TRUE(MakeDirectories(directory.string()).ok());
    for (const char* name : {"lock", "identity.new", "log-0000000000000001"}) {
      Write(directory / name);
    }
  }

  fs::path root_;
};

TEST_F(StartTracesTest, NewDirectory_IsRemovedWithItsNewParents) {
  const StartTraces traces((root_ / "a/b/data/").string());
  Begin(root_ / "a/b/data");
  traces.Remove();
  EXPECT_TRUE(fs::exists(root_));
  EXPECT_FALSE(fs::exists(root_ / "a"));
}

TEST_F(StartTracesTest, ParentUsedByAnotherDirectory_Stays) {
  const StartTraces traces((root_ / "a/data").string());
  Begin(root_ / "a/data");
  Write(root_ / "a/other");
  traces.Remove();
  EXPECT_FALSE(fs::exists(root_ / "a/data"));
  EXPECT_TRUE(fs::exists(root_ / "a/other"));
}

TEST_F(StartTracesTest, PartlyCreatedDirectory_IsRemoved) {
  const StartTraces traces((root_ / "a/b/data").string());
  ASSERT_TRUE(MakeDirectories((root_ / "a").string()).ok());
  traces.Remove();
  // The deepest directory that exists.
  EXPECT_FALSE(fs::exists(root_ / "a"));
}

TEST_F(StartTracesTest, ExistingDirectory_KeepsItsFiles) {
  fs::create_directories(root_ / "data/sub");
  Write(root_ / "data/mine");
  const StartTraces traces((root_ / "data").string());
  Begin(root_ / "data");
  traces.Remove();
  EXPECT_TRUE(fs::exists(root_ / "data/mine"));
  EXPECT_TRUE(fs::exists(root_ / "data/sub"));
  EXPECT_FALSE(fs::exists(root_ / "data/lock"));
  EXPECT_FALSE(fs::exists(root_ / "data/identity.new"));
  EXPECT_FALSE(fs::exists(root_ / "data/log-0000000000000001"));
}

TEST_F(StartTracesTest, Store_IsNeverTouched) {
  const StartTraces made((root_ / "data").string());
  EXPECT_FALSE(made.was_store());
  Begin(root_ / "data");
  Write(root_ / "data/identity");
  made.Remove();
  EXPECT_TRUE(fs::exists(root_ / "data/log-0000000000000001"));
  const StartTraces was((root_ / "data").string());
  EXPECT_TRUE(was.was_store());
  Write(root_ / "data/log-0000000000000002");
  was.Remove();
  EXPECT_TRUE(fs::exists(root_ / "data/log-0000000000000002"));
}

TEST_F(StartTracesTest, DirectoryInUse_IsNotTouched) {
  const StartTraces traces((root_ / "data").string());
  Begin(root_ / "data");
  const OwnedFd fd(open((root_ / "data").c_str(), O_RDONLY | O_DIRECTORY));
  const auto lock = LockFile(fd.get(), "lock", "data");
  ASSERT_TRUE(lock.ok()) << lock.status();
  traces.Remove();
  EXPECT_TRUE(fs::exists(root_ / "data/log-0000000000000001"));
  EXPECT_TRUE(fs::exists(root_ / "data/lock"));
}

}  // namespace
}  // namespace quorate::net

// Removing files in the background while the disk refuses it.
#include "raft/log/files/file_remover.h"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "gtest/gtest.h"
#include "sim/testing/test_env.h"

namespace quorate::raft {
namespace {

class FileRemoverTest : public ::testing::Test {
 protected:
  FileRemoverTest() {
    test_.world().SetLogSink(
        env::Severity::kWarning, [this](sim::SimTime, sim::MachineId,
                                        env::Severity, std::string_view line) {
          logged_ += line.find("cannot remove") != line.npos;
        });
  }
  void Create(const std::string& name) {
    bool made = false;
    const env::Pending opened = test_.env().disk.Open(
        name, env::Disk::OpenMode::kCreate,
        [&](const absl::StatusOr<std::unique_ptr<env::File>>& file) {
          made = file.ok();
        });
    test_.world().RunFor(Milliseconds(100));
    ASSERT_TRUE(made);
  }
  void Remove(const std::string& name) {
    const env::Pending turn =
        test_.env().loop.Defer([&] { remover_.Remove(name); });
    test_.world().RunFor(Milliseconds(100));
  }
  void FailChanges(bool persistent) {
    test_.world().FailDiskOperation(
        test_.machine(), sim::World::DiskOperation::kWrite, 1, persistent);
  }
  size_t files() { return test_.world().DiskFiles(test_.machine()).size(); }

  int logged_ = 0;
  sim::TestEnv test_{1};
  FileRemover remover_{test_.env(), "test"};
};

TEST_F(FileRemoverTest, FailedRemoval_IsRepeatedAfterAPause) {
  Create("a");
  FailChanges(/*persistent=*/false);
  Remove("a");
  EXPECT_EQ(files(), 1u);
  test_.world().RunFor(FileRemover::kPauseMin);
  EXPECT_EQ(files(), 0u);
  EXPECT_EQ(logged_, 1);
}

TEST_F(FileRemoverTest, DiskThatRefusesForLong_IsAskedSeldomAndLoggedOnce) {
  for (const char* name : {"a", "b", "c"}) Create(name);
  FailChanges(/*persistent=*/true);
  for (const char* name : {"a", "b", "c"}) Remove(name);
  test_.world().RunFor(Seconds(24 * 3600));
  EXPECT_EQ(logged_, 3);
  // Each file once in ten minutes, and a few times before.
  EXPECT_GT(test_.world().disk_failures(test_.machine()), 3u * 140);
  EXPECT_LT(test_.world().disk_failures(test_.machine()), 3u * 155);
  test_.world().HealDisk(test_.machine());
  test_.world().RunFor(FileRemover::kPauseMax);
  EXPECT_EQ(files(), 0u);
  // The next pause is short.
  Create("d");
  FailChanges(/*persistent=*/false);
  Remove("d");
  test_.world().RunFor(FileRemover::kPauseMin);
  EXPECT_EQ(files(), 0u);
}

TEST_F(FileRemoverTest, ReclaimedName_IsNotRemovedAgain) {
  // The removal has failed already, or fails while Reclaim waits for it.
  for (const bool runs : {false, true}) {
    SCOPED_TRACE(runs);
    const std::string name = runs ? "runs" : "failed";
    Create(name);
    FailChanges(/*persistent=*/false);
    int reclaimed = 0;
    if (!runs) Remove(name);
    const env::Pending turn = test_.env().loop.Defer([&] {
      if (runs) remover_.Remove(name);
      remover_.Reclaim(name, [&] { ++reclaimed; });
    });
    test_.world().RunFor(Seconds(3600));
    EXPECT_EQ(reclaimed, 1);
    EXPECT_EQ(files(), runs ? 2u : 1u);
  }
}

TEST_F(FileRemoverTest, SyncOfTheDirectory_DoesNotWaitForRepeatedRemovals) {
  Create("a");
  FailChanges(/*persistent=*/true);
  Remove("a");
  int synced = 0;
  const env::Pending turn = test_.env().loop.Defer([&] {
    remover_.SyncDirectory([&](const absl::Status& status) {
      EXPECT_TRUE(status.ok()) << status;
      ++synced;
    });
  });
  test_.world().RunFor(Seconds(1));
  EXPECT_EQ(synced, 1);
}

TEST_F(FileRemoverTest, RepeatedRemovals_AreBounded) {
  FailChanges(/*persistent=*/true);
  const env::Pending turn = test_.env().loop.Defer([&] {
    for (size_t i = 0; i < FileRemover::kRepeatedMax + 10; ++i) {
      remover_.Remove("f" + std::to_string(i));
    }
  });
  test_.world().RunFor(Seconds(5));
  const uint64_t before = test_.world().disk_failures(test_.machine());
  EXPECT_EQ(before, FileRemover::kRepeatedMax + 10);
  test_.world().RunFor(FileRemover::kPauseMin);
  EXPECT_EQ(test_.world().disk_failures(test_.machine()) - before,
            FileRemover::kRepeatedMax);
}

}  // namespace
}  // namespace quorate::raft

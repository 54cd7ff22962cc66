#include "net/tools/lock_owner.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "gtest/gtest.h"

namespace quorate::net {
namespace {

class LockOwnerTest : public testing::Test {
 protected:
  LockOwnerTest()
      : directory_(open(testing::TempDir().c_str(), O_RDONLY | O_DIRECTORY)) {
    unlink(path_.c_str());
  }
  ~LockOwnerTest() override {
    if (child_ <= 0) return;
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
  }
  OwnedFd Lock() {
    auto lock = LockFile(directory_.get(), "lock", testing::TempDir());
    EXPECT_TRUE(lock.ok()) << lock.status();
    return *std::move(lock);
  }
  // A child that has the lock, or another program that does nothing.
  void StartChild(bool locks) {
    int ready[2];
    ASSERT_EQ(pipe(ready), 0);
    child_ = fork();
    if (child_ == 0) {
      OwnedFd lock;
      if (locks) lock = Lock();
      if (write(ready[1], "x", 1) != 1) _exit(1);
      while (true) pause();
    }
    char byte;
    ASSERT_EQ(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
  }

  const std::string path_ = testing::TempDir() + "/lock";
  OwnedFd directory_;
  pid_t child_ = 0;
};

TEST_F(LockOwnerTest, ProcessWithTheLock_IsFoundAndSignalled) {
  StartChild(/*locks=*/true);
  auto owner = LockOwner::Find(path_);
  ASSERT_TRUE(owner.ok()) << owner.status();
  EXPECT_EQ(owner->pid(), child_);
  EXPECT_TRUE(owner->Signal(SIGTERM));
  int status = 0;
  ASSERT_EQ(waitpid(child_, &status, 0), child_);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
  child_ = 0;
  EXPECT_FALSE(owner->Signal(SIGTERM));
  EXPECT_TRUE(absl::IsNotFound(LockOwner::Find(path_).status()));
}

// As with a lock that is held in another pid namespace.
TEST_F(LockOwnerTest, ProcessThatTheTextNamesWrongly_IsNotTheOwner) {
  StartChild(/*locks=*/false);
  const OwnedFd lock = Lock();
  std::ofstream(path_) << child_ << "\n";
  ASSERT_EQ(LockHolder(path_), child_);
  const auto owner = LockOwner::Find(path_);
  EXPECT_TRUE(absl::IsFailedPrecondition(owner.status())) << owner.status();
}

TEST_F(LockOwnerTest, TextWithoutAProcess_HasNoOwner) {
  const OwnedFd lock = Lock();
  for (const char* const text : {"", "0\n", "-1\n", "99999999999\n", "x\n"}) {
    std::ofstream(path_, std::ios::trunc) << text;
    EXPECT_TRUE(absl::IsFailedPrecondition(LockOwner::Find(path_).status()))
        << text;
  }
}

}  // namespace
}  // namespace quorate::net

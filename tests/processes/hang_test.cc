// The disk of a real process hangs for ever. A stop ends the process.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "net/event_loop/clock.h"
#include "net/tools/resp_client.h"
#include "tests/processes/cluster.h"

namespace quorate::tests {
namespace {

class HangTest : public testing::Test {
 protected:
  HangTest()
      : hang_file_(
            absl::StrCat(std::getenv("TEST_TMPDIR"), "/hang-", getpid())),
        cluster_(
            {.nodes = 1,
             .groups = 1,
             .environment = {
                 {"LD_PRELOAD",
                  absl::StrCat(std::getenv("TEST_SRCDIR"),
                               "/quorate/tests/processes/libhang_shim.so")},
                 {"QUORATE_HANG_FILE", hang_file_}}}) {
    unlink(hang_file_.c_str());
    unlink(HungFile().c_str());
  }
  ~HangTest() override { unlink(hang_file_.c_str()); }

  std::string HungFile() const { return hang_file_ + ".hung"; }
  void StartServing() {
    const absl::Status started = cluster_.StartAll();
    ASSERT_TRUE(started.ok()) << started;
    ASSERT_TRUE(cluster_.AwaitLeaders(Seconds(60)).ok());
  }
  // Begins a write, whose system call hangs from then on.
  void HangInAWrite() {
    std::ofstream(hang_file_) << "now";
    auto client = net::RespClient::Connect(cluster_.node(0).resp, Seconds(1));
    ASSERT_TRUE(client.ok()) << client.status();
    EXPECT_FALSE((*client)->Call({"SET", "key", "value"}).ok());
    const MonoTime limit = net::Clock::ReadMono() + Seconds(60);
    while (access(HungFile().c_str(), F_OK) != 0) {
      ASSERT_LT(net::Clock::ReadMono(), limit) << "no system call hangs";
      usleep(10'000);
    }
  }

  const std::string hang_file_;
  ProcessCluster cluster_;
};

TEST_F(HangTest, StopOfANodeWhoseDiskHangs_EndsTheProcessWithAnError) {
  StartServing();
  HangInAWrite();
  const std::vector<int> statuses = cluster_.StopAll();
  ASSERT_EQ(statuses.size(), 1u);
  ASSERT_TRUE(WIFEXITED(statuses[0])) << "it did not end by itself";
  EXPECT_EQ(WEXITSTATUS(statuses[0]), 1);
  EXPECT_NE(cluster_.LogTail(0).find("the disk hangs"), std::string::npos)
      << cluster_.LogTail(0);
  // The device is back: the next start finds all that was acknowledged.
  unlink(hang_file_.c_str());
  StartServing();
}

TEST_F(HangTest, StopOfANodeWhoseDiskWorks_IsClean) {
  StartServing();
  const std::vector<int> statuses = cluster_.StopAll();
  ASSERT_EQ(statuses.size(), 1u);
  EXPECT_TRUE(WIFEXITED(statuses[0]));
  EXPECT_EQ(WEXITSTATUS(statuses[0]), 0) << cluster_.LogTail(0);
}

}  // namespace
}  // namespace quorate::tests

#include "net/tools/child_process.h"

#include <signal.h>

#include <fstream>
#include <iterator>
#include <string>

#include "gtest/gtest.h"

namespace quorate::net {
namespace {

std::string LogPath() { return testing::TempDir() + "/child.log"; }

absl::StatusOr<ChildProcess> Shell(const std::string& script) {
  return ChildProcess::Start({.command = {"/bin/sh", "-c", script},
                              .log_file = LogPath(),
                              .environment = {{"GREETING", "hello"}}});
}

TEST(ChildProcess, Output_IsReadByLinesAndErrorsGoToTheLog) {
  auto child = Shell("echo $GREETING; echo oops >&2; echo two");
  ASSERT_TRUE(child.ok()) << child.status();
  EXPECT_EQ(*child->ReadLine(Seconds(30)), "hello");
  EXPECT_EQ(*child->ReadLine(Seconds(30)), "two");
  EXPECT_TRUE(absl::IsOutOfRange(child->ReadLine(Seconds(30)).status()));
  EXPECT_EQ(child->Stop(SIGCONT, Seconds(30)), 0);
  std::ifstream log(LogPath());
  const std::string text((std::istreambuf_iterator<char>(log)),
                         std::istreambuf_iterator<char>());
  EXPECT_NE(text.find("oops\n"), std::string::npos);
}

TEST(ChildProcess, Stop_OfAChildThatIgnoresTheSignal_KillsIt) {
  auto child = Shell("trap '' TERM; echo up; while :; do sleep 1; done");
  ASSERT_TRUE(child.ok());
  ASSERT_TRUE(child->ReadLine(Seconds(30)).ok());
  EXPECT_FALSE(child->Poll().has_value());
  EXPECT_TRUE(
      absl::IsDeadlineExceeded(child->ReadLine(Milliseconds(1)).status()));
  const int status = child->Stop(SIGTERM, Milliseconds(100));
  EXPECT_EQ(DescribeEnd(status), "was killed by signal 9 (Killed)");
}

TEST(ChildProcess, Start_OfAMissingProgram_NamesTheReason) {
  const auto child = ChildProcess::Start(
      {.command = {"/no/such/program"}, .log_file = LogPath()});
  EXPECT_TRUE(absl::IsNotFound(child.status())) << child.status();
}

TEST(ChildProcess, ExitStatus_IsDescribed) {
  auto child = Shell("exit 3");
  ASSERT_TRUE(child.ok());
  EXPECT_EQ(DescribeEnd(child->Stop(SIGCONT, Seconds(30))),
            "ended with status 3");
}

}  // namespace
}  // namespace quorate::net

#include "net/tools/child_process.h"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

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

TEST(ChildProcess, LoggedOutput_GoesToTheLogFile) {
  const std::string log = testing::TempDir() + "/output.log";
  auto child = ChildProcess::Start({.command = {"sh", "-c", "echo to the log"},
                                    .log_file = log,
                                    .log_output = true});
  ASSERT_TRUE(child.ok()) << child.status();
  EXPECT_TRUE(absl::IsOutOfRange(child->ReadLine(Seconds(30)).status()));
  EXPECT_EQ(child->Stop(SIGCONT, Seconds(30)), 0);
  std::ifstream file(log);
  std::string line;
  EXPECT_TRUE(std::getline(file, line));
  EXPECT_EQ(line, "to the log");
}

TEST(ChildProcess, KillWithParent_EndsTheChildOfAKilledProcess) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t parent = fork();
  if (parent == 0) {
    auto child = ChildProcess::Start({.command = {"sleep", "1000"},
                                      .log_file = LogPath(),
                                      .kill_with_parent = true});
    const pid_t pid = child.ok() ? child->pid() : -1;
    static_cast<void>(!write(ends[1], &pid, sizeof(pid)));
    kill(getpid(), SIGKILL);
  }
  pid_t child = -1;
  ASSERT_EQ(read(ends[0], &child, sizeof(child)), ssize_t{sizeof(child)});
  ASSERT_GT(child, 0);
  waitpid(parent, nullptr, 0);
  // The kernel reports the end of the orphan through a descriptor of it.
  const int fd = static_cast<int>(syscall(SYS_pidfd_open, child, 0));
  if (fd >= 0) {
    pollfd end = {.fd = fd, .events = POLLIN, .revents = 0};
    EXPECT_EQ(poll(&end, 1, 30'000), 1);
    close(fd);
  } else {
    EXPECT_EQ(errno, ESRCH);
  }
  close(ends[0]);
  close(ends[1]);
}

TEST(ChildProcess, Stop_OfAChildThatIgnoresTheSignal_KillsIt) {
  auto child = Shell("trap '' TERM; echo up; while :; do sleep 1; done");
  ASSERT_TRUE(child.ok());
  ASSERT_TRUE(child->ReadLine(Seconds(30)).ok());
  EXPECT_FALSE(child->Poll().has_value());
  EXPECT_EQ(child->ReadLine(Milliseconds(1)).status(),
            absl::DeadlineExceededError(
                "process " + std::to_string(child->pid()) +
                " wrote no line to its standard output within 1 ms"));
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

#include "env/program/program.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <functional>

#include "gtest/gtest.h"

namespace quorate {
namespace {

// The exit status of a program in a child process. `before` sets its standard
// output up.
int RunChild(const std::function<void()>& before,
             const std::function<int()>& body, const char* argument = nullptr) {
  const pid_t child = fork();
  if (child == 0) {
    before();
    char name[] = "/bin/prog";
    char word[32] = {};
    if (argument != nullptr) std::snprintf(word, sizeof(word), "%s", argument);
    char* argv[] = {name, argument == nullptr ? nullptr : word, nullptr};
    _exit(RunProgram(argument == nullptr ? 1 : 2, argv, body));
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void OutputTo(const char* path, int flags) {
  std::fflush(stdout);
  dup2(open(path, flags), STDOUT_FILENO);
}

int Print(int exit_status) {
  std::printf("text\n");
  return exit_status;
}

TEST(Program, OutputThatIsWritten_KeepsTheExitStatus) {
  const auto before = [] { OutputTo("/dev/null", O_WRONLY); };
  for (const int status : {0, 1, 3, 4}) {
    EXPECT_EQ(RunChild(before, [status] { return Print(status); }), status);
  }
}

TEST(Program, OutputThatCannotBeWritten_IsNoSuccess) {
  const auto full = [] { OutputTo("/dev/full", O_WRONLY); };
  const auto read_only = [] { OutputTo("/dev/null", O_RDONLY); };
  const auto closed = [] { close(STDOUT_FILENO); };
  for (const std::function<void()>& before :
       {std::function<void()>(full), std::function<void()>(read_only),
        std::function<void()>(closed)}) {
    EXPECT_EQ(RunChild(before, [] { return Print(0); }), kExitNoOutput);
    EXPECT_EQ(RunChild(before, [] { return Print(4); }), kExitNoOutput);
    EXPECT_EQ(RunChild(
                  before, [] { return 0; }, "--version"),
              kExitNoOutput);
    EXPECT_EQ(RunChild(before, [] { return 0; }), 0) << "it prints nothing";
  }
  // An earlier line was lost, and later ones are written.
  EXPECT_EQ(RunChild(full,
                     [] {
                       Print(0);
                       OutputTo("/dev/null", O_WRONLY);
                       return Print(0);
                     }),
            kExitNoOutput);
}

TEST(Program, ClosedDescriptors_AreTakenByNoFile) {
  const auto closed = [] {
    for (const int fd : {0, 1, 2}) close(fd);
  };
  EXPECT_EQ(
      RunChild(closed, [] { return open("/dev/null", O_RDWR) > 2 ? 0 : 1; }),
      0);
}

TEST(Program, Version_IsTheNameAndTheNumber) {
  EXPECT_EQ(VersionText("/a/b/prog"), VersionText("prog"));
  EXPECT_EQ(VersionText("prog").rfind("prog ", 0), 0u);
}

}  // namespace
}  // namespace quorate

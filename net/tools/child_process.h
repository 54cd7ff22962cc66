// net/tools/child_process.h: a program run by this one, for quickstart and for tests.
// Blocking calls with time limits: not for the event loop.
#ifndef QUORATE_NET_TOOLS_CHILD_PROCESS_H_
#define QUORATE_NET_TOOLS_CHILD_PROCESS_H_

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "env/time.h"
#include "net/disk/posix_file.h"

namespace quorate::net {

struct ChildOptions {
  // The program's path, then its arguments.
  std::vector<std::string> command;
  // Its standard error is appended here.
  std::string log_file;
  // Added to the environment.
  std::map<std::string, std::string> environment;
};

// In a process group of its own, so that Ctrl-C on the terminal reaches only the
// parent. Destroying it kills the child if it still runs.
class ChildProcess {
 public:
  static absl::StatusOr<ChildProcess> Start(const ChildOptions& options);
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;
  ~ChildProcess();

  pid_t pid() const { return pid_; }

  // The next line of its standard output; kDeadlineExceeded, kOutOfRange once
  // the output has ended.
  absl::StatusOr<std::string> ReadLine(Duration timeout);

  void Signal(int signal);
  // Sends `signal`, waits, and kills what has not ended by then. Returns the
  // wait status.
  int Stop(int signal, Duration patience);
  // The wait status once the child has ended.
  std::optional<int> Poll();

 private:
  ChildProcess(pid_t pid, OwnedFd output)
      : pid_(pid), output_(std::move(output)) {}

  pid_t pid_ = -1;
  std::optional<int> status_;
  OwnedFd output_;
  std::string text_;
};

// "was killed by signal 9 (Killed)", "ended with status 1".
std::string DescribeEnd(int wait_status);

// Where the program `name` of this package's cmd/ is: beside this executable or
// in its runfiles. kNotFound names the places.
absl::StatusOr<std::string> FindProgram(const std::string& name);

}  // namespace quorate::net

#endif  // QUORATE_NET_TOOLS_CHILD_PROCESS_H_

// net/tools/child_process.h: runs a program as a child, for quickstart, tests
// and benches. Calls block up to a time limit, so do not use them on the event
// loop.
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
  // The program, then its arguments. A name without a slash is looked up in
  // PATH.
  std::vector<std::string> command;
  // Standard error of the child is appended to this file.
  std::string log_file;
  // Standard output goes to the log file, too; ReadLine returns kOutOfRange.
  bool log_output = false;
  // The kernel kills the child when the thread that started it ends, even by
  // SIGKILL of the process.
  bool kill_with_parent = false;
  // Added to the environment.
  std::map<std::string, std::string> environment;
};

// The child has its own process group, so Ctrl-C on the terminal reaches only
// the parent. The destructor kills a child that still runs.
class ChildProcess {
 public:
  static absl::StatusOr<ChildProcess> Start(const ChildOptions& options);
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;
  ~ChildProcess();

  pid_t pid() const { return pid_; }

  // Returns the next line of its standard output. kDeadlineExceeded: none in
  // time; kOutOfRange: the output has ended.
  absl::StatusOr<std::string> ReadLine(Duration timeout);

  void Signal(int signal);
  // Sends `signal` and waits; kills the child if it has not ended within
  // `timeout`. Returns the wait status.
  int Stop(int signal, Duration timeout);
  // Returns the wait status once the child has ended.
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

// Returns the path of the program `name` of net/cmd: beside this executable or
// in its runfiles. kNotFound names the places searched.
absl::StatusOr<std::string> FindProgram(const std::string& name);

}  // namespace quorate::net

#endif  // QUORATE_NET_TOOLS_CHILD_PROCESS_H_

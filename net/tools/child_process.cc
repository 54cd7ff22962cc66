#include "net/tools/child_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "net/event_loop/clock.h"

namespace quorate::net {
namespace {

std::vector<char*> Pointers(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::string> Environment(
    const std::map<std::string, std::string>& added) {
  std::vector<std::string> all;
  for (char** at = environ; *at != nullptr; ++at) {
    const std::string variable = *at;
    if (!added.contains(variable.substr(0, variable.find('=')))) {
      all.push_back(variable);
    }
  }
  for (const auto& [name, value] : added) all.push_back(name + "=" + value);
  return all;
}

// The arguments of exec() and the descriptors of a child. They are made before
// fork(), since a child of a process with threads must not allocate.
struct Exec {
  char* const* argv;
  char* const* envp;
  int input;
  int output;
  int log;
  pid_t parent;  // The child dies with this process; 0: it does not.
};

// Runs in the child. Returns errno if the program cannot be started.
int BecomeProgram(const Exec& exec) {
  if (exec.parent != 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != exec.parent) _exit(127);
  }
  setpgid(0, 0);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if (dup2(exec.input, 0) < 0 || dup2(exec.output, 1) < 0 ||
      dup2(exec.log, 2) < 0) {
    return errno;
  }
  execvpe(exec.argv[0], exec.argv, exec.envp);
  return errno;
}

}  // namespace

absl::StatusOr<ChildProcess> ChildProcess::Start(const ChildOptions& options) {
  int output[2];
  if (pipe2(output, O_CLOEXEC) != 0)
    return FileError(errno, "making", "a pipe");
  OwnedFd read_end(output[0]);
  const OwnedFd write_end(output[1]);
  int failure[2];
  if (pipe2(failure, O_CLOEXEC) != 0) {
    return FileError(errno, "making", "a pipe");
  }
  const OwnedFd failure_read(failure[0]);
  OwnedFd failure_write(failure[1]);
  const OwnedFd log(open(options.log_file.c_str(),
                         O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640));
  if (log.get() < 0) return FileError(errno, "opening", options.log_file);
  const OwnedFd input(open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (input.get() < 0) return FileError(errno, "opening", "/dev/null");

  std::vector<std::string> command = options.command;
  std::vector<std::string> environment = Environment(options.environment);
  const std::vector<char*> argv = Pointers(command);
  const std::vector<char*> envp = Pointers(environment);
  const Exec exec = {.argv = argv.data(),
                     .envp = envp.data(),
                     .input = input.get(),
                     .output = options.log_output ? log.get() : write_end.get(),
                     .log = log.get(),
                     .parent = options.kill_with_parent ? getpid() : 0};
  const pid_t pid = fork();
  if (pid == 0) {
    const int error = BecomeProgram(exec);
    static_cast<void>(!write(failure_write.get(), &error, sizeof(error)));
    _exit(127);
  }
  int error = pid < 0 ? errno : 0;
  failure_write = OwnedFd();
  if (pid > 0) {
    ssize_t n;
    do {
      n = read(failure_read.get(), &error, sizeof(error));
    } while (n < 0 && errno == EINTR);
    if (n == sizeof(error)) waitpid(pid, nullptr, 0);
  }
  if (error != 0) return FileError(error, "starting", options.command.front());
  return ChildProcess(pid, std::move(read_end));
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      status_(other.status_),
      output_(std::move(other.output_)),
      text_(std::move(other.text_)) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(status_, other.status_);
  std::swap(output_, other.output_);
  std::swap(text_, other.text_);
  return *this;
}

ChildProcess::~ChildProcess() {
  if (pid_ > 0 && !Poll().has_value()) Stop(SIGKILL, Seconds(10));
}

absl::StatusOr<std::string> ChildProcess::ReadLine(Duration timeout) {
  const MonoTime limit = Clock::ReadMono() + timeout;
  while (true) {
    const size_t end = text_.find('\n');
    if (end != std::string::npos) {
      std::string line = text_.substr(0, end);
      text_.erase(0, end + 1);
      return line;
    }
    const Duration left = limit - Clock::ReadMono();
    if (left <= Duration()) {
      return absl::DeadlineExceededError(absl::StrCat(
          "process ", pid_, " wrote no line to its standard output within ",
          timeout.ms(), " ms"));
    }
    pollfd poll_one = {.fd = output_.get(), .events = POLLIN, .revents = 0};
    if (poll(&poll_one, 1, static_cast<int>(left.ms() + 1)) <= 0) continue;
    char bytes[4096];
    const ssize_t n = read(output_.get(), bytes, sizeof(bytes));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return absl::OutOfRangeError("the output has ended");
    text_.append(bytes, n);
  }
}

void ChildProcess::Signal(int signal) {
  if (pid_ > 0 && !Poll().has_value()) kill(pid_, signal);
}

std::optional<int> ChildProcess::Poll() {
  int status = 0;
  if (pid_ > 0 && !status_.has_value() &&
      waitpid(pid_, &status, WNOHANG) == pid_) {
    status_ = status;
  }
  return status_;
}

int ChildProcess::Stop(int signal, Duration timeout) {
  CHECK_GT(pid_, 0);
  Signal(signal);
  const MonoTime limit = Clock::ReadMono() + timeout;
  while (!Poll().has_value()) {
    if (Clock::ReadMono() >= limit) {
      kill(pid_, SIGKILL);
      int status = 0;
      while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
      }
      status_ = status;
      break;
    }
    usleep(2'000);
  }
  return *status_;
}

std::string DescribeEnd(int wait_status) {
  if (WIFSIGNALED(wait_status)) {
    return absl::StrCat("was killed by signal ", WTERMSIG(wait_status), " (",
                        strsignal(WTERMSIG(wait_status)), ")");
  }
  return absl::StrCat("ended with status ", WEXITSTATUS(wait_status));
}

absl::StatusOr<std::string> FindProgram(const std::string& name) {
  std::error_code error;
  const std::filesystem::path self =
      std::filesystem::read_symlink("/proc/self/exe", error);
  const char* const runfiles = std::getenv("RUNFILES_DIR");
  const char* const test_runfiles = std::getenv("TEST_SRCDIR");
  std::vector<std::filesystem::path> places = {
      std::filesystem::path(self.string() + ".runfiles") / "quorate/net/cmd",
      self.parent_path()};
  for (const char* root : {runfiles, test_runfiles}) {
    if (root == nullptr) continue;
    places.push_back(std::filesystem::path(root) / "quorate/net/cmd");
  }
  std::string tried;
  for (const std::filesystem::path& place : places) {
    const std::string path = (place / name).string();
    if (access(path.c_str(), X_OK) == 0) return path;
    absl::StrAppend(&tried, tried.empty() ? "" : ", ", path);
  }
  return absl::NotFoundError("cannot find the program " + name +
                             "; looked for " + tried);
}

}  // namespace quorate::net

#include "bench/processes.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace quorate::bench {
namespace {

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// Raises the soft limit on open files, which servers inherit.
void RaiseFileLimit() {
  rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
}

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

absl::StatusOr<ScratchFolder> ScratchFolder::Create(const std::string& parent) {
  std::error_code error;
  std::filesystem::create_directories(parent, error);
  std::string path = absl::StrCat(parent, "/run-XXXXXX");
  if (mkdtemp(path.data()) == nullptr) {
    return absl::UnavailableError(absl::StrCat(
        "cannot make a folder in ", parent, ": ", std::strerror(errno)));
  }
  return ScratchFolder(std::move(path));
}

ScratchFolder::ScratchFolder(ScratchFolder&& other) noexcept
    : path_(std::exchange(other.path_, "")) {}

ScratchFolder::~ScratchFolder() {
  std::error_code error;
  if (!path_.empty()) std::filesystem::remove_all(path_, error);
}

std::string ScratchFolder::Sub(const std::string& name) const {
  std::string path = absl::StrCat(path_, "/", name);
  std::error_code error;
  std::filesystem::create_directories(path, error);
  return path;
}

absl::StatusOr<ServerProcess> ServerProcess::Start(
    const std::vector<std::string>& command, const std::string& log) {
  RaiseFileLimit();
  absl::StatusOr<net::ChildProcess> child =
      net::ChildProcess::Start({.command = command,
                                .log_file = log,
                                .log_output = true,
                                .kill_with_parent = true});
  if (!child.ok()) return child.status();
  return ServerProcess(*std::move(child), log);
}

ServerProcess::~ServerProcess() {
  if (child_.pid() > 0) child_.Stop(SIGTERM, Seconds(3));
}

int64_t ServerProcess::ProcessorNanos() const {
  // proc(5): the program's name is in parentheses; utime and stime are the 12th
  // and 13th fields after it.
  const std::string stat =
      ReadFile(absl::StrCat("/proc/", child_.pid(), "/stat"));
  const size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return 0;
  const std::vector<std::string> fields =
      absl::StrSplit(stat.substr(name_end + 2), ' ');
  int64_t user = 0, system = 0;
  if (fields.size() < 13 || !absl::SimpleAtoi(fields[11], &user) ||
      !absl::SimpleAtoi(fields[12], &system)) {
    return 0;
  }
  return (user + system) * (1'000'000'000LL / sysconf(_SC_CLK_TCK));
}

std::string ServerProcess::LogTail() const {
  std::string text = ReadFile(log_);
  return text.size() > 2'000 ? text.substr(text.size() - 2'000) : text;
}

int64_t ServerProcess::ResidentBytes() const {
  // proc(5): the second number is the resident set size, in pages.
  const std::vector<std::string> fields = absl::StrSplit(
      ReadFile(absl::StrCat("/proc/", child_.pid(), "/statm")), ' ');
  int64_t pages = 0;
  if (fields.size() < 2 || !absl::SimpleAtoi(fields[1], &pages)) return 0;
  return pages * sysconf(_SC_PAGESIZE);
}

int64_t ServerProcess::PeakResidentBytes() const {
  // proc(5): "VmHWM:	  1234 kB".
  const std::string status =
      ReadFile(absl::StrCat("/proc/", child_.pid(), "/status"));
  const size_t at = status.find("VmHWM:");
  if (at == std::string::npos) return 0;
  return std::strtoll(status.c_str() + at + 6, nullptr, 10) * 1024;
}

void ServerProcess::Kill() { child_.Signal(SIGKILL); }
void ServerProcess::Pause() { child_.Signal(SIGSTOP); }
void ServerProcess::Continue() { child_.Signal(SIGCONT); }

std::string DefaultDataFolder() {
  std::string cache = Environment("XDG_CACHE_HOME");
  if (cache.empty()) cache = absl::StrCat(Environment("HOME"), "/.cache");
  return absl::StrCat(cache, "/quorate-bench");
}

// Bazel puts the servers' programs beside this one.
std::string FindProgram(const std::string& path_in_tree) {
  std::error_code error;
  const std::string self =
      std::filesystem::read_symlink("/proc/self/exe", error).string();
  for (const std::string& path :
       {absl::StrCat(self, ".runfiles/quorate/", path_in_tree), path_in_tree}) {
    if (std::filesystem::exists(path, error)) {
      return std::filesystem::absolute(path, error).string();
    }
  }
  return path_in_tree;
}

int64_t OwnProcessorNanos() {
  timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return time.tv_sec * 1'000'000'000LL + time.tv_nsec;
}

std::vector<uint16_t> FreePorts(int count) {
  std::vector<uint16_t> ports;
  std::vector<int> sockets;
  for (int i = 0; i < count; ++i) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    bind(fd, reinterpret_cast<sockaddr*>(&address), size);
    getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
    ports.push_back(ntohs(address.sin_port));
    sockets.push_back(fd);
  }
  for (const int fd : sockets) close(fd);
  return ports;
}

absl::StatusOr<std::string> HttpGet(uint16_t port, const std::string& path) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval timeout = {.tv_sec = 5, .tv_usec = 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const std::string request =
      absl::StrCat("GET ", path,
                   " HTTP/1.1\r\nHost: localhost\r\nConnection: "
                   "close\r\n\r\n");
  std::string in;
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) ==
          0 &&
      send(fd, request.data(), request.size(), MSG_NOSIGNAL) ==
          static_cast<ssize_t>(request.size())) {
    char bytes[16 << 10];
    for (ssize_t n; (n = recv(fd, bytes, sizeof(bytes), 0)) > 0;) {
      in.append(bytes, static_cast<size_t>(n));
    }
  }
  close(fd);
  const size_t body = in.find("\r\n\r\n");
  if (body == std::string::npos) return absl::UnavailableError("no reply");
  return in.substr(body + 4);
}

absl::StatusOr<double> PrometheusSum(const std::string& page,
                                     const std::string& name,
                                     const std::string& label) {
  double sum = 0;
  bool found = false;
  for (const std::string& line :
       std::vector<std::string>(absl::StrSplit(page, '\n'))) {
    if (line.compare(0, name.size(), name) != 0) continue;
    if (line[name.size()] != ' ' && line[name.size()] != '{') continue;
    if (line.find(label) == std::string::npos) continue;
    const size_t space = line.find(' ', line.find('}') + 1);
    double value = 0;
    if (space != std::string::npos &&
        absl::SimpleAtod(line.substr(space + 1), &value)) {
      sum += value;
      found = true;
    }
  }
  if (found) return sum;
  return absl::NotFoundError(absl::StrCat(
      "there is no metric ", name, label.empty() ? "" : " with ", label));
}

}  // namespace quorate::bench

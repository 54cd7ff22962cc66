// bench/processes.h: server processes of a measurement and the folder with
// their files. Destroying an object ends its process or removes its folder. The
// kernel kills a server when this process dies, even by SIGKILL.
#ifndef QUORATE_BENCH_PROCESSES_H_
#define QUORATE_BENCH_PROCESSES_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "net/tools/child_process.h"

namespace quorate::bench {

// A new folder, which the destructor removes with its contents.
class ScratchFolder {
 public:
  // Creates the folder below `parent`, and `parent` if it is absent.
  static absl::StatusOr<ScratchFolder> Create(const std::string& parent);
  ScratchFolder(ScratchFolder&& other) noexcept;
  ScratchFolder& operator=(ScratchFolder&&) = delete;
  ~ScratchFolder();

  const std::string& path() const { return path_; }
  // Creates a folder inside and returns its path.
  std::string Sub(const std::string& name) const;

 private:
  explicit ScratchFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

// A server that runs until the object is destroyed.
class ServerProcess {
 public:
  // Starts `command` with its output going to the file `log`. NotFound if there
  // is no such program.
  static absl::StatusOr<ServerProcess> Start(
      const std::vector<std::string>& command, const std::string& log);
  ServerProcess(ServerProcess&& other) noexcept = default;
  ServerProcess& operator=(ServerProcess&&) = delete;
  // Sends SIGTERM, and SIGKILL after 3 s.
  ~ServerProcess();

  bool Running() { return !child_.Poll().has_value(); }
  // Processor time of all its threads so far, user and system, in nanoseconds.
  // The kernel counts in steps of 10 ms.
  int64_t ProcessorNanos() const;
  // Bytes of the process that are in the machine's memory now, and the most
  // that ever were.
  int64_t ResidentBytes() const;
  int64_t PeakResidentBytes() const;
  void Kill();  // SIGKILL
  // SIGSTOP and SIGCONT.
  void Pause();
  void Continue();
  // The end of its output, for error messages.
  std::string LogTail() const;

 private:
  ServerProcess(net::ChildProcess child, std::string log)
      : child_(std::move(child)), log_(std::move(log)) {}
  net::ChildProcess child_;
  std::string log_;
};

// The folder below which benches create their files.
std::string DefaultDataFolder();

// The path of a program that Bazel built with this one; `path_in_tree` is such
// as "net/cmd/quorated".
std::string FindProgram(const std::string& path_in_tree);

// Processor time of this process so far, user and system, in nanoseconds.
int64_t OwnProcessorNanos();

// TCP ports of loopback that are free at the moment.
std::vector<uint16_t> FreePorts(int count);

// The body of the answer to an HTTP GET on 127.0.0.1.
absl::StatusOr<std::string> HttpGet(uint16_t port, const std::string& path);

// The sum of a counter's samples in a page of Prometheus text. NotFound if it
// has none. `label`: of those with this label alone, such as `node="2"`.
absl::StatusOr<double> PrometheusSum(const std::string& page,
                                     const std::string& name,
                                     const std::string& label = "");

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_PROCESSES_H_

// bench/single_server.cc: systems of one process that speaks RESP: Redis, and a
// map in memory behind a minimal loop, which shows the bound for any server.
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/resp_load.h"
#include "bench/system.h"

namespace quorate::bench {
namespace {

struct Program {
  std::string name;
  std::string guarantees;
  // The command line of a server on `port` that keeps its files in `home`.
  std::vector<std::string> (*command)(const std::string& path,
                                      const std::string& port,
                                      const std::string& home);
  std::string path;
};

class SingleServer final : public System {
 public:
  explicit SingleServer(Program program) : program_(std::move(program)) {}

  std::string name() const override { return program_.name; }
  std::string guarantees() const override { return program_.guarantees; }
  bool has_pipelining() const override { return true; }

  absl::Status Start(const ScratchFolder& folder) override {
    const std::string home = folder.Sub(program_.name);
    port_ = FreePorts(1)[0];
    absl::StatusOr<ServerProcess> server = ServerProcess::Start(
        program_.command(program_.path, absl::StrCat(port_), home),
        absl::StrCat(home, "/log"));
    if (!server.ok()) return server.status();
    server_.emplace(*std::move(server));
    const int64_t deadline_ns = MonotonicNanos() + 10'000'000'000;
    while (MonotonicNanos() < deadline_ns && server_->Running()) {
      absl::StatusOr<std::string> reply = AskResp(port_, "PING");
      if (reply.ok() && *reply == "PONG") return absl::OkStatus();
    }
    return absl::UnavailableError(
        absl::StrCat(program_.path, " does not answer:\n", server_->LogTail()));
  }

  absl::StatusOr<Measurement> Run(const Workload& workload) override {
    return RunRespLoad(port_, workload);
  }

  // These servers do not report their syncs.
  Usage ReadUsage() override {
    return {.processor_ns = server_->ProcessorNanos()};
  }
  int64_t ResidentBytes() override { return server_->ResidentBytes(); }

 private:
  const Program program_;
  uint16_t port_ = 0;
  std::optional<ServerProcess> server_;
};

}  // namespace

std::unique_ptr<System> MakeRedis() {
  return std::make_unique<SingleServer>(Program{
      .name = "redis",
      .guarantees =
          "one copy on one disk, synced before each reply (appendfsync "
          "always); linearizable while the one process lives; a lost disk "
          "loses everything, a lost machine stops the service",
      .command =
          [](const std::string& path, const std::string& port,
             const std::string& home) {
            return std::vector<std::string>{
                path,        "--port",        port,     "--bind",
                "127.0.0.1", "--dir",         home,     "--appendonly",
                "yes",       "--appendfsync", "always", "--save",
                "",          "--daemonize",   "no"};
          },
      .path = "redis-server"});
}

std::unique_ptr<System> MakeMemory(std::string program) {
  return std::make_unique<SingleServer>(Program{
      .name = "memory",
      .guarantees = "nothing is stored: a map in one process's memory behind a "
                    "minimal epoll loop, to measure what the kernel's sockets "
                    "cost",
      .command =
          [](const std::string& path, const std::string& port,
             const std::string&) {
            return std::vector<std::string>{path, port};
          },
      .path = std::move(program)});
}

}  // namespace quorate::bench

// A map in memory behind the plainest loop: the bound for any server here.
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "bench/resp_load.h"
#include "bench/system.h"

namespace quorate::bench {
namespace {

class Memory final : public System {
 public:
  explicit Memory(std::string program) : program_(std::move(program)) {}

  std::string name() const override { return "memory"; }
  std::string guarantees() const override {
    return "nothing is kept: a map in one process's memory behind the "
           "plainest epoll loop, to see what the kernel's sockets cost";
  }
  bool has_pipelining() const override { return true; }

  absl::Status Start(const ScratchFolder& folder) override {
    port_ = FreePorts(1)[0];
    absl::StatusOr<ChildProcess> server =
        ChildProcess::Start({program_, absl::StrCat(port_)},
                            absl::StrCat(folder.Sub("memory"), "/log"));
    if (!server.ok()) return server.status();
    server_.emplace(*std::move(server));
    const int64_t deadline_ns = MonotonicNanos() + 10'000'000'000;
    while (MonotonicNanos() < deadline_ns && server_->Running()) {
      if (AskResp(port_, "PING").ok()) return absl::OkStatus();
    }
    return absl::UnavailableError(
        absl::StrCat("memory_server does not answer:\n", server_->LogTail()));
  }

  absl::StatusOr<Measurement> Run(const Workload& workload) override {
    return RunRespLoad(port_, workload);
  }

  Usage ReadUsage() override {
    return {.processor_ns = server_->ProcessorNanos()};
  }

 private:
  const std::string program_;
  uint16_t port_ = 0;
  std::optional<ChildProcess> server_;
};

}  // namespace

std::unique_ptr<System> MakeMemory(std::string program) {
  return std::make_unique<Memory>(std::move(program));
}

}  // namespace quorate::bench

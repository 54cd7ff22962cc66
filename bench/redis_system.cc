// One Redis: what most people compare with.
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "bench/resp_load.h"
#include "bench/system.h"

namespace quorate::bench {
namespace {

class Redis final : public System {
 public:
  std::string name() const override { return "redis"; }
  std::string guarantees() const override {
    return "one copy on one disk, synced before each reply (appendfsync "
           "always); linearizable while the one process lives; a lost disk "
           "loses everything, a lost machine stops the service";
  }
  bool has_pipelining() const override { return true; }

  absl::Status Start(const ScratchFolder& folder) override {
    const std::string home = folder.Sub("redis");
    port_ = FreePorts(1)[0];
    absl::StatusOr<ChildProcess> server = ChildProcess::Start(
        {"redis-server", "--port", absl::StrCat(port_), "--bind", "127.0.0.1",
         "--dir", home, "--appendonly", "yes", "--appendfsync", "always",
         "--save", "", "--daemonize", "no"},
        absl::StrCat(home, "/log"));
    if (!server.ok()) return server.status();
    server_.emplace(*std::move(server));
    const int64_t deadline_ns = MonotonicNanos() + 10'000'000'000;
    while (MonotonicNanos() < deadline_ns && server_->Running()) {
      absl::StatusOr<std::string> reply = AskResp(port_, "PING");
      if (reply.ok() && *reply == "PONG") return absl::OkStatus();
    }
    return absl::UnavailableError(
        absl::StrCat("redis-server does not answer:\n", server_->LogTail()));
  }

  absl::StatusOr<Measurement> Run(const Workload& workload) override {
    return RunRespLoad(port_, workload);
  }

  // Redis counts no syncs.
  Usage ReadUsage() override {
    return {.processor_ns = server_->ProcessorNanos()};
  }

 private:
  uint16_t port_ = 0;
  std::optional<ChildProcess> server_;
};

}  // namespace

std::unique_ptr<System> MakeRedis() { return std::make_unique<Redis>(); }

}  // namespace quorate::bench

// net/real_env.h: the real world of one node: one loop with its clocks, disk,
// sockets and log, bundled as an env::Env.
#ifndef QUORATE_NET_REAL_ENV_H_
#define QUORATE_NET_REAL_ENV_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "env/env.h"
#include "net/disk/file_disk.h"
#include "net/event_loop/clock.h"
#include "net/event_loop/loop.h"
#include "net/log_tracer.h"
#include "net/streams/sockets.h"
#include "raft/transport/transport.h"

namespace quorate::net {

struct RealEnvOptions {
  // Made where it is not there.
  std::string data_directory;
  // Who speaks in the log.
  std::string name = "quorate";
  env::Severity log_level = env::Severity::kInfo;
  ClockOptions clock;
  SocketOptions sockets;
  raft::TransportOptions transport;
};

// Example: make one, build a node on env(), then loop().Run(). The node goes
// before its RealEnv.
class RealEnv {
 public:
  // Fails when the directory cannot be used; the message says why.
  static absl::StatusOr<std::unique_ptr<RealEnv>> Create(
      const RealEnvOptions& options);
  RealEnv(const RealEnv&) = delete;
  RealEnv& operator=(const RealEnv&) = delete;

  env::Env& env() { return env_; }
  EventLoop& loop() { return *loop_; }
  env::Tracer& tracer() { return tracer_; }
  // Actually bound by the transport; empty before it was started.
  std::string peer_address() const { return transport_.listen_address(); }

 private:
  class NoBuggify final : public env::Buggify {
   public:
    bool Fire(Site) override { return false; }
  };

  class ThisProcess final : public env::Process {
   public:
    env::CpuTime ReadCpuTime() override;
  };

  RealEnv(const RealEnvOptions& options, std::unique_ptr<EventLoop> loop,
          std::unique_ptr<FileDisk> disk, Random random);

  const std::unique_ptr<EventLoop> loop_;
  const std::unique_ptr<FileDisk> disk_;
  LogTracer tracer_;
  Sockets sockets_;
  raft::StreamTransport transport_;
  NoBuggify buggify_;
  ThisProcess process_;
  env::Env env_;
};

// 64 bits from the kernel: the seed of a process.
uint64_t RandomSeed();

}  // namespace quorate::net

#endif  // QUORATE_NET_REAL_ENV_H_

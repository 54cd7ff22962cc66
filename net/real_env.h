// net/real_env.h: the real world of one node: loop, clocks, disk, sockets and
// log, bundled as an env::Env.
#ifndef QUORATE_NET_REAL_ENV_H_
#define QUORATE_NET_REAL_ENV_H_

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "env/env.h"
#include "net/disk/file_disk.h"
#include "net/event_loop/clock.h"
#include "net/event_loop/loop.h"
#include "net/log_tracer.h"
#include "net/streams/sockets.h"
#include "net/streams/tls_streams.h"
#include "net/tls/tls_keeper.h"
#include "raft/transport/transport.h"

namespace quorate::net {

// Streams with TLS.
struct TlsOptions {
  env::CertificateFiles files;
  // Listen addresses; those of the peers, too.
  std::map<std::string, TlsListen> listens;
  // TLS of the streams that this node dials to its peers.
  env::TlsMode peers = env::TlsMode::kOff;
};

struct RealEnvOptions {
  // Created if it does not exist.
  std::string data_directory = {};
  // Name of the node in its log.
  std::string name = "quorate";
  env::Severity log_level = env::Severity::kInfo;
  ClockOptions clock = {};
  SocketOptions sockets = {};
  raft::TransportOptions transport = {};
  // Nothing: no stream has TLS.
  std::optional<TlsOptions> tls = {};
};

// Usage: create one, build a node on env(), call loop().Run(). Destroy the node
// before its RealEnv.
class RealEnv {
 public:
  // Fails if the directory or the certificate cannot be used; the message gives
  // the reason.
  static absl::StatusOr<std::unique_ptr<RealEnv>> Create(
      const RealEnvOptions& options);
  RealEnv(const RealEnv&) = delete;
  RealEnv& operator=(const RealEnv&) = delete;

  env::Env& env() { return env_; }
  EventLoop& loop() { return *loop_; }
  env::Tracer& tracer() { return tracer_; }
  // Waits until the lines of the log are written, but not for long.
  void FlushLog() { tracer_.Flush(); }
  // See FileDisk::WaitUntilIdle.
  bool WaitForDisk(Duration limit) { return disk_->WaitUntilIdle(limit); }
  // Reads the files of the certificate again. False: there are none.
  bool ReloadCertificate();
  // The address that the transport actually bound; empty before it is started.
  std::string peer_address() const { return transport_.listen_address(); }

 private:
  class NoBuggify final : public env::Buggify {
   public:
    bool Fire(const Site&) override { return false; }
  };

  class ThisProcess final : public env::Process {
   public:
    explicit ThisProcess(EventLoop& loop) : loop_(loop) {}
    env::CpuTime ReadCpuTime() override;
    env::TurnTimes ReadTurnTimes() override { return loop_.turn_times(); }
    void ResetTurnTimes() override { loop_.ResetTurnTimes(); }

   private:
    EventLoop& loop_;
  };

  RealEnv(const RealEnvOptions& options, std::unique_ptr<EventLoop> loop,
          std::unique_ptr<FileDisk> disk,
          std::shared_ptr<const TlsContext> certificate, Random random);

  env::Streams& streams();

  const std::unique_ptr<EventLoop> loop_;
  const std::unique_ptr<FileDisk> disk_;
  LogTracer tracer_;
  Sockets sockets_;
  // Both are null without TLS.
  const std::unique_ptr<TlsKeeper> tls_keeper_;
  const std::unique_ptr<TlsStreams> tls_streams_;
  raft::StreamTransport transport_;
  NoBuggify buggify_;
  ThisProcess process_;
  env::Env env_;
};

// Returns 64 random bits of the kernel, the seed of a process.
uint64_t RandomSeed();

}  // namespace quorate::net

#endif  // QUORATE_NET_REAL_ENV_H_

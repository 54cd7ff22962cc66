#include "net/real_env.h"

#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>

#include <utility>

#include "env/check.h"
#include "net/tls/tls_context.h"

namespace quorate::net {
namespace {

int64_t WallSeconds() { return time(nullptr); }

}  // namespace

uint64_t RandomSeed() {
  uint64_t seed = 0;
  CHECK_EQ(getrandom(&seed, sizeof(seed), 0),
           static_cast<ssize_t>(sizeof(seed)));
  return seed;
}

absl::StatusOr<std::unique_ptr<RealEnv>> RealEnv::Create(
    const RealEnvOptions& options) {
  std::shared_ptr<const TlsContext> certificate;
  if (options.tls.has_value()) {
    auto loaded = TlsContext::Load(options.tls->files, WallSeconds());
    if (!loaded.ok()) {
      return absl::InvalidArgumentError("[tls]: " +
                                        std::string(loaded.status().message()));
    }
    certificate = *std::move(loaded);
  }
  auto loop = std::make_unique<EventLoop>(options.clock);
  absl::StatusOr<std::unique_ptr<FileDisk>> disk =
      FileDisk::OpenDirectory(*loop, options.data_directory);
  if (!disk.ok()) return disk.status();
  return std::unique_ptr<RealEnv>(
      new RealEnv(options, std::move(loop), *std::move(disk),
                  std::move(certificate), Random(RandomSeed())));
}

env::CpuTime RealEnv::ThisProcess::ReadCpuTime() {
  rusage usage;
  CHECK_EQ(getrusage(RUSAGE_SELF, &usage), 0);
  const auto duration = [](const timeval& time) {
    return Seconds(time.tv_sec) + Microseconds(time.tv_usec);
  };
  return {.user = duration(usage.ru_utime), .system = duration(usage.ru_stime)};
}

RealEnv::RealEnv(const RealEnvOptions& options, std::unique_ptr<EventLoop> loop,
                 std::unique_ptr<FileDisk> disk,
                 std::shared_ptr<const TlsContext> certificate, Random random)
    : loop_(std::move(loop)),
      disk_(std::move(disk)),
      tracer_(options.name, options.log_level),
      sockets_(*loop_, tracer_, options.sockets),
      tls_keeper_(certificate == nullptr
                      ? nullptr
                      : std::make_unique<TlsKeeper>(
                            *loop_, tracer_, options.tls->files,
                            std::move(certificate), WallSeconds)),
      tls_streams_(tls_keeper_ == nullptr
                       ? nullptr
                       : std::make_unique<TlsStreams>(
                             *loop_, sockets_, *tls_keeper_,
                             options.tls->listens, options.tls->peers)),
      transport_(*loop_, streams(), tracer_, random.Fork("net.transport", 0),
                 options.transport),
      process_(*loop_),
      env_{.loop = *loop_,
           .disk = *disk_,
           .transport = transport_,
           .streams = streams(),
           .tracer = tracer_,
           .buggify = buggify_,
           .process = process_,
           .random = random,
           .secrets = Random(RandomSeed()),
           .certificates = tls_keeper_.get()} {}

env::Streams& RealEnv::streams() {
  if (tls_streams_ != nullptr) return *tls_streams_;
  return sockets_;
}

bool RealEnv::ReloadCertificate() {
  if (tls_keeper_ == nullptr) return false;
  tls_keeper_->Reload();
  return true;
}

}  // namespace quorate::net

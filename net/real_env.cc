#include "net/real_env.h"

#include <sys/random.h>
#include <sys/resource.h>

#include <utility>

#include "env/check.h"

namespace quorate::net {

uint64_t RandomSeed() {
  uint64_t seed = 0;
  CHECK_EQ(getrandom(&seed, sizeof(seed), 0),
           static_cast<ssize_t>(sizeof(seed)));
  return seed;
}

absl::StatusOr<std::unique_ptr<RealEnv>> RealEnv::Create(
    const RealEnvOptions& options) {
  auto loop = std::make_unique<EventLoop>(options.clock);
  absl::StatusOr<std::unique_ptr<FileDisk>> disk =
      FileDisk::OpenDirectory(*loop, options.data_directory);
  if (!disk.ok()) return disk.status();
  return std::unique_ptr<RealEnv>(new RealEnv(
      options, std::move(loop), *std::move(disk), Random(RandomSeed())));
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
                 std::unique_ptr<FileDisk> disk, Random random)
    : loop_(std::move(loop)),
      disk_(std::move(disk)),
      tracer_(options.name, options.log_level),
      sockets_(*loop_, tracer_, options.sockets),
      transport_(*loop_, sockets_, tracer_, random.Fork("net.transport", 0),
                 options.transport),
      process_(*loop_),
      env_{.loop = *loop_,
           .disk = *disk_,
           .transport = transport_,
           .streams = sockets_,
           .tracer = tracer_,
           .buggify = buggify_,
           .process = process_,
           .random = random,
           .secrets = Random(RandomSeed())} {}

}  // namespace quorate::net

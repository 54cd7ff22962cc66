// bench/system.h: one store under measurement: its servers, how to put load on
// it, and what it costs and promises.
#ifndef QUORATE_BENCH_SYSTEM_H_
#define QUORATE_BENCH_SYSTEM_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bench/processes.h"
#include "bench/workload.h"

namespace quorate::bench {

// What its servers have used up since they started.
struct Usage {
  int64_t processor_ns = 0;
  double syncs = -1;  // Of the log's file, all servers together; -1: not told.
};

class System {
 public:
  virtual ~System() = default;

  virtual std::string name() const = 0;
  // What an acknowledged write and a read mean, in a line or two.
  virtual std::string guarantees() const = 0;
  virtual bool has_pipelining() const = 0;
  // Starts the servers below `folder` and waits until they serve. NotFound: not
  // installed.
  virtual absl::Status Start(const ScratchFolder& folder) = 0;
  virtual absl::StatusOr<Measurement> Run(const Workload& workload) = 0;
  virtual Usage ReadUsage() = 0;
};

// One redis-server with an append-only file that is synced before each reply.
std::unique_ptr<System> MakeRedis();
// Three etcd servers, defaults.
std::unique_ptr<System> MakeEtcd();
// Three quorated processes with one group; `program` is the path of quorated.
std::unique_ptr<System> MakeQuorate(std::string program);
// A map in memory (bench/memory_server.cc); `program` is its server's path.
std::unique_ptr<System> MakeMemory(std::string program);

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_SYSTEM_H_

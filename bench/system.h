// bench/system.h: one store under measurement: how to start it and put load on
// it, its resource use and its guarantees.
#ifndef QUORATE_BENCH_SYSTEM_H_
#define QUORATE_BENCH_SYSTEM_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "bench/processes.h"
#include "bench/workload.h"

namespace quorate::bench {

// The largest resident memory of these servers.
int64_t LargestResidentBytes(absl::Span<const ServerProcess> servers);

// Resources that the servers of a system have used since they started.
struct Usage {
  int64_t processor_ns = 0;
  // Syncs of the log files, sum over all servers; -1: not counted.
  double syncs = -1;
};

class System {
 public:
  virtual ~System() = default;

  virtual std::string name() const = 0;
  // The guarantees of an acknowledged write and of a read, in a line or two.
  virtual std::string guarantees() const = 0;
  virtual bool has_pipelining() const = 0;
  // Starts the servers below `folder` and waits until they serve requests.
  // NotFound: the system is not installed.
  virtual absl::Status Start(const ScratchFolder& folder) = 0;
  virtual absl::StatusOr<Measurement> Run(const Workload& workload) = 0;
  virtual Usage ReadUsage() = 0;
  // The resident memory of the server that has most.
  virtual int64_t ResidentBytes() = 0;
};

class QuorateSystem : public System {
 public:
  // FLUSHALL.
  virtual absl::Status RemoveAllKeys() = 0;
  // Sends a request, given as arguments separated by spaces, to the server `i`
  // of 0 to 2. An error reply is an error.
  virtual absl::Status AskAt(int i, const std::string& request) = 0;
  absl::Status Ask(const std::string& request) { return AskAt(0, request); }
  // Stops the server as an operator does.
  virtual void Stop(int i) = 0;
  // Ends the server with SIGKILL.
  virtual void Kill(int i) = 0;
  // Starts it again, and does not wait until it serves.
  virtual absl::Status StartAgain(int i) = 0;
  // Returns when a GET of the key through this server has succeeded. kDataLoss
  // if the answer is another value.
  virtual absl::Status AwaitRead(int i, const std::string& key,
                                 const std::string& value) = 0;
  // The sum of a metric's samples with this label on this server. NotFound if
  // it has none.
  virtual absl::StatusOr<double> Metric(int i, const std::string& name,
                                        const std::string& label = "") = 0;
  // The server that leads the first group.
  virtual absl::StatusOr<int> Leader() = 0;
  // The folder with the log and the snapshots of a server.
  virtual std::string DataFolder(int i) = 0;
  virtual ServerProcess& server(int i) = 0;
};

struct QuorateOptions {
  int groups = 1;
  std::string settings = {};  // Further tables of the configuration.
};

// One redis-server whose append-only file is synced before each reply.
std::unique_ptr<System> MakeRedis();
// Three etcd servers with default settings.
std::unique_ptr<System> MakeEtcd();
// Three quorated processes; `program` is the path of quorated.
std::unique_ptr<QuorateSystem> MakeQuorate(std::string program,
                                           QuorateOptions options = {});
// A map in memory (bench/memory_server.cc); `program` is its server's path.
std::unique_ptr<System> MakeMemory(std::string program);

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_SYSTEM_H_

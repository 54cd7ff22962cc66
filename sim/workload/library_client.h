// sim/workload/library_client.h: a simulated client that uses the store's own
// client library (kv/client).
#ifndef QUORATE_SIM_WORKLOAD_LIBRARY_CLIENT_H_
#define QUORATE_SIM_WORKLOAD_LIBRARY_CLIENT_H_

#include <cstddef>
#include <map>

#include "kv/client/client.h"
#include "sim/checks/sent_bytes.h"
#include "sim/choices/sim_time.h"
#include "sim/workload/simple_client.h"
#include "sim/workload/watched_streams.h"

namespace quorate::sim {

struct LibraryClientOptions {
  SimpleClientOptions common;
  // Requests that the library holds back, at most. Further ones fail.
  size_t waiting_max = kv::ClientOptions().waiting_max;
  size_t outstanding_max = kv::ClientOptions().outstanding_max;
};

class LibraryClient final : public SimpleClient {
 public:
  LibraryClient(env::Env& env, const LibraryClientOptions& options,
                Choices* choices, Recorder* recorder);

 private:
  void Adapt(ClientOperation* operation) const override;
  void Begin(OperationId id) override;
  void OnResult(OperationId id, const kv::ClientResult& result);
  // Sends commands, of which no server executes the last.
  void MakeMistake(OperationId id);

  // The bytes that the library handed to open connections, and the times at
  // which it got the open operations.
  SentBytes sent_;
  std::map<OperationId, SimTime> begun_;
  WatchedStreams streams_;
  kv::Client client_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_WORKLOAD_LIBRARY_CLIENT_H_

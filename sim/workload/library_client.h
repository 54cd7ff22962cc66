// sim/workload/library_client.h: a simulated client that uses the store's own
// client library (kv/client).
#ifndef QUORATE_SIM_WORKLOAD_LIBRARY_CLIENT_H_
#define QUORATE_SIM_WORKLOAD_LIBRARY_CLIENT_H_

#include <cstddef>

#include "kv/client/client.h"
#include "sim/workload/simple_client.h"

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

  kv::Client client_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_WORKLOAD_LIBRARY_CLIENT_H_

// sim/workload/library_client.h: a simulated client that uses the store's own
// client library (kv/client).
#ifndef QUORATE_SIM_WORKLOAD_LIBRARY_CLIENT_H_
#define QUORATE_SIM_WORKLOAD_LIBRARY_CLIENT_H_

#include "kv/client/client.h"
#include "sim/workload/simple_client.h"

namespace quorate::sim {

class LibraryClient final : public SimpleClient {
 public:
  LibraryClient(env::Env& env, const SimpleClientOptions& options,
                Choices* choices, Recorder* recorder);

 private:
  void Adapt(ClientOperation* operation) const override;
  void Begin(OperationId id) override;
  void OnResult(OperationId id, const kv::ClientResult& result);

  kv::Client client_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_WORKLOAD_LIBRARY_CLIENT_H_

// sim/workload/flush_client.h: a simulated client that empties the whole store
// at the end of a run.
//
// It sends FLUSHALL until a node replies with OK, to the last node first, which
// may have no vote. The following DBSIZE must be 0, since no other client is at
// work.
#ifndef QUORATE_SIM_WORKLOAD_FLUSH_CLIENT_H_
#define QUORATE_SIM_WORKLOAD_FLUSH_CLIENT_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "env/env.h"
#include "sim/protocol/dialogue.h"

namespace quorate::sim {

class FlushClient final : Dialogue {
 public:
  using Violate = absl::AnyInvocable<void(std::string what)>;

  // Begins at once. `servers`: the addresses for plain clients; not empty.
  FlushClient(env::Env& env, std::vector<std::string> servers, Violate violate);

  bool done() const { return done_; }

 private:
  void OnBegin() override;
  void OnReply(ClientReply reply) override;
  // Goes to the next server after a pause.
  void OnOver(const absl::Status&) override;

  const std::vector<std::string> servers_;
  Violate violate_;
  size_t tries_ = 0;
  bool emptied_ = false;  // In this try.
  bool done_ = false;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_WORKLOAD_FLUSH_CLIENT_H_

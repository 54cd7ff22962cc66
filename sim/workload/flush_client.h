// sim/workload/flush_client.h: a simulated client that empties the whole store
// at the end of a run.
//
// It sends FLUSHALL until a node replies with OK, to the last node first, which
// may have no vote. The following DBSIZE must be 0, since no other client is at
// work.
#ifndef QUORATE_SIM_WORKLOAD_FLUSH_CLIENT_H_
#define QUORATE_SIM_WORKLOAD_FLUSH_CLIENT_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "env/env.h"
#include "sim/protocol/reply.h"

namespace quorate::sim {

class FlushClient final : env::Connection::Observer {
 public:
  using Violate = absl::AnyInvocable<void(std::string what)>;

  // Begins at once. `servers`: the addresses for plain clients; not empty.
  FlushClient(env::Env& env, std::vector<std::string> servers, Violate violate);
  FlushClient(const FlushClient&) = delete;
  FlushClient& operator=(const FlushClient&) = delete;

  bool done() const { return done_; }

 private:
  void OnBytes(std::string_view bytes) override;
  void OnEnd() override { TryLater(); }
  void OnClosed(absl::Status) override { TryLater(); }
  void OnDrained() override {}

  void Try();
  // Goes to the next server after a pause.
  void TryLater();
  void TakeReply(const ClientReply& reply);

  env::Env& env_;
  const std::vector<std::string> servers_;
  Violate violate_;
  size_t tries_ = 0;
  bool emptied_ = false;  // In this try.
  bool done_ = false;
  ReplyParser replies_;
  env::Pending connecting_;
  env::Pending timer_;
  std::unique_ptr<env::Connection> connection_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_WORKLOAD_FLUSH_CLIENT_H_

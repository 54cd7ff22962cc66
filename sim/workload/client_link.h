// sim/workload/client_link.h: one connection of a simulated client: requests out,
// replies in, in order.
#ifndef QUORATE_SIM_WORKLOAD_CLIENT_LINK_H_
#define QUORATE_SIM_WORKLOAD_CLIENT_LINK_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "env/env.h"
#include "sim/protocol/reply.h"

namespace quorate::sim {

// Lifecycle: opened by the first Send; closed once, by the server, the network
// or Break. After OnLinkClosed its owner destroys it, not before the callback
// has returned.
class ClientLink final : public env::Connection::Observer {
 public:
  using RequestId = uint64_t;  // Not zero.

  class Owner {
   public:
    // One reply to the oldest request; `done`: it was the last one to it.
    virtual void OnLinkReply(RequestId id, ClientReply reply, bool* done) = 0;
    // The connection broke after the request was written: its fate is unknown.
    virtual void OnLinkBroken(RequestId id) = 0;
    // The request was never written.
    virtual void OnLinkRefused(RequestId id) = 0;
    // The server sent what is no reply.
    virtual void OnLinkMalformed(std::string_view server) = 0;
    // Nothing more will be called.
    virtual void OnLinkClosed(ClientLink* link) = 0;

   protected:
    ~Owner() = default;
  };

  // `number` names the connection. `readonly`: begins with READONLY.
  ClientLink(env::Env& env, uint64_t number, std::string server, bool readonly,
             Owner* owner);
  ClientLink(const ClientLink&) = delete;
  ClientLink& operator=(const ClientLink&) = delete;

  uint64_t number() const { return number_; }
  void Send(RequestId id, std::string bytes);
  // Closes it: the owner hears of every request, then of the end.
  void Break();
  // The oldest request without its whole reply, or 0; and since when it is the
  // oldest.
  RequestId oldest() const;
  MonoTime oldest_since() const { return oldest_since_; }

  // env::Connection::Observer.
  void OnBytes(std::string_view bytes) override;
  void OnEnd() override { Break(); }
  void OnClosed(absl::Status reason) override;
  void OnDrained() override {}

 private:
  void OnConnected(absl::StatusOr<std::unique_ptr<env::Connection>> connection);
  MonoTime Now() { return env_.loop.ReadClock().mono; }

  env::Env& env_;
  const uint64_t number_;
  const std::string server_;
  Owner* const owner_;
  bool greeting_;  // The reply to READONLY is still to come.
  bool closed_ = false;
  env::Pending connecting_;
  std::unique_ptr<env::Connection> connection_;
  ReplyParser parser_;
  std::deque<RequestId> written_;
  std::vector<std::pair<RequestId, std::string>>
      waiting_;  // For the connection.
  MonoTime oldest_since_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_WORKLOAD_CLIENT_LINK_H_

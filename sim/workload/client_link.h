// sim/workload/client_link.h: one connection of a simulated client. It sends
// requests and receives their replies in order.
#ifndef QUORATE_SIM_WORKLOAD_CLIENT_LINK_H_
#define QUORATE_SIM_WORKLOAD_CLIENT_LINK_H_

#include <algorithm>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "env/env.h"
#include "sim/protocol/dialogue.h"

namespace quorate::sim {

// The first Send opens the connection. The server, the network or Break closes
// it, once. After OnLinkClosed has returned its owner destroys the link.
class ClientLink final : Dialogue {
 public:
  using RequestId = uint64_t;  // Not zero.

  class Owner {
   public:
    // A reply to the oldest request. The owner sets `done` if it was the last
    // reply to this request.
    virtual void OnLinkReply(RequestId id, ClientReply reply, bool* done) = 0;
    // The connection broke after the request was written. Its outcome is
    // unknown.
    virtual void OnLinkBroken(RequestId id) = 0;
    // The request was never written.
    virtual void OnLinkRefused(RequestId id) = 0;
    // The server sent bytes that are not a reply.
    virtual void OnLinkMalformed(std::string_view server) = 0;
    // The last call.
    virtual void OnLinkClosed(ClientLink* link) = 0;

   protected:
    ~Owner() = default;
  };

  // `number` identifies the connection. It begins with the words of
  // `greeting` as a command, unless that is empty.
  ClientLink(env::Env& env, uint64_t number, std::string server,
             std::string greeting, Owner* owner);

  uint64_t number() const { return number_; }
  bool connected() const { return connection() != nullptr; }
  void Send(RequestId id, std::string bytes);
  // Sends no further request, and lets the server reply to those it has. An
  // established connection only.
  void HalfClose() { connection()->End(); }
  // Reads nothing for `length`. An established connection only.
  void PauseReads(Duration length);
  bool reads_paused() const { return reads_paused_; }
  // Closes the connection: calls the owner for every request, then
  // OnLinkClosed.
  void Break();
  // Whether an open connection got the request, which waits for replies.
  bool HasWritten(RequestId id) const {
    return std::find(written_.begin(), written_.end(), id) != written_.end();
  }
  // The oldest request without all its replies, or 0, and the time since when
  // it is the oldest.
  RequestId oldest() const;
  MonoTime oldest_since() const { return oldest_since_; }

 private:
  // Dialogue.
  void OnOpen() override;
  void OnReply(ClientReply reply) override;
  void OnOver(const absl::Status& why) override;
  MonoTime Now() { return env_.loop.ReadClock().mono; }

  env::Env& env_;
  const uint64_t number_;
  const std::string server_;
  Owner* const owner_;
  const std::string greeting_;
  bool greeted_;  // The greeting has its reply.
  bool closed_ = false;
  bool reads_paused_ = false;
  env::Pending resuming_;
  std::deque<RequestId> written_;
  // Requests that wait for the connection.
  std::vector<std::pair<RequestId, std::string>> waiting_;
  MonoTime oldest_since_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_WORKLOAD_CLIENT_LINK_H_

// kv/client/resp_link.h: one pipelined RESP connection of a client. Commands of
// one turn are sent together; replies arrive in order.
//
// Used by kv/client/client.h. Slots, leaders and sessions are handled there.
#ifndef QUORATE_KV_CLIENT_RESP_LINK_H_
#define QUORATE_KV_CLIENT_RESP_LINK_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "env/byte_streams.h"
#include "env/loop.h"
#include "env/pending.h"
#include "kv/client/resp_reply.h"

namespace quorate::kv {

class RespLink final : private env::Connection::Observer {
 public:
  // The outcome of a command. With an OK status, `reply` is the server's reply.
  // Otherwise the link broke, and `sent` is true if the command may have been
  // sent.
  struct Result {
    absl::Status status;
    bool sent = false;
    RespValue reply;
  };
  using Done = absl::AnyInvocable<void(Result)>;
  // Called when the link breaks, which is final. The link may be destroyed in a
  // later turn or deferred callback, not inside the call.
  using Broken = absl::AnyInvocable<void()>;

  // Connects at once, and breaks if that takes longer than `dial_max`. `broken`
  // is called once, before the callbacks of waiting commands.
  RespLink(env::Loop& loop, env::Streams& streams, std::string address,
           Duration dial_max, Broken broken);
  RespLink(const RespLink&) = delete;
  RespLink& operator=(const RespLink&) = delete;

  const std::string& address() const { return address_; }
  // Commands whose reply has not arrived.
  size_t in_flight() const { return waiting_.size(); }
  bool broken() const { return !failure_.ok(); }

  // Requires: !broken(). `done` is called once, never inside this call. It is
  // not called if the link is destroyed first. Returns a number for Withdraw.
  uint64_t Send(absl::Span<const std::string_view> arguments, Done done);
  // Takes back the command of this number if no connection has it yet. Then it
  // is never sent, and its callback is not called. False: it may have been
  // sent.
  bool Withdraw(uint64_t number);

  // Breaks the link. Used when a server does not answer in time: later replies
  // could not be matched with commands.
  void Abort(absl::Status why);

 private:
  void OnConnected(absl::StatusOr<std::unique_ptr<env::Connection>> connected);
  void OnBytes(std::string_view bytes) override;
  void OnEnd() override;
  void OnClosed(absl::Status reason) override;
  void OnDrained() override {}
  void FlushLater();
  void Flush();

  env::Loop& loop_;
  const std::string address_;
  Broken broken_;
  absl::Status failure_;
  std::unique_ptr<env::Connection> connection_;
  env::Pending connecting_;
  env::Pending dial_timer_;
  env::Pending flush_;
  bool flush_due_ = false;
  struct Waiting {
    uint64_t number;
    Done done;
  };
  // The last of the commands that wait for a reply are still in unsent_.
  std::deque<Waiting> waiting_;
  std::deque<std::string> unsent_;
  uint64_t last_number_ = 0;
  RespReplyParser parser_;
};

}  // namespace quorate::kv

#endif  // QUORATE_KV_CLIENT_RESP_LINK_H_

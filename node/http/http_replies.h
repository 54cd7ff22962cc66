// node/http/http_replies.h: the replies of one HTTP connection, in the order of
// its requests.
//
// HTTP replies leave in the order of the requests (RFC 9112 9.3.2). A reply
// that is ready before an earlier one is held.
#ifndef QUORATE_NODE_HTTP_HTTP_REPLIES_H_
#define QUORATE_NODE_HTTP_HTTP_REPLIES_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "env/time.h"
#include "kv/command/result.h"
#include "node/base/reply_text.h"
#include "node/connections/clients.h"
#include "node/connections/context.h"
#include "node/http/http_conditions.h"
#include "node/protocol/http_parser.h"
#include "node/routing/request_sink.h"

namespace quorate::node {

// Decides how a result is written.
enum class HttpRoute : uint8_t {
  kGet,
  kPut,
  kDelete,
  kPlainGet,
  kPlainSet,
  kOther,  // Has no result.
};

// Invariant: the front reply is not ready.
class HttpReplies {
 public:
  // A request whose reply was not sent.
  struct Pending {
    HttpRoute route = HttpRoute::kOther;
    std::string_view name;  // The route's name in metrics.
    std::string target;     // Set by KeepTarget.
    bool head = false;
    bool keep_alive = true;
    std::string_view connection;  // The header line of the reply, or "".
    bool ready = false;
    bool without_room = false;  // The result waits until RoomFor returns true.
    // A DELETE with "If-Match: *". It removes a key or changes nothing, so its
    // result says whether the condition held.
    bool must_exist = false;
    std::unique_ptr<HttpReadConditions> conditions;  // Null: there are none.
    MonoTime begun;
    // Size of target and conditions, and of the reply while it waits behind
    // another one.
    size_t held_bytes = 0;
    ReplyText reply;
  };
  // A reply without framing.
  struct Response {
    int status = 200;
    std::string_view content_type = "application/json";
    std::string headers;  // Complete lines.
    std::string_view body;
    const Buffer* shared = nullptr;  // The Buffer of `body` if there is one.
  };

  // Both outlive the object.
  HttpReplies(Context& context, ClientConnection& client);

  // Adds a request without a reply. The reference is valid until the next call
  // of Begin, DropNewest or Finish.
  Pending& Begin(std::string_view name, const HttpRequest& request);
  // Keep the target for a redirect, and the conditions for the result. They
  // count as held replies until Finish.
  void KeepTarget(Pending& pending, std::string_view target);
  void KeepConditions(Pending& pending, HttpReadConditions conditions);
  // Removes the newest request, which was not accepted.
  void DropNewest();
  // True if the newest request is the last one of its connection.
  bool last() const { return last_; }
  uint64_t newest_token() const { return front_token_ + pending_.size() - 1; }
  // Requires: the request of `token` was not finished.
  Pending& PendingOf(uint64_t token);

  // ---- One reply for each request, then Finish.
  void Write(Pending& pending, const Response& response);
  void WriteError(Pending& pending, int status, std::string_view code,
                  std::string_view message, std::string_view more = "");
  void WriteResult(Pending& pending, const kv::ResultView& result);
  void WriteFailure(Pending& pending, const RequestFailure& failure);
  // Sends the reply and those that waited for it, or holds it. True if the
  // connection has to be closed behind a reply that was sent.
  bool Finish(Pending& pending);

  // ---- Room, as in RequestSink.
  bool RoomFor(uint64_t token, size_t bytes);
  bool RoomForNewest(size_t bytes);
  // The connection asks again for room. For a read that is still parked,
  // RoomFor records the lack again.
  void ForgetLackOfRoom();
  // True if the oldest request waits for an answer, and not for room.
  bool awaits_answer() const {
    return !pending_.empty() && !pending_.front().without_room;
  }

  // The token of the first reply, if there is one.
  uint64_t front_token() const { return front_token_; }
  size_t size() const { return pending_.size(); }
  bool empty() const { return pending_.empty(); }

 private:
  void Hold(Pending& pending, size_t bytes);
  // `result` has the version of the present value.
  void WriteConditionFailed(Pending& pending, const kv::ResultView& result);

  Context& context_;
  ClientConnection& client_;
  std::deque<Pending> pending_;
  uint64_t front_token_ = 1;
  bool last_ = false;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_HTTP_HTTP_REPLIES_H_

// node/http/http_session.h: one HTTP connection: raw values under /v1/kv/,
// health, metrics, and the simple routes /set and /get.
//
// A state machine over bytes, like RespSession. Any node answers: writes are
// forwarded to the leader, reads use the local replica after a read point.
// Routes and replies: docs/reference/http.md.
#ifndef QUORATE_NODE_HTTP_HTTP_SESSION_H_
#define QUORATE_NODE_HTTP_HTTP_SESSION_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "kv/command/command.h"
#include "node/connections/clients.h"
#include "node/connections/context.h"
#include "node/protocol/http_parser.h"
#include "node/routing/request_sink.h"

namespace quorate::node {

class HttpSession final : public Protocol, public RequestSink {
 public:
  HttpSession(Context& context, ClientConnection& client);

  // Protocol.
  void OnBytes(std::string_view bytes) override;
  void OnEnd() override;
  void Resume() override;
  size_t pending() const override {
    return pending_.size() +
           (stalled_.has_value() && !client_.closing() ? 1 : 0);
  }
  size_t partial_bytes() const override { return parser_.partial_bytes(); }
  bool stopped() const override {
    return (waiting_ && !client_.refuses_requests()) || has_parked();
  }
  bool awaits_answer() const override {
    return blocked() || (!pending_.empty() && !pending_.front().without_room);
  }
  void OnClosed() override;

  // RequestSink.
  void OnResult(uint64_t token, const kv::ResultView& result) override;
  void OnFailure(uint64_t token, const RequestFailure& failure) override;
  void OnUnblocked() override { client_.WantResume(); }
  bool RoomFor(uint64_t token, size_t bytes) override;
  bool RoomForNext(size_t bytes) override;

 private:
  enum class Route : uint8_t {
    kGet,
    kPut,
    kDelete,
    kPlainGet,
    kPlainSet,
    kOther,
  };
  enum class HandleResult : uint8_t { kDone, kBlocked };
  struct Pending {
    Route route = Route::kOther;
    std::string_view name;  // The route's name in metrics.
    std::string target;     // The target, for redirects.
    bool head = false;
    bool keep_alive = true;
    std::string_view connection;  // The header line of the reply, or "".
    bool ready = false;
    bool without_room = false;  // The result waits until RoomFor returns true.
    MonoTime begun;
    // Size of the reply while it waits behind another one.
    size_t held_bytes = 0;
    std::string reply;
  };
  // A reply without framing.
  struct Response {
    int status = 200;
    std::string_view content_type = "application/json";
    std::string headers;  // Complete lines.
    std::string_view body;
  };

  void Process();
  // True if the session accepts no further request now.
  bool Stopped();
  // Sends "100 Continue" if the client waits for it and every earlier request
  // has its reply.
  void SendContinueIfDue();
  HandleResult Handle(HttpRequest& request);
  // Answers a fixed route. False if the path is no fixed route.
  bool HandleFixed(const HttpRequest& request, const HttpTarget& target);
  HandleResult HandleKey(const HttpRequest& request, const HttpTarget& target);
  HandleResult HandlePlain(const HttpRequest& request, const HttpTarget& target,
                           bool set);
  // Reads the parameters of a write into `spec`. If it returns false, it has
  // sent an error.
  bool ReadWriteOptions(const HttpRequest& request, const HttpTarget& target,
                        kv::CommandSpec* spec);
  HandleResult Submit(Route route, std::string_view name,
                      const HttpRequest& request, const HttpTarget& target,
                      const kv::CommandSpec& spec);
  bool ServeStale(const kv::CommandSpec& spec, Pending& pending);

  void WriteResult(Pending& pending, const kv::ResultView& result);
  void WriteFailure(Pending& pending, const RequestFailure& failure);
  void WriteReady(Pending& pending, const HttpTarget& target);
  void Write(Pending& pending, const Response& response);
  void WriteError(Pending& pending, int status, std::string_view code,
                  std::string_view message, std::string_view more = "");
  // Begin adds a request without a reply. Error adds one and answers it.
  Pending& Begin(std::string_view name, const HttpRequest& request);
  void Error(const HttpRequest& request, std::string_view name, int status,
             std::string_view code, std::string_view message,
             std::string_view headers = "");
  void Finish(Pending& pending);
  Pending& PendingOf(uint64_t token);

  Context& context_;
  ClientConnection& client_;
  HttpParser parser_;
  std::deque<Pending> pending_;
  uint64_t front_token_ = 1;
  std::optional<HttpRequest> stalled_;
  bool processing_ = false;
  bool waiting_ = false;
  bool last_ = false;  // True after the last request of the connection.
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_HTTP_HTTP_SESSION_H_

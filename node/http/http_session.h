// node/http/http_session.h: one HTTP connection: raw values under /v1/kv/, health, metrics, and the plain /set and /get.
//
// A state machine over bytes, like RespSession. Any node answers: writes are passed on to the leader, reads use the local
// replica behind a read point. Routes and replies: docs/reference/http.md.
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
  HttpSession(Context& context, Client& client);

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
    std::string_view name;  // For metrics.
    std::string target;     // For redirects.
    bool head = false;
    bool keep_alive = true;
    std::string_view connection;  // The reply's header line, or nothing.
    bool ready = false;
    bool without_room = false;  // The result waits for RoomFor.
    MonoTime begun;
    size_t held_bytes = 0;  // Of the reply, while it stands behind another.
    std::string reply;
  };
  // What is answered.
  struct Response {
    int status = 200;
    std::string_view content_type = "application/json";
    std::string headers;  // Whole lines.
    std::string_view body;
  };

  void Process();
  // True if no further request may be taken now.
  bool Stopped();
  // The client waits for "100 Continue", and every earlier request has its reply.
  void SendContinueIfDue();
  HandleResult Handle(HttpRequest& request);
  // Takes up a route; false if there is none of that path.
  bool HandleFixed(const HttpRequest& request, const HttpTarget& target);
  HandleResult HandleKey(const HttpRequest& request, const HttpTarget& target);
  HandleResult HandlePlain(const HttpRequest& request, const HttpTarget& target,
                           bool set);
  // Reads the parameters of a write into `spec`; an error has been sent if false.
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
  // Answers the request at once.
  Pending& Begin(std::string_view name, const HttpRequest& request);
  void Error(const HttpRequest& request, std::string_view name, int status,
             std::string_view code, std::string_view message,
             std::string_view headers = "");
  void Finish(Pending& pending);
  Pending& PendingOf(uint64_t token);

  Context& context_;
  Client& client_;
  HttpParser parser_;
  std::deque<Pending> pending_;
  uint64_t front_token_ = 1;
  std::optional<HttpRequest> stalled_;
  bool closed_ = false;
  bool processing_ = false;
  bool waiting_ = false;
  bool last_ = false;  // The last request of the connection was taken.
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_HTTP_HTTP_SESSION_H_

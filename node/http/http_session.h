// node/http/http_session.h: one HTTP connection: raw values under /v1/kv/,
// scans, health, metrics, and the simple routes /set and /get.
//
// A state machine over bytes, like RespSession. Any node answers: writes are
// forwarded to the leader, reads use the local replica after a read point.
// Routes and replies: docs/reference/http.md.
#ifndef QUORATE_NODE_HTTP_HTTP_SESSION_H_
#define QUORATE_NODE_HTTP_HTTP_SESSION_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "env/pending.h"
#include "env/time.h"
#include "kv/command/command.h"
#include "kv/command/session_stamp.h"
#include "node/connections/clients.h"
#include "node/connections/context.h"
#include "node/http/http_conditions.h"
#include "node/http/http_headers.h"
#include "node/http/http_replies.h"
#include "node/http/ordered_scan.h"
#include "node/pages/metrics_page.h"
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
  RequestSink* sink() override { return this; }
  size_t pending() const override {
    return replies_.size() +
           (stalled_.has_value() && !client_.closing() ? 1 : 0);
  }
  size_t partial_bytes() const override { return parser_.partial_bytes(); }
  size_t input_bytes() const override;
  void DropInput() override;
  void Refuse(std::string_view why) override;
  bool stopped() const override {
    return (waiting_ && !client_.closing()) || has_parked();
  }
  bool awaits_answer() const override {
    return blocked() ||
           (replies_.awaits_answer() && !writes_metrics_first() &&
            !scan_waits_first() && !WaitsForRoom(replies_.front_token()));
  }
  void CheckInvariants() const override { CheckOrders(); }
  void OnClosed() override;

  // RequestSink.
  void OnResult(uint64_t token, const kv::ResultView& result) override;
  void OnFailure(uint64_t token, const RequestFailure& failure) override;
  void OnUnblocked() override { client_.WantResume(); }
  bool RoomFor(uint64_t token, size_t bytes) override;
  bool RoomForNext(size_t bytes) override {
    return replies_.RoomForNewest(bytes);
  }

 private:
  enum class HandleResult : uint8_t { kDone, kBlocked };
  // A scan whose page is not whole.
  struct RunningScan {
    OrderedScan scan;
    uint64_t token = 0;
    size_t held_bytes = 0;  // As counted by the client.
    // It waits for an answer; or else for the timer, or for the client or the
    // group to have room.
    bool asked = false;
    env::Pending again;
    bool pauses = false;
    // A group did not own the slot; the read is tried again until then. Max():
    // the last read was no such one.
    MonoTime deadline = MonoTime::Max();
  };

  void Process();
  // True if the session accepts no further request now.
  bool Stopped();
  // Sends "100 Continue" if the client waits for it and every earlier request
  // has its reply.
  void SendContinueIfDue();
  HandleResult Handle(HttpRequest& request);
  // Answers with a 503, and closes the connection behind it.
  void RefuseAndClose(HttpRequest request, std::string_view code,
                      std::string_view why);
  // Answers a fixed route. False if the path is no fixed route.
  bool HandleFixed(const HttpRequest& request, const HttpTarget& target);
  HandleResult HandleKey(const HttpRequest& request, const HttpTarget& target);
  void HandleScan(const HttpRequest& request, const HttpTarget& target);
  HandleResult HandlePlain(const HttpRequest& request, const HttpTarget& target,
                           bool set);
  // Answers with an error and returns true if the route does not take the
  // parameters, headers or body. `name` is the name of the route. Else sets
  // `*names`, unless it is null.
  bool RefuseUntaken(const HttpRequest& request, const HttpTarget& target,
                     std::string_view name, HttpNames* names = nullptr);
  // Submits a PUT or DELETE with its conditions, lifetime and session.
  HandleResult SubmitWrite(HttpRoute route, std::string_view name,
                           const HttpRequest& request, const HttpTarget& target,
                           kv::CommandSpec& spec);
  // The session of an Idempotency-Key.
  kv::SessionStamp SessionOf(std::string_view key) const;
  // `must_exist`: see HttpReplies::Pending.
  HandleResult Submit(HttpRoute route, std::string_view name,
                      const HttpRequest& request, const HttpTarget& target,
                      const kv::CommandSpec& spec, bool must_exist = false);

  // Adds a request and answers it with an error.
  void Error(const HttpRequest& request, std::string_view name, int status,
             std::string_view code, std::string_view message,
             std::string_view headers = "");
  // Sends the reply as soon as its turn comes, and closes the connection or
  // goes on.
  void Finish(HttpReplies::Pending& pending);
  // True if the page of metrics is the next reply. It waits for the turn only.
  bool writes_metrics_first() const {
    return metrics_.has_value() && replies_.front_token() == metrics_token_;
  }
  // True if the next reply is a page of a scan that waits for room.
  bool scan_waits_first() const {
    return scan_.has_value() && !scan_->asked && !scan_->pauses &&
           replies_.front_token() == scan_->token;
  }
  // Asks for the next part of the page, as long as answers come at once.
  void ContinueScan();
  void OnScanResult(const kv::ResultView& result);
  void EndScan();
  // Writes further parts of the page of metrics while the turn has time.
  void ContinueMetrics();
  void EndMetrics();

  Context& context_;
  ClientConnection& client_;
  HttpParser parser_;
  HttpReplies replies_;
  std::optional<HttpRequest> stalled_;
  // The page that is being written, and its request.
  std::optional<MetricsPage> metrics_;
  uint64_t metrics_token_ = 0;
  std::optional<RunningScan> scan_;
  bool scanning_ = false;  // ContinueScan is on the call stack.
  bool processing_ = false;
  bool waiting_ = false;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_HTTP_HTTP_SESSION_H_

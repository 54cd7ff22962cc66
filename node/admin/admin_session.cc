#include "node/admin/admin_session.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "node/base/text.h"
#include "node/http/http_headers.h"
#include "node/http/http_parameters.h"
#include "node/http/http_reply.h"
#include "node/http/web_page.h"

namespace quorate::node {
namespace {

constexpr HttpParser::Limits kLimits = {.header_bytes_max = 16 << 10,
                                        .body_bytes_max = 64 << 10};

AdminReply Error(int status, std::string_view code, std::string_view message) {
  return {.status = status, .body = HttpErrorBody(code, message, "")};
}

// Refuses all that the request asks for and that its route does not take.
std::optional<HttpRefusal> ReadUntaken(const HttpRequest& request,
                                       const HttpTarget& target,
                                       HttpNames* names) {
  const std::string_view route = request.method == "GET" ? "admin_read"
                                 : target.path.ends_with("/recover")
                                     ? "admin_recover"
                                     : "admin_change";
  std::string wrong = ParameterError(ParametersOf(route), target);
  if (!wrong.empty()) return HttpRefusal{"BAD_PARAMETER", std::move(wrong)};
  return ReadHeaders(route, request, names);
}

}  // namespace

AdminSession::AdminSession(AdminApi& api, MakePage debug,
                           ClientConnection& client, std::string address)
    : api_(api),
      debug_(std::move(debug)),
      client_(client),
      address_(std::move(address)),
      parser_(kLimits) {}

void AdminSession::OnBytes(std::string_view bytes) {
  parser_.Feed(bytes);
  Process();
  parser_.Detach();
}

void AdminSession::OnEnd() {
  parser_.End();
  Process();
  parser_.Detach();
}

void AdminSession::OnClosed() {
  last_ = true;
  if (!processing_) parser_.Drop();
}

void AdminSession::Refuse(std::string_view why) {
  if (last_ || waiting_) return;
  Reply(/*keep_alive=*/false, Error(503, "TOO_MUCH_INPUT", why));
}

void AdminSession::Process() {
  if (processing_) return;
  processing_ = true;
  while (!waiting_ && !last_ && !client_.closing() &&
         client_.RoomFor(0, /*in_front=*/true)) {
    const HttpParser::Result next = parser_.Next();
    if (next == HttpParser::Result::kNeedMore) {
      if (parser_.TakeExpectsContinue()) {
        client_.out().text() += "HTTP/1.1 100 Continue\r\n\r\n";
        client_.WantFlush();
      }
      break;
    }
    if (next == HttpParser::Result::kError) {
      Reply(/*keep_alive=*/false,
            Error(parser_.error_status(),
                  ParserErrorCode(parser_.error_status()), parser_.error()));
      break;
    }
    Handle(parser_.TakeRequest());
    client_.RequestHandled();
  }
  processing_ = false;
  if (waiting_ || last_) {
    client_.PauseReads();
  } else {
    client_.ResumeReads();
  }
}

void AdminSession::Handle(const HttpRequest& request) {
  client_.AddWork(TurnWork::kHttpRequest);
  if (client_.stops()) {
    return Reply(/*keep_alive=*/false,
                 Error(503, "STOPPED", ClientConnection::kStopsText));
  }
  // A page of another site must not change a cluster.
  if (IsFromWebPage(request) || !NamesThisNode(request, address_)) {
    return Reply(request.keep_alive,
                 Error(403, "FORBIDDEN", "this address is not for web pages"));
  }
  HttpTarget target;
  if (!ParseTarget(request.target, &target)) {
    return Reply(request.keep_alive,
                 Error(400, "BAD_REQUEST", "the target is malformed"));
  }
  HttpNames names;
  if (const auto refusal = ReadUntaken(request, target, &names)) {
    return Reply(request.keep_alive,
                 Error(400, refusal->code, refusal->message));
  }
  if (request.method == "GET" && target.path.starts_with("/debug")) {
    auto page = debug_(target.path);
    if (page.has_value()) {
      client_.AddWork(page->size() / TurnWork::kBytesPerUnit);
      return Reply(request.keep_alive, {.body = *std::move(page)});
    }
  }
  waiting_ = true;
  const bool keep_alive = request.keep_alive;
  api_.Handle({.method = request.method,
               .path = target.path,
               .body = request.body,
               .dry_run = target.Parameter("dry_run") != nullptr,
               .idempotency_key = names.idempotency_key,
               .proposed_key = names.operation,
               .waits = [this] { return !client_.closed(); }},
              [this, keep_alive](const AdminReply& reply) {
                waiting_ = false;
                Reply(keep_alive, reply);
                if (!processing_) client_.WantResume();
              });
}

void AdminSession::Reply(bool keep_alive, const AdminReply& reply) {
  if (client_.closed()) return;
  std::string& out = client_.out().text();
  Append(&out, "HTTP/1.1 ", reply.status, " ", HttpReason(reply.status),
         "\r\nContent-Type: application/json\r\nContent-Length: ",
         reply.body.size(), keep_alive ? "" : "\r\nConnection: close",
         "\r\n\r\n", reply.body);
  client_.WantFlush();
  if (keep_alive) return;
  last_ = true;
  client_.CloseAfterFlush();
}

}  // namespace quorate::node

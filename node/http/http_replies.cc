#include "node/http/http_replies.h"

#include <utility>

#include "env/check.h"
#include "kv/command/session_stamp.h"
#include "node/base/text.h"
#include "node/http/http_reply.h"

namespace quorate::node {
namespace {

// Most heads have fewer bytes beside the headers of their response.
constexpr size_t kHeadBytes = 200;

constexpr std::string_view kDuplicate = "X-Quorate-Duplicate: true\r\n";

// The entity tag of a value is its version (node/http/http_conditions.h).
// `tagged`: the version is of the value that the target names now.
std::string VersionHeaders(const kv::Version& version, bool tagged) {
  if (version.none()) return "";
  const std::string text = kv::FormatVersion(version);
  std::string headers;
  if (tagged) Append(&headers, "ETag: \"", text, "\"\r\n");
  Append(&headers, "X-Quorate-Version: ", text, "\r\n");
  return headers;
}

}  // namespace

HttpReplies::HttpReplies(Context& context, ClientConnection& client)
    : context_(context), client_(client) {}

HttpReplies::Pending& HttpReplies::Begin(std::string_view name,
                                         const HttpRequest& request) {
  Pending pending;
  pending.name = name;
  pending.head = request.method == "HEAD";
  pending.connection = !request.keep_alive ? "Connection: close\r\n"
                       : request.minor_version == 0
                           ? "Connection: keep-alive\r\n"
                           : "";
  pending.keep_alive = request.keep_alive;
  pending.begun = context_.MonoNow();
  pending_.push_back(std::move(pending));
  last_ = !request.keep_alive;
  return pending_.back();
}

void HttpReplies::KeepTarget(Pending& pending, std::string_view target) {
  pending.target = target;
  Hold(pending, target.size());
}

void HttpReplies::KeepConditions(Pending& pending,
                                 HttpReadConditions conditions) {
  Hold(pending, conditions.size_bytes());
  pending.conditions =
      std::make_unique<HttpReadConditions>(std::move(conditions));
}

void HttpReplies::Hold(Pending& pending, size_t bytes) {
  pending.held_bytes += bytes;
  client_.Hold(bytes);
}

void HttpReplies::DropNewest() {
  client_.Unhold(pending_.back().held_bytes);
  pending_.pop_back();
  last_ = false;
}

HttpReplies::Pending& HttpReplies::PendingOf(uint64_t token) {
  CHECK_GE(token, front_token_);
  CHECK_LT(token - front_token_, pending_.size());
  return pending_[token - front_token_];
}

void HttpReplies::Write(Pending& pending, const Response& response) {
  std::string& out = pending.reply.text();
  const bool shares = response.shared != nullptr &&
                      response.body.size() >= ReplyText::kSharedFromBytes;
  // RFC 9110 15.4.5: it has no body.
  const bool has_body = response.status != 304;
  const Now now = context_.env.loop.ReadClock();
  // Growth would copy a long body again, and leave spare room.
  out.reserve(kHeadBytes + response.headers.size() +
              (pending.head || shares ? 0 : response.body.size()));
  Append(&out, "HTTP/1.1 ", response.status, ' ', HttpReason(response.status),
         "\r\n", context_.http_date.LineAt(now.wall));
  if (has_body) {
    Append(&out, "Content-Type: ", response.content_type,
           "\r\nContent-Length: ", response.body.size(), "\r\n");
  }
  Append(&out, response.headers, pending.connection, "\r\n");
  if (shares && !pending.head) {
    pending.reply.Share(*response.shared);
  } else if (!pending.head) {
    out += response.body;
  }
  context_.metrics.OnHttp(pending.name, response.status,
                          now.mono - pending.begun);
}

void HttpReplies::WriteError(Pending& pending, int status,
                             std::string_view code, std::string_view message,
                             std::string_view more) {
  const std::string body = HttpErrorBody(code, message, more);
  Write(pending, {.status = status,
                  .headers = status == 503 ? "Retry-After: 1\r\n" : "",
                  .body = body});
}

void HttpReplies::WriteResult(Pending& pending, const kv::ResultView& result) {
  if (const HttpStatusError* error = HttpErrorOf(result.status)) {
    return WriteError(pending, error->status, error->code, error->message);
  }
  if (result.status == kv::ResultStatus::kConditionFailed) {
    return WriteConditionFailed(pending, result);
  }
  Response response;
  std::string body;
  switch (pending.route) {
    case HttpRoute::kGet:
    case HttpRoute::kPlainGet:
      if (result.kind != kv::PayloadKind::kBytes) {
        return WriteError(pending, 404, "NOT_FOUND", "there is no such key");
      }
      if (const HttpReadConditions* conditions = pending.conditions.get()) {
        // RFC 9110 13.2.2: If-Match comes first.
        if (!conditions->MatchHolds(result.version)) {
          return WriteConditionFailed(pending, result);
        }
        if (!conditions->NoneMatchHolds(result.version)) {
          response.status = 304;
          break;
        }
      }
      response.content_type = pending.route == HttpRoute::kGet
                                  ? "application/octet-stream"
                                  : "text/plain";
      response.body = result.bytes;
      response.shared = result.shared;
      break;
    case HttpRoute::kPlainSet:
      response.content_type = "text/plain";
      response.body = "OK\n";
      break;
    case HttpRoute::kPut:
      body =
          Concat("{\"version\":\"", kv::FormatVersion(result.version), "\"}\n");
      response.body = body;
      break;
    case HttpRoute::kDelete:
      if (pending.must_exist && result.integer == 0) {
        kv::ResultView absent = result;
        absent.version = kv::Version{};
        return WriteConditionFailed(pending, absent);
      }
      body =
          Concat("{\"deleted\":", result.integer > 0 ? "true" : "false", "}\n");
      response.body = body;
      break;
    case HttpRoute::kOther:
      CHECK(false) << "no result is due";
  }
  // A removed key has no value, and the reply to GET /set is not the value.
  const bool tagged = pending.route != HttpRoute::kDelete &&
                      pending.route != HttpRoute::kPlainSet;
  response.headers = VersionHeaders(result.version, tagged);
  if (result.duplicate) response.headers += kDuplicate;
  Write(pending, response);
}

void HttpReplies::WriteConditionFailed(Pending& pending,
                                       const kv::ResultView& result) {
  const std::string body = HttpErrorBody(
      "CONDITION_FAILED", "the condition does not hold; the key is unchanged",
      Concat(",\"version\":\"", kv::FormatVersion(result.version), "\""));
  std::string headers = VersionHeaders(result.version, /*tagged=*/true);
  if (result.duplicate) headers += kDuplicate;
  Write(pending, {.status = 412, .headers = std::move(headers), .body = body});
}

void HttpReplies::WriteFailure(Pending& pending,
                               const RequestFailure& failure) {
  const std::string more = Concat(",\"slot\":", failure.slot);
  switch (failure.kind) {
    case RequestFailure::Kind::kMoved: {
      ++context_.metrics.redirects_moved;
      const NodeConfig* leader = context_.cluster.FindListed(failure.leader);
      if (leader == nullptr) break;
      // The nodes of a cluster are configured alike.
      const std::string_view scheme =
          context_.config.tls.http == env::TlsMode::kRequired ? "https://"
                                                              : "http://";
      const std::string body =
          HttpErrorBody("MOVED", "another node leads the key's group",
                        Concat(more, ",\"leader\":\"", leader->http, "\""));
      return Write(pending,
                   {.status = 307,
                    .headers = Concat("Location: ", scheme, leader->http,
                                      pending.target, "\r\n"),
                    .body = body});
    }
    case RequestFailure::Kind::kNoLeader:
      break;
    case RequestFailure::Kind::kOverloaded:
      return WriteError(pending, 503, "OVERLOADED",
                        "too many requests wait for the key's group; this one "
                        "was not executed",
                        more);
    case RequestFailure::Kind::kUnknown:
      return WriteError(pending, 504, "OUTCOME_UNKNOWN",
                        Concat("the write may or may not have taken effect: ",
                               Message(failure.why)),
                        more);
    case RequestFailure::Kind::kRefused:
      if (context_.cluster.removed()) {
        pending.connection = "Connection: close\r\n";
        pending.keep_alive = false;
      }
      return WriteError(pending, 503, "STOPPED",
                        Concat("this node does not serve the key's "
                               "group; the request was not executed: ",
                               Message(failure.why)),
                        more);
  }
  WriteError(pending, 503, "NO_LEADER",
             "the key's group has no leader; the request was not executed",
             more);
}

bool HttpReplies::RoomFor(uint64_t token, size_t bytes) {
  const bool room = client_.RoomFor(bytes, token == front_token_);
  // A later reply also waits for those in front of it.
  if (token == front_token_) PendingOf(token).without_room = !room;
  return room;
}

bool HttpReplies::RoomForNewest(size_t bytes) {
  return client_.RoomFor(bytes, pending_.size() == 1);
}

void HttpReplies::ForgetLackOfRoom() {
  if (!pending_.empty()) pending_.front().without_room = false;
}

bool HttpReplies::Finish(Pending& pending) {
  pending.ready = true;
  client_.AddWork(pending.reply.size() / TurnWork::kBytesPerUnit / 4);
  client_.Unhold(std::exchange(pending.held_bytes, 0));
  std::string().swap(pending.target);
  if (&pending != &pending_.front()) {
    pending.held_bytes = pending.reply.size();
    client_.Hold(pending.held_bytes);
  }
  bool close = false;
  while (!pending_.empty() && pending_.front().ready) {
    client_.out().Append(std::move(pending_.front().reply));
    client_.Unhold(pending_.front().held_bytes);
    close = close || !pending_.front().keep_alive;
    pending_.pop_front();
    ++front_token_;
  }
  client_.WantFlush();
  return close;
}

}  // namespace quorate::node

#include "node/http/http_session.h"

#include <algorithm>
#include <utility>

#include "env/parse_duration.h"
#include "env/parse_integer.h"
#include "env/siphash.h"
#include "kv/command/session_stamp.h"
#include "node/base/text.h"
#include "node/http/http_parameters.h"
#include "node/http/http_reply.h"
#include "node/http/ready_page.h"
#include "node/http/web_page.h"
#include "node/pages/metrics_page.h"

namespace quorate::node {
namespace {

constexpr std::string_view kKeyPrefix = "/v1/kv/";
// After this time a scan asks again for a slot that its group does not own.
constexpr Duration kScanAgainAfter = Milliseconds(10);
// The second part of the key with which Idempotency-Keys are hashed. All nodes
// must agree on both.
constexpr uint64_t kIdempotencyKeys = 0x6b65797369646d70;

// The bound of request line and headers together: a key of the largest size
// fits beside the headers, each byte as %XX.
size_t HttpHeadBytesMax(const BoundsConfig& bounds) {
  return bounds.http_header_bytes + 3 * bounds.key_bytes;
}

// Reads `ttl` into `spec`.
std::optional<HttpRefusal> ReadLifetime(const HttpTarget& target,
                                        kv::CommandSpec* spec) {
  const std::string* const ttl = target.Parameter("ttl");
  if (ttl == nullptr) return std::nullopt;
  const auto ms = ParseDurationMs(*ttl);
  if (!ms.has_value()) {
    return HttpRefusal{"BAD_TTL",
                       "ttl must be a positive number of seconds, or have a "
                       "unit: ms, s, m, h"};
  }
  spec->expire_at_ms = *ms;
  spec->flags |= kv::kRelativeExpiry;
  return std::nullopt;
}

constexpr std::string_view kConsistencyLevels =
    "consistency must be linearizable, eventual, or bounded with a staleness "
    "of up to 24h, for example consistency=bounded&staleness=500ms";

// How stale the answer to a read may be; nullopt: the parameters are wrong.
std::optional<Duration> StalenessMaxOf(const HttpTarget& target) {
  const std::string* const level = target.Parameter("consistency");
  const std::string* const bound = target.Parameter("staleness");
  if ((level != nullptr && *level == "bounded") != (bound != nullptr)) {
    return std::nullopt;
  }
  if (bound != nullptr) {
    const auto ms = ParseDurationMs(*bound);
    if (!ms.has_value() || *ms > kStalenessMaxMs) return std::nullopt;
    return Milliseconds(*ms);
  }
  if (level == nullptr || *level == "linearizable") return Duration();
  if (*level == "eventual") return kAnyStaleness;
  return std::nullopt;
}

}  // namespace

HttpSession::HttpSession(Context& context, ClientConnection& client)
    : context_(context),
      client_(client),
      parser_({.header_bytes_max = HttpHeadBytesMax(context.config.bounds),
               .body_bytes_max = context.config.bounds.value_bytes}),
      replies_(context, client) {}

void HttpSession::OnBytes(std::string_view bytes) {
  parser_.Feed(bytes);
  Process();
  parser_.Detach();
}

void HttpSession::OnEnd() {
  parser_.End();
  Process();
  parser_.Detach();
}

void HttpSession::Resume() {
  replies_.ForgetLackOfRoom();
  if (replies_.empty()) routing().ForgetIdle();
  if (has_parked()) context_.router.ServeParked(this);
  ContinueMetrics();
  ContinueScan();
  Process();
  parser_.Detach();
}

size_t HttpSession::input_bytes() const {
  size_t bytes = parser_.partial_bytes();
  if (!stalled_.has_value()) return bytes;
  bytes += stalled_->target.size() + stalled_->body.size();
  for (const auto& [name, value] : stalled_->headers) {
    bytes += name.size() + value.size();
  }
  return bytes;
}

void HttpSession::DropInput() {
  parser_.Drop();
  stalled_.reset();
  context_.router.ForgetBlocked(this);
  if (scan_.has_value()) client_.WantResume();
}

void HttpSession::Refuse(std::string_view why) {
  // Behind the last reply the connection is closed in any case.
  if (replies_.last()) return;
  RefuseAndClose(HttpRequest(), "TOO_MUCH_INPUT", why);
}

void HttpSession::RefuseAndClose(HttpRequest request, std::string_view code,
                                 std::string_view why) {
  request.keep_alive = false;
  Error(request, "bad", 503, code, why, "Retry-After: 1\r\n");
}

void HttpSession::OnClosed() {
  if (!processing_) parser_.Drop();
  stalled_.reset();
  if (metrics_.has_value()) EndMetrics();
  context_.router.ForgetBlocked(this);
  context_.router.DropReads(this);
  if (scan_.has_value() && !scan_->asked) EndScan();
}

bool HttpSession::Stopped() {
  return replies_.last() || client_.closing() || has_parked() ||
         metrics_.has_value() || scan_.has_value() ||
         replies_.size() >= context_.config.bounds.pipeline ||
         !client_.RoomFor(0, replies_.empty());
}

bool HttpSession::RoomFor(uint64_t token, size_t bytes) {
  return client_.closed() || replies_.RoomFor(token, bytes);
}

void HttpSession::Process() {
  if (processing_) return;
  processing_ = true;
  if (stalled_.has_value() && !Stopped()) {
    HttpRequest request = *std::move(stalled_);
    stalled_.reset();
    if (Handle(request) == HandleResult::kBlocked) {
      stalled_ = std::move(request);
    } else {
      client_.RequestHandled();
    }
  }
  bool needs_more = false;
  while (!stalled_.has_value() && !Stopped()) {
    const HttpParser::Result next = parser_.Next();
    needs_more = next == HttpParser::Result::kNeedMore;
    if (needs_more) {
      SendContinueIfDue();
      break;
    }
    if (next == HttpParser::Result::kError) {
      ++context_.metrics.connections.protocol_errors;
      HttpRequest broken;
      broken.keep_alive = false;
      Error(broken, "bad", parser_.error_status(),
            ParserErrorCode(parser_.error_status()), parser_.error());
      break;
    }
    HttpRequest request = parser_.TakeRequest();
    if (Handle(request) == HandleResult::kBlocked) {
      stalled_ = std::move(request);
    } else {
      client_.RequestHandled();
    }
  }
  processing_ = false;
  waiting_ = !needs_more;
  if (waiting_) {
    client_.PauseReads();
  } else {
    client_.ResumeReads();
  }
}

// Replies to earlier requests are sent first (RFC 9110 10.1.1).
void HttpSession::SendContinueIfDue() {
  if (!replies_.empty() || !parser_.TakeExpectsContinue()) return;
  client_.out().text() += "HTTP/1.1 100 Continue\r\n\r\n";
  client_.WantFlush();
}

HttpSession::HandleResult HttpSession::Handle(HttpRequest& request) {
  client_.AddWork(TurnWork::kHttpRequest);
  if (client_.stops()) {
    RefuseAndClose(std::move(request), "STOPPED", ClientConnection::kStopsText);
    return HandleResult::kDone;
  }
  HttpTarget target;
  if (!ParseTarget(request.target, &target)) {
    Error(request, "bad", 400, "BAD_REQUEST",
          "the target has a malformed %XX, or a # that is not written as %23");
    return HandleResult::kDone;
  }
  if (target.path.starts_with(kKeyPrefix)) return HandleKey(request, target);
  if (target.path == "/v1/scan") {
    HandleScan(request, target);
    return HandleResult::kDone;
  }
  if (target.path == "/set") return HandlePlain(request, target, true);
  if (target.path == "/get") return HandlePlain(request, target, false);
  if (HandleFixed(request, target)) return HandleResult::kDone;
  Error(
      request, "unknown", 404, "NO_SUCH_ROUTE",
      "no such route; use /v1/kv/KEY, /v1/scan, /get, /set, /livez, /readyz or "
      "/metrics");
  return HandleResult::kDone;
}

bool HttpSession::HandleFixed(const HttpRequest& request,
                              const HttpTarget& target) {
  const bool index = target.path == "/";
  const bool live = target.path == "/livez";
  const bool ready = target.path == "/readyz";
  const bool metrics = target.path == "/metrics";
  if (!index && !live && !ready && !metrics) return false;
  const std::string_view name = index   ? "index"
                                : live  ? "livez"
                                : ready ? "readyz"
                                        : "metrics";
  if (request.method != "GET" && request.method != "HEAD") {
    Error(request, name, 405, "METHOD_NOT_ALLOWED", "only GET and HEAD",
          "Allow: GET, HEAD\r\n");
    return true;
  }
  if (RefuseUntaken(request, target, name)) return true;
  HttpReplies::Pending& pending = replies_.Begin(name, request);
  if (ready) {
    client_.AddWork(context_.router.queues().size());
    const ReadyPage page =
        MakeReadyPage(context_, target.Parameter("verbose") != nullptr);
    replies_.Write(pending, {.status = page.ready ? 200 : 503,
                             .content_type = "text/plain",
                             .headers = "",
                             .body = page.text});
  } else if (metrics) {
    client_.AddWork(
        (context_.resp_clients.count() + context_.http_clients.count()) /
        TurnWork::kConnectionsPerUnit);
    metrics_.emplace(context_);
    metrics_token_ = replies_.newest_token();
    ContinueMetrics();
    return true;
  } else if (live) {
    replies_.Write(
        pending, {.content_type = "text/plain", .headers = "", .body = "ok\n"});
  } else {
    replies_.Write(pending, {.content_type = "text/plain",
                             .headers = "",
                             .body = "Quorate. PUT, GET and DELETE /v1/kv/KEY; "
                                     "/livez, /readyz?verbose, /metrics\n"});
  }
  Finish(pending);
  return true;
}

// A part may begin in each turn that has room for it.
void HttpSession::ContinueMetrics() {
  while (metrics_.has_value() && client_.RoomFor(0, /*in_front=*/true)) {
    const size_t before = metrics_->text().size();
    const bool more = metrics_->WriteNext();
    client_.AddWork((metrics_->text().size() - before) /
                    TurnWork::kBytesPerUnit);
    if (!more) EndMetrics();
  }
}

void HttpSession::EndMetrics() {
  HttpReplies::Pending& pending = replies_.PendingOf(metrics_token_);
  replies_.Write(pending, {.content_type = "text/plain; version=0.0.4",
                           .headers = "",
                           .body = metrics_->text()});
  metrics_.reset();
  Finish(pending);
}

HttpSession::HandleResult HttpSession::HandleKey(const HttpRequest& request,
                                                 const HttpTarget& target) {
  const std::string_view key =
      std::string_view(target.path).substr(kKeyPrefix.size());
  if (key.empty() || key.size() > context_.config.bounds.key_bytes) {
    Error(request, "kv", 400, "BAD_KEY",
          Concat("a key must have from 1 to ", context_.config.bounds.key_bytes,
                 " bytes"));
    return HandleResult::kDone;
  }
  kv::CommandSpec spec;
  spec.slot = context_.slots().SlotOf(key);
  const std::string_view arguments[] = {key, request.body};
  if (request.method == "GET" || request.method == "HEAD") {
    if (RefuseUntaken(request, target, "kv_get")) return HandleResult::kDone;
    spec.op = kv::Op::kGet;
    spec.arguments = absl::MakeSpan(arguments, 1);
    return Submit(HttpRoute::kGet, "kv_get", request, target, spec);
  }
  if (request.method == "PUT") {
    // Without either header the message has no body, which is probably a
    // mistake. An empty value is written with "Content-Length: 0".
    if (request.Header("content-length") == nullptr &&
        request.Header("transfer-encoding") == nullptr) {
      Error(request, "kv_put", 411, "LENGTH_REQUIRED",
            "a value needs Content-Length or chunked encoding");
      return HandleResult::kDone;
    }
    spec.op = kv::Op::kSet;
    spec.arguments = arguments;
    return SubmitWrite(HttpRoute::kPut, "kv_put", request, target, spec);
  }
  if (request.method == "DELETE") {
    spec.op = kv::Op::kDel;
    spec.arguments = absl::MakeSpan(arguments, 1);
    return SubmitWrite(HttpRoute::kDelete, "kv_delete", request, target, spec);
  }
  Error(request, "kv", 405, "METHOD_NOT_ALLOWED",
        "only GET, HEAD, PUT and DELETE", "Allow: GET, HEAD, PUT, DELETE\r\n");
  return HandleResult::kDone;
}

void HttpSession::HandleScan(const HttpRequest& request,
                             const HttpTarget& target) {
  constexpr std::string_view kName = "scan";
  if (request.method != "GET") {
    return Error(request, kName, 405, "METHOD_NOT_ALLOWED", "only GET",
                 "Allow: GET\r\n");
  }
  if (RefuseUntaken(request, target, kName)) return;
  if (!context_.slots().ordered()) {
    const Partitioner partitioner = context_.cluster.shards().partitioner();
    return Error(request, kName, 400, "NOT_SUPPORTED",
                 Concat("this cluster divides its keys by ",
                        PartitionerName(partitioner),
                        ", and only one that was founded with key_ranges has "
                        "ordered scans"));
  }
  OrderedScan::Range range;
  if (const std::string* from = target.Parameter("from")) range.from = *from;
  if (const std::string* to = target.Parameter("to")) range.to = *to;
  range.values = target.Parameter("values") != nullptr;
  const std::string* const limit = target.Parameter("limit");
  if (limit != nullptr &&
      (!ParseInteger(*limit, &range.limit) || range.limit == 0 ||
       range.limit > OrderedScan::kLimitMax)) {
    return Error(request, kName, 400, "BAD_REQUEST",
                 Concat("limit must be from 1 to ", OrderedScan::kLimitMax));
  }
  if (!client_.HoldIfFits(OrderedScan::kKeptBytesMax)) {
    return Error(request, kName, 503, "OVERLOADED",
                 "the replies of this node reach limits.output_total_bytes",
                 "Retry-After: 1\r\n");
  }
  replies_.Begin(kName, request).route = HttpRoute::kGet;
  scan_.emplace(
      RunningScan{.scan = OrderedScan(std::move(range), context_.slots()),
                  .token = replies_.newest_token(),
                  .held_bytes = OrderedScan::kKeptBytesMax});
  ContinueScan();
}

// Answers may come within Add. The loop takes them: thousands inside each other
// would exhaust the stack.
void HttpSession::ContinueScan() {
  if (scanning_) return;
  scanning_ = true;
  while (scan_.has_value() && !scan_->asked && !scan_->pauses) {
    if (scan_->scan.done() || client_.closed()) {
      EndScan();
      break;
    }
    if (!client_.RoomFor(0, replies_.front_token() == scan_->token)) break;
    const uint64_t keys =
        std::min<uint64_t>(context_.config.bounds.scan_keys,
                           context_.config.bounds.scan_step_keys);
    scan_->asked = true;
    client_.AddWork(TurnWork::kRequest);
    if (context_.router.Add({this, scan_->token},
                            scan_->scan.Question(static_cast<uint32_t>(
                                keys))) == Admission::kBlocked) {
      scan_->asked = false;
      break;
    }
  }
  scanning_ = false;
}

void HttpSession::OnScanResult(const kv::ResultView& result) {
  RunningScan& running = *scan_;
  running.asked = false;
  const MonoTime now = context_.MonoNow();
  if (result.status == kv::ResultStatus::kNotOwner && !client_.closed()) {
    if (running.deadline == MonoTime::Max()) {
      running.deadline = now + context_.config.timeouts.leader_wait;
    }
    // The slot moves, or the map of this node is old.
    if (now < running.deadline) {
      running.pauses = true;
      running.again = context_.env.loop.At(now + kScanAgainAfter, [this] {
        scan_->pauses = false;
        ContinueScan();
      });
      return;
    }
  }
  running.deadline = MonoTime::Max();
  if (client_.closed()) return EndScan();
  if (HttpErrorOf(result.status) != nullptr) {
    replies_.WriteResult(replies_.PendingOf(running.token), result);
    return EndScan();
  }
  const std::optional<size_t> visited = running.scan.Take(result);
  if (!visited.has_value()) {
    replies_.WriteError(replies_.PendingOf(running.token), 500, "NO_RESULT",
                        "the store returned no keys");
    return EndScan();
  }
  client_.AddWork(TurnWork::kScannedKey * *visited);
  ContinueScan();
}

// Writes the page, unless an error was written.
void HttpSession::EndScan() {
  RunningScan running = std::move(*scan_);
  scan_.reset();
  client_.Unhold(running.held_bytes);
  HttpReplies::Pending& pending = replies_.PendingOf(running.token);
  if (running.scan.done() && !client_.closed()) {
    const std::string page = running.scan.TakePage();
    client_.AddWork(page.size() / TurnWork::kBytesPerUnit);
    replies_.Write(pending, {.headers = "", .body = page});
  }
  Finish(pending);
}

HttpSession::HandleResult HttpSession::HandlePlain(const HttpRequest& request,
                                                   const HttpTarget& target,
                                                   bool set) {
  const std::string_view name = set ? "set" : "get";
  const std::string* key = target.Parameter("key");
  const std::string* value = target.Parameter("value");
  const BoundsConfig& bounds = context_.config.bounds;
  if (set && !context_.config.http_get_writes) {
    Error(
        request, name, 403, "GET_WRITES_OFF",
        "writes by GET are disabled; set clients.http_get_writes = true or use "
        "PUT /v1/kv/KEY");
    return HandleResult::kDone;
  }
  if (set && IsFromWebPage(request)) {
    Error(request, name, 403, "FROM_A_WEB_PAGE",
          "a web page may not write by GET; use PUT /v1/kv/KEY");
    return HandleResult::kDone;
  }
  const std::string& own = context_.cluster.self().http;
  if (set && !NamesThisNode(request, own)) {
    Error(request, name, 403, "FROM_A_WEB_PAGE",
          Concat("to write by GET, name this node by its address, as "
                 "localhost or as ",
                 own, "; or use PUT /v1/kv/KEY"));
    return HandleResult::kDone;
  }
  if (request.method != "GET") {
    Error(request, name, 405, "METHOD_NOT_ALLOWED", "only GET",
          "Allow: GET\r\n");
    return HandleResult::kDone;
  }
  if (RefuseUntaken(request, target, name)) return HandleResult::kDone;
  if (key == nullptr || key->empty() || key->size() > bounds.key_bytes ||
      (set && value == nullptr)) {
    Error(request, name, 400, "BAD_REQUEST",
          set ? "expected /set?key=K&value=V" : "expected /get?key=K");
    return HandleResult::kDone;
  }
  if (set && value->size() > bounds.value_bytes) {
    Error(request, name, 413, "TOO_LARGE",
          Concat("the value has ", value->size(), " bytes, at most ",
                 bounds.value_bytes, " are allowed"));
    return HandleResult::kDone;
  }
  kv::CommandSpec spec;
  spec.slot = context_.slots().SlotOf(*key);
  const std::string_view arguments[] = {
      *key, set ? std::string_view(*value) : std::string_view()};
  spec.op = set ? kv::Op::kSet : kv::Op::kGet;
  spec.arguments = absl::MakeSpan(arguments, set ? 2 : 1);
  return Submit(set ? HttpRoute::kPlainSet : HttpRoute::kPlainGet, name,
                request, target, spec);
}

bool HttpSession::RefuseUntaken(const HttpRequest& request,
                                const HttpTarget& target, std::string_view name,
                                HttpNames* names) {
  const std::string error = ParameterError(ParametersOf(name), target);
  if (!error.empty()) {
    Error(request, name, 400, "BAD_PARAMETER", error);
    return true;
  }
  HttpNames unused;
  const auto refusal =
      ReadHeaders(name, request, names == nullptr ? &unused : names);
  if (!refusal.has_value()) return false;
  Error(request, name, 400, refusal->code, refusal->message);
  return true;
}

HttpSession::HandleResult HttpSession::SubmitWrite(HttpRoute route,
                                                   std::string_view name,
                                                   const HttpRequest& request,
                                                   const HttpTarget& target,
                                                   kv::CommandSpec& spec) {
  HttpNames names;
  if (RefuseUntaken(request, target, name, &names)) return HandleResult::kDone;
  HttpWriteCondition condition;
  std::optional<HttpRefusal> refusal =
      WriteCondition(request, target, &condition);
  if (!refusal.has_value()) refusal = ReadLifetime(target, &spec);
  if (refusal.has_value()) {
    Error(request, name, 400, refusal->code, refusal->message);
    return HandleResult::kDone;
  }
  if (!names.idempotency_key.empty()) {
    spec.session = SessionOf(names.idempotency_key);
  }
  bool must_exist = false;
  switch (condition.kind) {
    case HttpWriteCondition::Kind::kNone:
      break;
    case HttpWriteCondition::Kind::kAbsent:
      // A session tells the two forms apart, and programs of other versions
      // write `nx` like this.
      if (condition.source == "nx") {
        spec.flags |= kv::kIfAbsent;
      } else {
        spec.expected = kv::Version{};
      }
      break;
    case HttpWriteCondition::Kind::kPresent:
      must_exist = spec.op == kv::Op::kDel;
      if (!must_exist) spec.flags |= kv::kIfPresent;
      break;
    case HttpWriteCondition::Kind::kVersion:
      spec.expected = condition.version;
      break;
  }
  return Submit(route, name, request, target, spec, must_exist);
}

// The session is derived from the key, so a repeated request receives the first
// answer.
kv::SessionStamp HttpSession::SessionOf(std::string_view key) const {
  const uint64_t hash =
      SipHash({context_.host.hash_key(), kIdempotencyKeys}, key);
  kv::SessionStamp stamp;
  stamp.token = kv::MakeKeySessionToken(hash, context_.SessionTime(),
                                        context_.rules.sessions.open_window);
  stamp.sequence = kv::Sequence(1);
  stamp.floor = kv::Sequence(1);
  return stamp;
}

HttpSession::HandleResult HttpSession::Submit(
    HttpRoute route, std::string_view name, const HttpRequest& request,
    const HttpTarget& target, const kv::CommandSpec& spec, bool must_exist) {
  const bool write = !kv::IsRead(spec.op);
  if (write && context_.cluster.self().read_only) {
    Error(request, name, 403, "READ_ONLY_NODE",
          "this node holds non-voting replicas only and serves reads; write "
          "to another node");
    return HandleResult::kDone;
  }
  const std::optional<Duration> staleness_max = StalenessMaxOf(target);
  if (!staleness_max.has_value()) {
    Error(request, name, 400, "BAD_CONSISTENCY", kConsistencyLevels);
    return HandleResult::kDone;
  }
  HttpReadConditions conditions;
  if (!write) {
    if (const auto refusal = ReadConditions(request, &conditions)) {
      Error(request, name, 400, refusal->code, refusal->message);
      return HandleResult::kDone;
    }
  }
  HttpReplies::Pending& pending = replies_.Begin(name, request);
  pending.route = route;
  pending.must_exist = must_exist;
  if (!conditions.empty()) {
    replies_.KeepConditions(pending, std::move(conditions));
  }
  const bool redirect = target.Parameter("redirect") != nullptr;
  if (redirect) replies_.KeepTarget(pending, request.target);
  const RoutedRequest routed = {this, replies_.newest_token(), redirect,
                                /*further=*/false, *staleness_max};
  if (context_.router.Add(routed, spec) == Admission::kBlocked) {
    replies_.DropNewest();
    return HandleResult::kBlocked;
  }
  return HandleResult::kDone;
}

// ---- Answers.

void HttpSession::Error(const HttpRequest& request, std::string_view name,
                        int status, std::string_view code,
                        std::string_view message, std::string_view headers) {
  HttpReplies::Pending& pending = replies_.Begin(name, request);
  const std::string body = HttpErrorBody(code, message, "");
  replies_.Write(
      pending,
      {.status = status, .headers = std::string(headers), .body = body});
  Finish(pending);
}

void HttpSession::OnResult(uint64_t token, const kv::ResultView& result) {
  if (scan_.has_value() && scan_->token == token) return OnScanResult(result);
  HttpReplies::Pending& pending = replies_.PendingOf(token);
  if (!client_.closed()) replies_.WriteResult(pending, result);
  Finish(pending);
}

void HttpSession::OnFailure(uint64_t token, const RequestFailure& failure) {
  HttpReplies::Pending& pending = replies_.PendingOf(token);
  replies_.WriteFailure(pending, failure);
  if (scan_.has_value() && scan_->token == token) return EndScan();
  Finish(pending);
}

void HttpSession::Finish(HttpReplies::Pending& pending) {
  const bool close = replies_.Finish(pending);
  if (!close) SendContinueIfDue();
  if (client_.closed()) return;
  if (close) {
    client_.CloseAfterFlush();
  } else if (waiting_ || has_parked() ||
             (replies_.empty() && routing().further_orders() > 0)) {
    client_.WantResume();
  }
}

}  // namespace quorate::node

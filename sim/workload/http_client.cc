#include "sim/workload/http_client.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "env/check.h"

namespace quorate::sim {
namespace {

using lincheck::Kv;
using Refusal = AvailabilityChecker::Refusal;
using Type = ClientReply::Type;

constexpr Duration kAttemptTimeout = Seconds(5);
// A request that must not be repeated is given up after this time.
constexpr Duration kGiveUpAfter = Seconds(5);
constexpr int64_t kBackoffMaxMs = 500;

}  // namespace

HttpClient::HttpClient(env::Env& env, const SimpleClientOptions& options,
                       Choices* choices, Recorder* recorder)
    : SimpleClient(env, options, choices, recorder),
      Dialogue(env),
      node_(options.id % options.servers.size()) {
  CHECK_EQ(options.open_max, 1u);
}

// Of the calls of RESP clients, HTTP has four: GET, PUT, PUT with nx, DELETE.
void HttpClient::Adapt(ClientOperation* operation) const {
  operation->form = ClientOperation::SwapForm::kSetGet;
  uint8_t& function = operation->call.function;
  switch (function) {
    case Kv::kGet:
    case Kv::kPut:
    case Kv::kCas:
    case Kv::kDelete:
      return;
    case Kv::kSwap:
    case Kv::kPutIfExists:
      function = Kv::kPut;
      return;
    case Kv::kTake:
      function = Kv::kDelete;
      return;
    default:
      // Appends and increments.
      function = Kv::kGet;
      operation->call.text.clear();
      operation->call.number = 0;
  }
}

HttpCall HttpClient::CallOf(const Operation& operation) const {
  HttpCall call{.method = "GET", .key = operation.call.key};
  if (operation.stale) {
    call.parameters =
        operation.bound_ms == 0
            ? "?consistency=eventual"
            : absl::StrCat(
                  "?consistency=bounded&staleness=", operation.bound_ms, "ms");
  }
  if (operation.is_read()) return call;
  call.method = operation.call.function == Kv::kDelete ? "DELETE" : "PUT";
  if (operation.call.function == Kv::kCas) call.parameters = "?nx";
  call.body = operation.call.text;
  if (options().retries_writes) {
    call.idempotency_key = absl::StrCat("c", options().id, "-", current_);
  }
  return call;
}

bool HttpClient::MayRepeat() const {
  return operation(current_).is_read() || options().retries_writes;
}

void HttpClient::Begin(OperationId id) {
  current_ = id;
  attempts_ = 0;
  maybe_done_ = false;
  const bool patient = !operation(id).is_read() && options().retries_writes;
  deadline_ =
      patient ? MonoTime::Max() : env().loop.ReadClock().mono + kGiveUpAfter;
  Try();
}

void HttpClient::Try() {
  ++attempts_;
  attempt_ = Attempt::kConnecting;
  SetTimeout(options().reply_timeout.value_or(kAttemptTimeout));
  if (connection() != nullptr) return Write();
  ++connections_;
  Open(options().servers[node_], Protocol::kHttp);
}

void HttpClient::Write() {
  attempt_ = Attempt::kWritten;
  const Operation& operation = this->operation(current_);
  Send(EncodeHttp(CallOf(operation)));
  if (operation.stale) return;
  recorder().OnSent(operation.ticket, connection_number(), NodeId(node_ + 1));
}

void HttpClient::Break() {
  Close();
  node_ = (node_ + 1) % options().servers.size();
  const Attempt attempt = std::exchange(attempt_, Attempt::kNone);
  if (attempt == Attempt::kNone) return;
  if (attempt == Attempt::kConnecting) return Refused(Refusal::kElsewhere);
  if (!operation(current_).is_read()) maybe_done_ = true;
  if (!MayRepeat()) {
    LeaveUnknown(std::exchange(current_, 0));
    return;
  }
  TryLater();
}

void HttpClient::Refused(Refusal refusal) {
  if (!operation(current_).stale) {
    recorder().OnRefused(operation(current_).ticket, connection_number(),
                         refusal);
  }
  TryLater();
}

void HttpClient::TryLater() {
  const Operation& operation = this->operation(current_);
  const int64_t most_ms = std::min<int64_t>(
      kBackoffMaxMs, int64_t{20} << std::min<uint64_t>(attempts_, 10));
  const MonoTime at =
      env().loop.ReadClock().mono +
      operation.random.Between(Milliseconds(10), Milliseconds(most_ms),
                               "client.backoff", 0, attempts_);
  if (at < deadline_) {
    next_attempt_ = env().loop.At(at, [this] { Try(); });
  } else {
    GiveUp();
  }
}

// The last attempt was not executed.
void HttpClient::GiveUp() {
  if (maybe_done_) return LeaveUnknown(std::exchange(current_, 0));
  Withdraw(std::exchange(current_, 0));
}

void HttpClient::OnOver(const absl::Status& why) {
  if (absl::IsInvalidArgument(why)) {
    recorder().Unexpected(options().id, std::string(why.message()));
  }
  Break();
}

void HttpClient::OnAnswer(const HttpAnswer& answer) {
  if (attempt_ != Attempt::kWritten) return Refuse();
  attempt_ = Attempt::kNone;
  CancelTimeout();
  if (answer.closes) Close();
  Take(answer);
}

void HttpClient::Take(const HttpAnswer& answer) {
  switch (answer.status) {
    case 200:
    case 404:
    case 412:
      return Succeed(answer);
    case 403:
      if (answer.body.find("READ_ONLY_NODE") == std::string::npos) break;
      recorder().OnReadOnly(options().id,
                            NodeId(static_cast<uint32_t>(node_ + 1)));
      [[fallthrough]];
    case 503:
      // Another node may have a vote, or know the leader.
      Close();
      node_ = (node_ + 1) % options().servers.size();
      return Refused(answer.status == 503 ? Refusal::kUnavailable
                                          : Refusal::kElsewhere);
    case 409:
      if (answer.body.find("SESSION_EXPIRED") == std::string::npos) break;
      return GiveUp();
    case 429:
      // The sessions of the slot last longer than a run.
      if (answer.body.find("SESSION_LIMIT") == std::string::npos) break;
      return GiveUp();
    case 507:
      // The leader's node has no memory left.
      if (answer.body.find("OUT_OF_MEMORY") == std::string::npos) break;
      recorder().OnNoMemory(options().id);
      return GiveUp();
    case 504:
      if (answer.body.find("OUTCOME_UNKNOWN") == std::string::npos) break;
      if (!operation(current_).stale) {
        recorder().OnUnknownAnswer(operation(current_).ticket,
                                   NodeId(static_cast<uint32_t>(node_ + 1)));
      }
      if (!operation(current_).is_read()) maybe_done_ = true;
      if (MayRepeat()) return TryLater();
      return LeaveUnknown(std::exchange(current_, 0));
  }
  Unexpected(std::exchange(current_, 0),
             absl::StrCat("HTTP ", answer.status, " ", answer.body));
}

void HttpClient::Succeed(const HttpAnswer& answer) {
  const OperationId id = std::exchange(current_, 0);
  const uint8_t function = operation(id).call.function;
  ClientReply reply;
  if (function == Kv::kGet && answer.status != 412) {
    // 404: nil.
    if (answer.status == 200)
      reply = {.type = Type::kBulk, .text = answer.body};
    return Return(id, reply);
  }
  if (function == Kv::kDelete && answer.status == 200) {
    const bool deleted = answer.body.find("true") != std::string::npos;
    return Return(id, {.type = Type::kInteger, .integer = deleted ? 1 : 0});
  }
  if ((function == Kv::kPut && answer.status == 200) ||
      (function == Kv::kCas && answer.status != 404)) {
    if (answer.status == 200) reply = {.type = Type::kSimple, .text = "OK"};
    return Return(id, reply);
  }
  Unexpected(id, absl::StrCat("HTTP ", answer.status, " ", answer.body));
}

}  // namespace quorate::sim

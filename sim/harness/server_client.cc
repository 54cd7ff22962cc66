#include "sim/harness/server_client.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace quorate::sim {
namespace {

// Before a request is sent again.
constexpr Duration kRetryWait = Milliseconds(30);

}  // namespace

ServerClient::ServerClient(env::Env& env, ServerClientOptions options,
                           Hooks hooks)
    : Dialogue(env),
      env_(env),
      options_(std::move(options)),
      hooks_(std::move(hooks)) {
  TickLater();
}

std::string ServerClient::Describe() const {
  if (!request_.has_value()) return "";
  return absl::StrCat("client ", options_.id, ": \"",
                      absl::CEscape(request_->bytes), "\", attempt ", attempts_,
                      ", to ", server_, "\n");
}

void ServerClient::TickLater() {
  tick_ = env_.loop.At(env_.loop.ReadClock().mono + Wait(options_.interval),
                       [this] { Tick(); });
}

void ServerClient::Tick() {
  TickLater();
  if (request_.has_value()) return;
  request_ = hooks_.next();
  attempts_ = 0;
  if (request_.has_value()) OnBegin();
}

void ServerClient::OnBegin() {
  ++attempts_;
  SetTimeout(options_.timeout);
  if (connection() != nullptr) return OnOpen();
  server_ = options_.servers[env_.random.Below(
      options_.servers.size(), "client.server", options_.id, ++draws_)];
  Open(server_, Protocol::kNone);
}

void ServerClient::OnOpen() {
  received_.clear();
  written_ = true;
  Send(request_->bytes);
}

void ServerClient::OnBytes(std::string_view bytes) {
  // A connection with bytes that belong to no request is given up.
  if (!written_) return Break();
  received_.append(bytes);
  const std::optional<Reply> reply = hooks_.read_reply(*request_, received_);
  if (!reply.has_value()) return;
  if (reply->outcome == Outcome::kDone) return End(*reply);
  if (reply->outcome == Outcome::kNotExecuted) written_ = false;
  Break();
}

void ServerClient::Break() {
  Close();
  const bool unknown = std::exchange(written_, false);
  if (!request_.has_value()) return;
  if (unknown && !request_->repeatable) return End({});
  BeginAfter(Wait(kRetryWait));
}

void ServerClient::End(const Reply& reply) {
  written_ = false;
  CancelTimeout();
  const Request request = *std::exchange(request_, std::nullopt);
  hooks_.ended(request, reply);
}

Duration ServerClient::Wait(Duration average) {
  return env_.random.Between(Duration(0), average * 2, "client.wait",
                             options_.id, ++draws_);
}

}  // namespace quorate::sim

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
    : env_(env), options_(std::move(options)), hooks_(std::move(hooks)) {
  tick_ = After(Wait(options_.interval), [this] { Tick(); });
}

std::string ServerClient::Describe() const {
  if (!request_.has_value()) return "";
  return absl::StrCat("client ", options_.id, ": \"",
                      absl::CEscape(request_->bytes), "\", attempt ", attempts_,
                      ", to ", server_, "\n");
}

void ServerClient::Tick() {
  tick_ = After(Wait(options_.interval), [this] { Tick(); });
  if (request_.has_value()) return;
  request_ = hooks_.next();
  attempts_ = 0;
  if (request_.has_value()) Attempt();
}

void ServerClient::Attempt() {
  ++attempts_;
  attempt_ = After(options_.timeout, [this] { Break(); });
  if (connection_ != nullptr) return Send();
  server_ = options_.servers[env_.random.Below(
      options_.servers.size(), "client.server", options_.id, ++draws_)];
  connecting_ = env_.streams.Connect(
      server_,
      [this](absl::StatusOr<std::unique_ptr<env::Connection>> connection) {
        if (!connection.ok()) return Break();
        connection_ = *std::move(connection);
        connection_->SetObserver(this);
        Send();
      });
}

void ServerClient::Send() {
  received_.clear();
  written_ = true;
  connection_->Write(Buffer::Copy(request_->bytes));
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
  Disconnect();
  const bool unknown = std::exchange(written_, false);
  if (!request_.has_value()) return;
  if (unknown && !request_->repeatable) return End({});
  attempt_ = After(Wait(kRetryWait), [this] { Attempt(); });
}

void ServerClient::End(const Reply& reply) {
  written_ = false;
  attempt_.Cancel();
  const Request request = *std::exchange(request_, std::nullopt);
  hooks_.ended(request, reply);
}

void ServerClient::Disconnect() {
  connecting_.Cancel();
  attempt_.Cancel();
  connection_.reset();
}

env::Pending ServerClient::After(Duration wait, std::function<void()> call) {
  return env_.loop.At(env_.loop.ReadClock().mono + wait, std::move(call));
}

Duration ServerClient::Wait(Duration average) {
  return env_.random.Between(Duration(0), average * 2, "client.wait",
                             options_.id, ++draws_);
}

}  // namespace quorate::sim

#include "sim/members/admin_client.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "env/buffer.h"

namespace quorate::sim {

class AdminClient::Call final : public env::Connection::Observer {
 public:
  Call(env::Env& env, const std::string& address, std::string request,
       Duration within, absl::AnyInvocable<void(const OperatorAnswer&)> done)
      : request_(std::move(request)), done_(std::move(done)) {
    const MonoTime deadline = env.loop.ReadClock().mono + within;
    timeout_ = env.loop.At(deadline, [this] { Finish({}); });
    connecting_ = env.streams.Connect(
        address,
        [this](absl::StatusOr<std::unique_ptr<env::Connection>> connection) {
          if (!connection.ok()) return Finish({});
          connection_ = *std::move(connection);
          connection_->SetObserver(this);
          connection_->Write(Buffer::Copy(request_));
        });
  }

  // env::Connection::Observer.
  void OnBytes(std::string_view bytes) override { bytes_ += bytes; }
  void OnEnd() override { Finish(ParseOperatorAnswer(bytes_)); }
  void OnClosed(absl::Status) override { Finish(ParseOperatorAnswer(bytes_)); }
  void OnDrained() override {}

 private:
  void Finish(const OperatorAnswer& answer) {
    if (done_ != nullptr) std::exchange(done_, nullptr)(answer);
  }

  const std::string request_;
  absl::AnyInvocable<void(const OperatorAnswer&)> done_;
  std::string bytes_;
  env::Pending timeout_;
  env::Pending connecting_;
  std::unique_ptr<env::Connection> connection_;
};

AdminClient::AdminClient(env::Env& env) : env_(env) {}

AdminClient::~AdminClient() = default;

void AdminClient::Ask(const std::string& address,
                      const OperatorRequest& request, Duration within,
                      Done done) {
  std::string text =
      absl::StrCat(request.method, " ", request.target,
                   " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
  if (!request.key.empty()) {
    absl::StrAppend(&text, "Idempotency-Key: ", request.key, "\r\n");
  }
  absl::StrAppend(&text, "Content-Length: ", request.body.size(), "\r\n\r\n",
                  request.body);
  const uint64_t id = ++calls_;
  open_[id] = std::make_unique<Call>(
      env_, address, std::move(text), within,
      [this, id, done = std::move(done)](const OperatorAnswer& answer) mutable {
        End(id);
        done(answer);
      });
}

// The call is under way while it ends.
void AdminClient::End(uint64_t id) {
  ending_[id] = env_.loop.Defer([this, id] {
    open_.erase(id);
    ending_.erase(id);
  });
}

OperatorAnswer ParseOperatorAnswer(std::string_view bytes) {
  OperatorAnswer answer;
  const size_t end = bytes.find("\r\n\r\n");
  if (!bytes.starts_with("HTTP/1.1 ") || end == bytes.npos) return {};
  const std::string_view head = bytes.substr(0, end);
  const std::string_view body = bytes.substr(end + 4);
  constexpr std::string_view kLength = "Content-Length: ";
  const size_t at = head.find(kLength);
  if (at == head.npos || head.size() < 12) return {};
  const std::string_view rest = head.substr(at + kLength.size());
  size_t length = 0;
  if (!absl::SimpleAtoi(std::string(rest.substr(0, rest.find('\r'))),
                        &length) ||
      body.size() != length ||
      !absl::SimpleAtoi(std::string(head.substr(9, 3)), &answer.status)) {
    return {};
  }
  answer.body = nlohmann::json::parse(body, nullptr, false);
  return answer.body.is_discarded() ? OperatorAnswer() : answer;
}

}  // namespace quorate::sim

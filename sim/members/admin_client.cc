#include "sim/members/admin_client.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "sim/protocol/dialogue.h"

namespace quorate::sim {

// Ends when the server has closed the connection, which it does after the
// answer.
class AdminClient::Call final : Dialogue {
 public:
  Call(env::Env& env, const std::string& address, std::string request,
       Duration within, Done done)
      : Dialogue(env), done_(std::move(done)) {
    SetTimeout(within);
    Open(address, Protocol::kHttp, std::move(request));
  }

 private:
  void OnAnswer(const HttpAnswer& answer) override {
    nlohmann::json body = nlohmann::json::parse(answer.body, nullptr, false);
    if (!body.is_discarded()) answer_ = {answer.status, std::move(body)};
  }
  void OnOver(const absl::Status&) override {
    if (done_ != nullptr) std::exchange(done_, nullptr)(answer_);
  }

  Done done_;
  OperatorAnswer answer_;
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

}  // namespace quorate::sim

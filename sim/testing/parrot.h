// sim/testing/parrot.h: a server that answers each piece of bytes at once, for
// tests of clients. It knows no protocol.
#ifndef QUORATE_SIM_TESTING_PARROT_H_
#define QUORATE_SIM_TESTING_PARROT_H_

#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "env/check.h"
#include "env/env.h"

namespace quorate::sim {

class Parrot {
 public:
  using Answer = std::function<std::string(std::string_view bytes)>;

  // Answers all bytes with `answer`.
  Parrot(env::Env& env, const std::string& address, const std::string& answer)
      : Parrot(env, address, [answer](std::string_view) { return answer; }) {}
  Parrot(env::Env& env, const std::string& address, Answer answer)
      : answer_(std::move(answer)) {
    auto listener = env.streams.Listen(
        address, [this](std::unique_ptr<env::Connection> connection) {
          talks_.emplace_back(*this, std::move(connection));
        });
    CHECK(listener.ok()) << listener.status().ToString();
    listener_ = *std::move(listener);
  }

 private:
  struct Talk final : env::Connection::Observer {
    Talk(Parrot& parrot, std::unique_ptr<env::Connection> with)
        : answer(parrot.answer_), connection(std::move(with)) {
      connection->SetObserver(this);
    }
    void OnBytes(std::string_view bytes) override {
      connection->Write(Buffer::Copy(answer(bytes)));
    }
    void OnEnd() override { connection->End(); }
    void OnClosed(absl::Status) override {}
    void OnDrained() override {}

    const Answer& answer;
    std::unique_ptr<env::Connection> connection;
  };

  const Answer answer_;
  std::unique_ptr<env::Listener> listener_;
  std::list<Talk> talks_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_TESTING_PARROT_H_

// sim/testing/parrot.h: a server that gives one answer to all bytes, for tests
// of clients. It knows no protocol.
#ifndef QUORATE_SIM_TESTING_PARROT_H_
#define QUORATE_SIM_TESTING_PARROT_H_

#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "env/check.h"
#include "env/env.h"

namespace quorate::sim {

// Answers each piece of bytes with `answer`.
class Parrot {
 public:
  Parrot(env::Env& env, const std::string& address, std::string answer)
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
    void OnBytes(std::string_view) override {
      connection->Write(Buffer::Copy(answer));
    }
    void OnEnd() override { connection->End(); }
    void OnClosed(absl::Status) override {}
    void OnDrained() override {}

    const std::string& answer;
    std::unique_ptr<env::Connection> connection;
  };

  const std::string answer_;
  std::unique_ptr<env::Listener> listener_;
  std::list<Talk> talks_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_TESTING_PARROT_H_

// sim/harness/server_client.h: a simulated client of a user's server: one
// request at a time, over one connection, to any node that answers.
#ifndef QUORATE_SIM_HARNESS_SERVER_CLIENT_H_
#define QUORATE_SIM_HARNESS_SERVER_CLIENT_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "env/env.h"
#include "sim/harness/server_test.h"
#include "sim/protocol/dialogue.h"

namespace quorate::sim {

struct ServerClientOptions {
  uint32_t id = 0;
  std::vector<std::string> servers;
  Duration interval;  // Between two requests, on average.
  // A connection is given up if it is not there, or has no reply, by then.
  Duration timeout;
};

class ServerClient final : Dialogue {
 public:
  using Request = ServerTest::Request;
  using Reply = ServerTest::Reply;
  struct Hooks {
    // The next request. Empty: none now.
    std::function<std::optional<Request>()> next;
    std::function<std::optional<Reply>(const Request&, std::string_view bytes)>
        read_reply;
    // The request has ended: executed, or with an unknown outcome.
    std::function<void(const Request&, const Reply&)> ended;
  };

  ServerClient(env::Env& env, ServerClientOptions options, Hooks hooks);

  bool idle() const { return !request_.has_value(); }
  // The open request.
  const std::optional<Request>& request() const { return request_; }
  // The open request, for people.
  std::string Describe() const;

 private:
  void Tick();
  // Sends the request, if need be over a new connection.
  void OnBegin() override;
  void OnOpen() override;
  void OnBytes(std::string_view bytes) override;
  void OnOver(const absl::Status&) override { Break(); }
  // Ends the connection. An open request is sent again, to any node, or ends.
  void Break();
  void End(const Reply& reply);
  void TickLater();
  Duration Wait(Duration average);

  env::Env& env_;
  const ServerClientOptions options_;
  const Hooks hooks_;
  uint64_t draws_ = 0;
  std::optional<Request> request_;
  uint64_t attempts_ = 0;  // How often the request was tried.
  bool written_ = false;   // The present attempt may be executed.
  std::string received_;
  std::string server_;
  env::Pending tick_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_HARNESS_SERVER_CLIENT_H_

// raft/service/line_server.h: clients that send lines and get lines, one
// reply for each request, in their order.
//
// Bounds: 1,000 clients, lines of 16 KiB, and 64 KiB of replies that a client
// has not taken. More clients, and those with longer lines, are closed. The
// requests of a client that takes no replies wait in its socket.
#ifndef QUORATE_RAFT_SERVICE_LINE_SERVER_H_
#define QUORATE_RAFT_SERVICE_LINE_SERVER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "env/env.h"

namespace quorate::raft {

class LineServer {
 public:
  // Sends the reply, if the client is still there. Called once, at any time
  // before the server is destroyed.
  using Reply = absl::AnyInvocable<void(std::string line)>;
  using Handler = absl::AnyInvocable<void(const std::string& line, Reply)>;

  explicit LineServer(Handler handler);
  ~LineServer();
  LineServer(const LineServer&) = delete;
  LineServer& operator=(const LineServer&) = delete;

  // `env` outlives the object.
  absl::Status Listen(env::Env& env, const std::string& address);

 private:
  class Session;

  Handler handler_;
  uint64_t next_session_ = 1;
  std::map<uint64_t, std::unique_ptr<Session>> sessions_;
  std::unique_ptr<env::Listener> listener_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_SERVICE_LINE_SERVER_H_

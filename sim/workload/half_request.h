// sim/workload/half_request.h: a client that vanishes in the middle of a
// request.
//
// It connects, writes the first bytes of a request, waits a little, and closes
// the connection. A server must not execute any part of the request.
#ifndef QUORATE_SIM_WORKLOAD_HALF_REQUEST_H_
#define QUORATE_SIM_WORKLOAD_HALF_REQUEST_H_

#include <memory>
#include <string>
#include <string_view>

#include "env/env.h"

namespace quorate::sim {

class HalfRequest final : public env::Connection::Observer {
 public:
  // `bytes` are the beginning of a request. After `stay` from now on nothing
  // happens any more.
  HalfRequest(env::Env& env, const std::string& server, std::string bytes,
              Duration stay);
  HalfRequest(const HalfRequest&) = delete;
  HalfRequest& operator=(const HalfRequest&) = delete;

 private:
  // The client ignores all bytes that the server sends.
  void OnBytes(std::string_view) override {}
  void OnEnd() override {}
  void OnClosed(absl::Status) override { connection_.reset(); }
  void OnDrained() override {}

  const std::string bytes_;
  env::Pending connecting_;
  env::Pending vanishing_;
  std::unique_ptr<env::Connection> connection_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_WORKLOAD_HALF_REQUEST_H_

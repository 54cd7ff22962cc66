// sim/workload/half_request.h: a client that vanishes in the middle of a
// request.
//
// It connects, writes the first bytes of a request, waits a little, and closes
// the connection. A server must not execute any part of the request.
#ifndef QUORATE_SIM_WORKLOAD_HALF_REQUEST_H_
#define QUORATE_SIM_WORKLOAD_HALF_REQUEST_H_

#include <string>
#include <utility>

#include "env/env.h"
#include "sim/protocol/dialogue.h"

namespace quorate::sim {

class HalfRequest final : Dialogue {
 public:
  // `bytes` are the beginning of a request. After `stay` from now on nothing
  // happens any more.
  HalfRequest(env::Env& env, const std::string& server, std::string bytes,
              Duration stay)
      : Dialogue(env) {
    Open(server, Protocol::kNone, std::move(bytes));
    vanishing_ =
        env.loop.At(env.loop.ReadClock().mono + stay, [this] { Close(); });
  }

 private:
  void OnEnd() override {}  // The client stays.

  env::Pending vanishing_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_WORKLOAD_HALF_REQUEST_H_

// sim/workload/noise_client.h: a client that keeps to no protocol of the ports
// to which it connects.
//
// It sends noise, requests of other protocols, halves of requests, and
// announcements of huge ones. Then it closes, ends its side, stops reading or
// stays silent. Nodes must go on, and must let go of what its connections use.
// It sends no complete command, so that no checker has to know of it.
#ifndef QUORATE_SIM_WORKLOAD_NOISE_CLIENT_H_
#define QUORATE_SIM_WORKLOAD_NOISE_CLIENT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "env/env.h"
#include "sim/protocol/dialogue.h"

namespace quorate::sim {

class NoiseClient final : Dialogue {
 public:
  // `addresses`: all ports of all nodes.
  NoiseClient(env::Env& env, std::vector<std::string> addresses);

  // Closes the connection and begins no other one.
  using Dialogue::Stop;
  // How many connections were accepted.
  uint64_t connected() const { return connected_; }

 private:
  void OnBegin() override;
  void OnOpen() override;
  void OnOver(const absl::Status&) override { Leave(); }

  // Closes the connection, and plans the next visit.
  void Leave();
  std::string DrawBytes();
  // Draws once per visit at each site.
  uint64_t Draw(Site site, uint64_t bound) {
    return env_.random.Below(bound, site, visits_, 0);
  }

  env::Env& env_;
  const std::vector<std::string> addresses_;
  uint64_t visits_ = 0;
  uint64_t connected_ = 0;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_WORKLOAD_NOISE_CLIENT_H_

// sim/node_streams.h: env::Streams of a simulated machine.
#ifndef QUORATE_SIM_NODE_STREAMS_H_
#define QUORATE_SIM_NODE_STREAMS_H_

#include <cstdint>
#include <memory>
#include <string>

#include "env/listener.h"
#include "sim/cpu.h"

namespace quorate::sim {

class StreamNet {};

class NodeStreams final : public env::Streams {
 public:
  NodeStreams(Cpu*, StreamNet*) {}
  absl::StatusOr<std::unique_ptr<env::Listener>> Listen(const std::string&,
                                                        Accept) override {
    return absl::UnimplementedError("streams follow");
  }
  env::Pending Connect(const std::string&, Connected) override { return {}; }
  void RunInput(uint64_t) {}
  void RunConnect(uint64_t) {}
  void EndTurn() {}
  void Die(bool) {}
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_NODE_STREAMS_H_

// sim/harness/program_env.h: the environment of a simulated program that may
// send with the product's transport.
#ifndef QUORATE_SIM_HARNESS_PROGRAM_ENV_H_
#define QUORATE_SIM_HARNESS_PROGRAM_ENV_H_

#include <memory>
#include <optional>
#include <utility>

#include "env/changed_env.h"
#include "env/env.h"
#include "env/random.h"
#include "raft/transport/transport.h"
#include "sim/harness/watched_transport.h"

namespace quorate::sim {

// The environment of a machine. With options of a transport, messages go over
// byte streams of the machine, by raft::StreamTransport. Without them, they go
// over the simulated network of messages.
class ProgramEnv {
 public:
  // `machine` outlives the object. `on_request` is called with the pieces of
  // each request that is handed to an open link to another node. Null: none is.
  ProgramEnv(env::Env& machine,
             const std::optional<raft::TransportOptions>& options,
             Random random, WatchedTransport::Hook on_request = nullptr)
      : transport_(MakeTransport(machine, options, random)),
        watched_(transport_ == nullptr ? machine.transport : *transport_,
                 std::move(on_request)),
        env_(env::WithTransport(machine, watched_)) {}

  env::Env& env() { return env_; }

 private:
  static std::unique_ptr<raft::StreamTransport> MakeTransport(
      env::Env& machine, std::optional<raft::TransportOptions> options,
      Random random) {
    if (!options.has_value()) return nullptr;
    options->buggify = &machine.buggify;
    return std::make_unique<raft::StreamTransport>(
        machine.loop, machine.streams, machine.tracer, random, *options);
  }

  const std::unique_ptr<raft::StreamTransport> transport_;
  WatchedTransport watched_;
  env::Env env_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_HARNESS_PROGRAM_ENV_H_

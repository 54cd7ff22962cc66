// sim/workload/deep_client.h: a simulated client that requests more than any
// buffer can hold.
//
// In each round it writes a value, then pipelines many reads of it. In some
// rounds a few of them name its key many times. Sometimes
// it reads the replies late, half-closes the connection, or closes it in the
// middle. Replies must come in order, complete, and with the written value.
// Once faults are over the last round must finish without an error. Only this
// client uses keys with kDeepKeyPrefix.
#ifndef QUORATE_SIM_WORKLOAD_DEEP_CLIENT_H_
#define QUORATE_SIM_WORKLOAD_DEEP_CLIENT_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "env/env.h"
#include "sim/protocol/dialogue.h"

namespace quorate::sim {

struct DeepClientOptions {
  std::vector<std::string> servers;
  uint64_t reads_max = 800;  // In one pipeline.
  // Called when a node has no memory left.
  std::function<void()> on_no_memory = [] {};
};

class DeepClient final : Dialogue {
 public:
  using Violate = absl::AnyInvocable<void(std::string what)>;

  DeepClient(env::Env& env, DeepClientOptions options, Violate violate);

  // Finishes the current round or gives it up. Then begins one more round, and
  // repeats it until it succeeds. From now on it is a violation if a server of
  // `healthy` stops replying in the middle.
  void BeginLastRound(std::vector<std::string> healthy);
  bool last_round_done() const { return last_ == Last::kDone; }
  // The open work, for people.
  std::string Describe() const;

 private:
  enum class Last : uint8_t { kNotYet, kWanted, kUnderWay, kDone };

  void OnBegin() override;
  void OnOpen() override;
  void OnBytes(std::string_view bytes) override;
  void OnReply(ClientReply reply) override;
  void OnOver(const absl::Status& why) override;

  void Connect(const std::string& server);
  void CheckValue(const ClientReply& reply);
  void EndRound();
  // Draws once per attempt of a round at each site.
  uint64_t Draw(Site site, uint64_t bound) {
    return env_.random.Below(bound, site, round_, 0);
  }

  env::Env& env_;
  const DeepClientOptions options_;
  std::vector<std::string> healthy_;
  Violate violate_;
  Last last_ = Last::kNotYet;
  env::Pending late_;  // The end of a pause in reading, or of the round.
  uint64_t round_ = 0;
  std::string server_;
  std::string value_;
  uint64_t replies_ = 0;  // Received in this round.
  bool refused_ = false;  // A read of this round got an error.
  // Expected in this round, with the write's. 0: nothing was sent yet.
  uint64_t expected_ = 0;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_WORKLOAD_DEEP_CLIENT_H_

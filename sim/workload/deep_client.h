// sim/workload/deep_client.h: a simulated client that asks for more than any buffer holds.
//
// In rounds: it writes a value, then pipelines many reads of it at once, and sometimes reads the replies late, half-closes or goes
// away in the middle. Replies have to come in order, each whole and of the value written; once faults are over the last
// round has to finish. Its keys begin with kDeepKeyPrefix, and nobody else uses them.
#ifndef QUORATE_SIM_WORKLOAD_DEEP_CLIENT_H_
#define QUORATE_SIM_WORKLOAD_DEEP_CLIENT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "env/env.h"
#include "sim/protocol/reply.h"

namespace quorate::sim {

class DeepClient final : public env::Connection::Observer {
 public:
  using Violate = absl::AnyInvocable<void(std::string what)>;

  DeepClient(env::Env& env, std::vector<std::string> servers, Violate violate);
  DeepClient(const DeepClient&) = delete;
  DeepClient& operator=(const DeepClient&) = delete;

  // Finishes the round under way, or gives it up, then does one more until it succeeds. A server of `healthy` that stops
  // answering in the middle is a violation from now on.
  void BeginLastRound(std::vector<std::string> healthy);
  bool last_round_done() const { return last_ == Last::kDone; }
  // What is open, for people.
  std::string Describe() const;

 private:
  enum class Last : uint8_t { kNotYet, kWanted, kUnderWay, kDone };

  void OnBytes(std::string_view bytes) override;
  void OnEnd() override { EndRound(); }
  void OnClosed(absl::Status) override { EndRound(); }
  void OnDrained() override {}

  void BeginRound();
  void Connect(const std::string& server);
  void Ask();
  // False: the reply ended the round.
  bool TakeReply(const ClientReply& reply);
  void EndRound();
  void ArmTimer(Duration wait);
  void OnTimer();
  uint64_t Draw(Site site, uint64_t bound) {
    return env_.random.Below(bound, site, 0, draws_++);
  }

  env::Env& env_;
  const std::vector<std::string> servers_;
  std::vector<std::string> healthy_;
  Violate violate_;
  uint64_t draws_ = 0;
  Last last_ = Last::kNotYet;
  env::Pending connecting_;
  env::Pending timer_;
  env::Pending late_;  // Ends a pause of reading.
  std::unique_ptr<env::Connection> connection_;
  ReplyParser parser_;
  uint64_t round_ = 0;
  std::string server_;
  std::string value_;
  uint64_t replies_ = 0;   // Of this round.
  uint64_t expected_ = 0;  // The write's included; 0: not asked yet.
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_WORKLOAD_DEEP_CLIENT_H_

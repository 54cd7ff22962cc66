// sim/workload/multi_key_client.h: a simulated client of commands on several
// keys: MSET, MGET and DEL of keys with one hash tag or several, and SCAN over
// all keys.
//
// It has one operation at a time, and follows no redirects: it uses the
// addresses of plain clients. A write whose outcome is unknown is not repeated.
// Its keys begin with "m". sim/checks/multi_key_checker.h checks the replies.
// On every second connection reads may be stale, and each value is checked by
// itself (sim/checks/stale_read_checker.h).
#ifndef QUORATE_SIM_WORKLOAD_MULTI_KEY_CLIENT_H_
#define QUORATE_SIM_WORKLOAD_MULTI_KEY_CLIENT_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "env/env.h"
#include "env/outcome.h"
#include "sim/checks/multi_key_checker.h"
#include "sim/checks/recorder.h"
#include "sim/checks/stale_read_checker.h"
#include "sim/choices/choices.h"
#include "sim/choices/sim_time.h"
#include "sim/protocol/reply.h"
#include "sim/workload/paced_client.h"

namespace quorate::sim {

class MultiKeyClient final : public PacedClient {
 public:
  // As PacedClient.
  MultiKeyClient(env::Env& env, const PacedClientOptions& options,
                 Choices* choices, Recorder* recorder, Recorder::Clock clock);

  bool idle() const override { return !current_.has_value(); }
  std::string Describe() const override;

 private:
  enum class Kind : uint8_t { kSet, kGet, kDelete, kScan };
  struct Operation {
    Kind kind = Kind::kGet;
    uint64_t number = 0;
    std::string answer = {};  // The last reply, for views of the run.
    Random random{0};
    std::vector<std::string> keys;
    // The hash tag of each key, as a number.
    std::vector<uint64_t> tags;
    // The tokens of a write's parts, by tag.
    std::map<uint64_t, std::string> tokens;
    SimTime called;
    SimTime sent;  // The last attempt.
    // For each key, if the read may be stale.
    std::vector<StaleReadChecker::Sent> stale;
    MonoTime deadline;
    uint64_t attempts = 0;
    // The state of a scan.
    std::string cursor = "0";
    std::set<std::string> found;

    bool writes() const { return kind == Kind::kSet || kind == Kind::kDelete; }
    bool several_slots() const { return tokens.size() > 1; }
    std::vector<std::string> Words() const;
  };

  // ClientLink::Owner.
  void OnLinkReply(ClientLink::RequestId id, ClientReply reply,
                   bool* done) override;
  void OnLinkBroken(ClientLink::RequestId id) override;
  void OnLinkRefused(ClientLink::RequestId) override { TryLater(); }

  // PacedClient.
  void Begin(uint64_t number, Random random) override;
  Operation Draw(uint64_t number, Random random) const;
  void DrawKeys(Operation* operation) const;
  // No part of the operation was executed.
  void Withdraw();
  void Try();
  void TryLater();
  void TryAnotherNode();
  // The operation has ended.
  void End(Outcome outcome);
  void OnError(const ClientReply& reply);
  // The node answered that the outcome of a write is unknown.
  void OnUnknown();
  void OnResult(const ClientReply& reply);
  void OnRead(const ClientReply& reply);
  void OnScanned(const ClientReply& reply);

  MultiKeyChecker& checker_;
  std::optional<Operation> current_;
  bool stale_reads_ = false;  // Reads on the present link may be stale.
  env::Pending next_attempt_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_WORKLOAD_MULTI_KEY_CLIENT_H_

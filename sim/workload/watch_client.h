// sim/workload/watch_client.h: a simulated client of transactions on keys that
// other clients write, remove and let expire.
//
// A transaction watches two keys of one slot and reads both. It queues a write,
// and sends EXEC after a pause. The client has one operation at a time. It
// follows no redirects, since it uses the addresses of plain clients, and it
// repeats nothing. sim/checks/watch_checker.h checks the replies. Only these
// clients use keys that begin with "w".
#ifndef QUORATE_SIM_WORKLOAD_WATCH_CLIENT_H_
#define QUORATE_SIM_WORKLOAD_WATCH_CLIENT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "env/env.h"
#include "env/outcome.h"
#include "sim/checks/recorder.h"
#include "sim/checks/watch_checker.h"
#include "sim/choices/choices.h"
#include "sim/choices/sim_time.h"
#include "sim/protocol/reply.h"
#include "sim/workload/paced_client.h"

namespace quorate::sim {

class WatchClient final : public PacedClient {
 public:
  // As PacedClient.
  WatchClient(env::Env& env, const PacedClientOptions& options,
              Choices* choices, Recorder* recorder, Recorder::Clock clock);

  bool idle() const override { return !current_.has_value(); }
  std::string Describe() const override;

 private:
  struct Operation {
    uint64_t number = 0;
    std::string answer = {};           // The last reply, for views of the run.
    std::vector<std::string> write;    // The command that changes a key.
    std::vector<std::string> watched;  // Empty: there is no transaction.
    Duration pause;                    // Before EXEC.
    bool sent_all = false;             // The command, or EXEC.
    SimTime sent;                      // Set with sent_all.
    size_t replies_expected = 1;       // Before EXEC.
    std::vector<ClientReply> replies;  // Before EXEC.
    WatchChecker::Transaction transaction;

    const std::string& token() const { return write[2]; }
  };

  // ClientLink::Owner.
  void OnLinkReply(ClientLink::RequestId id, ClientReply reply,
                   bool* done) override;
  void OnLinkBroken(ClientLink::RequestId id) override;
  void OnLinkRefused(ClientLink::RequestId id) override;
  void OnLinkClosed(ClientLink* link) override;

  // PacedClient.
  void Begin(uint64_t number, Random random) override;
  Operation Draw(uint64_t number, Random random) const;
  void Send();
  // All replies before EXEC have arrived.
  void OnQueued();
  void OnResult(const ClientReply& reply);
  void OnError(const ClientReply& reply);
  // The node answered that the outcome of the command or EXEC is unknown.
  void OnUnknown();
  void Withdraw();
  void End(Outcome outcome);

  WatchChecker& checker_;
  std::optional<Operation> current_;
  env::Pending exec_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_WORKLOAD_WATCH_CLIENT_H_

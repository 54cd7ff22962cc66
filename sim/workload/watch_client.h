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
#include <memory>
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
#include "sim/workload/client_link.h"
#include "sim/workload/operation.h"

namespace quorate::sim {

struct WatchClientOptions {
  uint32_t id = 0;
  std::vector<std::string> servers;
  Duration interval = Milliseconds(150);  // Between two operations, on average.
};

class WatchClient final : public ClientLink::Owner {
 public:
  // `choices` and `recorder` outlive the client. `clock` returns the world's
  // time.
  WatchClient(env::Env& env, const WatchClientOptions& options,
              Choices* choices, Recorder* recorder, Recorder::Clock clock);
  WatchClient(const WatchClient&) = delete;
  WatchClient& operator=(const WatchClient&) = delete;

  // `hook` is called with each operation when it begins.
  void SetSendHook(SendHook hook) { send_hook_ = std::move(hook); }
  // Begins no further operation.
  void StopIssuing() { issuing_ = false; }
  // Whether no operation is under way.
  bool idle() const { return !current_.has_value(); }
  // The open operation, for people.
  std::string Describe() const;

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
  void OnLinkMalformed(std::string_view server) override;
  void OnLinkClosed(ClientLink* link) override;

  void Tick();
  Operation Draw(uint64_t number, Random random) const;
  void Begin();
  // All replies before EXEC have arrived.
  void OnQueued();
  void OnResult(const ClientReply& reply);
  void OnError(const ClientReply& reply);
  // The node answered that the outcome of the command or EXEC is unknown.
  void OnUnknown();
  void Withdraw();
  void End(Outcome outcome);
  void Unexpected(const ClientReply& reply);

  env::Env& env_;
  const WatchClientOptions options_;
  Choices* const choices_;
  Recorder* const recorder_;
  WatchChecker& checker_;
  Recorder::Clock clock_;
  SendHook send_hook_;
  bool issuing_ = true;
  uint64_t numbers_ = 0;
  std::optional<Operation> current_;
  uint64_t node_;
  uint32_t links_made_ = 0;
  std::unique_ptr<ClientLink> link_;
  std::unique_ptr<ClientLink> dropped_;  // Destroyed at the end of the turn.
  env::Pending tick_;
  env::Pending timeout_;
  env::Pending exec_;
  env::Pending destroy_dropped_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_WORKLOAD_WATCH_CLIENT_H_

// sim/workload/paced_client.h: the base of clients that have one operation at a
// time, on one connection to an address for plain clients.
//
// Operations begin at drawn times, each with choices of its own. The derived
// class draws them, sends them and takes the replies.
#ifndef QUORATE_SIM_WORKLOAD_PACED_CLIENT_H_
#define QUORATE_SIM_WORKLOAD_PACED_CLIENT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "env/env.h"
#include "env/ids.h"
#include "env/outcome.h"
#include "sim/checks/recorder.h"
#include "sim/choices/choices.h"
#include "sim/protocol/reply.h"
#include "sim/workload/client_link.h"
#include "sim/workload/operation.h"

namespace quorate::sim {

struct PacedClientOptions {
  uint32_t id = 0;
  std::vector<std::string> servers;
};

class PacedClient : public ClientLink::Owner {
 public:
  PacedClient(const PacedClient&) = delete;
  PacedClient& operator=(const PacedClient&) = delete;

  // `hook` is called with each operation when it begins.
  void SetSendHook(SendHook hook) { send_hook_ = std::move(hook); }
  // Begins no further operation.
  void StopIssuing() { issuing_ = false; }
  // Whether no operation is under way.
  virtual bool idle() const = 0;
  // The open operation, for people.
  virtual std::string Describe() const = 0;

 protected:
  // `choices` and `recorder` outlive the client. `clock` returns the world's
  // time. `site`: that of the choices of operations. `interval`: between two
  // operations, on average.
  PacedClient(env::Env& env, const PacedClientOptions& options,
              Choices* choices, Recorder* recorder, Recorder::Clock clock,
              ChoiceSite site, Duration interval);
  ~PacedClient() = default;

  // Draws and sends the operation `number`.
  virtual void Begin(uint64_t number, Random random) = 0;

  uint32_t id() const { return options_.id; }
  // The node of the present link, or of the next one.
  NodeId node() const { return NodeId(static_cast<uint32_t>(node_ + 1)); }
  void NextNode() { node_ = (node_ + 1) % options_.servers.size(); }
  MonoTime MonoNow() const { return env_.loop.ReadClock().mono; }
  // Reports that an operation begins. `words`: its command; `text`: for people.
  void ObserveCall(uint64_t number, const std::vector<std::string>& words,
                   std::string text);
  // Reports that it ended.
  void ObserveEnd(uint64_t number, Outcome outcome, std::string answer);
  void Unexpected(const ClientReply& reply);
  // Connects to node() unless there is a connection.
  void Connect(std::string_view greeting);
  // Breaks the connection after a while, unless timeout_ is cancelled.
  void BreakLater();
  uint32_t links_made() const { return links_made_; }

  // ClientLink::Owner.
  void OnLinkMalformed(std::string_view server) override;
  // Destroys the link at the end of the turn.
  void OnLinkClosed(ClientLink* link) override;

  env::Env& env_;
  Recorder* const recorder_;
  Recorder::Clock clock_;
  std::unique_ptr<ClientLink> link_;
  env::Pending timeout_;

 private:
  void Tick();

  const PacedClientOptions options_;
  Choices* const choices_;
  const ChoiceSite site_;
  const Duration interval_;
  SendHook send_hook_;
  bool issuing_ = true;
  uint64_t numbers_ = 0;
  uint64_t node_;
  uint32_t links_made_ = 0;
  std::unique_ptr<ClientLink> dropped_;
  env::Pending tick_;
  env::Pending destroy_dropped_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_WORKLOAD_PACED_CLIENT_H_

// sim/workload/simple_client.h: the common part of simulated clients that
// execute single commands with the store's client library or over HTTP.
//
// Draws operations as WorkloadClient does, one choice of the world for each,
// and records them. A derived class executes them and reports how they ended.
#ifndef QUORATE_SIM_WORKLOAD_SIMPLE_CLIENT_H_
#define QUORATE_SIM_WORKLOAD_SIMPLE_CLIENT_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "env/env.h"
#include "sim/checks/recorder.h"
#include "sim/choices/choices.h"
#include "sim/protocol/reply.h"
#include "sim/workload/operation.h"
#include "sim/workload/operation_generator.h"

namespace quorate::sim {

struct SimpleClientOptions {
  uint32_t id = 0;
  std::vector<std::string> servers;
  Duration interval = Milliseconds(100);  // Between two operations, on average.
  size_t open_max = 1;  // Operations under way at a time; others wait.
  // A connection is given up if a reply is overdue by this time. Empty: the
  // default of this kind of client.
  std::optional<Duration> reply_timeout;
  // A retry takes effect once: by a session, or by an Idempotency-Key.
  bool retries_writes = false;
  OperationOptions operations;
};

class SimpleClient {
 public:
  // `choices` and `recorder` outlive the client.
  SimpleClient(env::Env& env, const SimpleClientOptions& options,
               Choices* choices, Recorder* recorder);
  virtual ~SimpleClient() = default;
  SimpleClient(const SimpleClient&) = delete;
  SimpleClient& operator=(const SimpleClient&) = delete;

  // `hook` is called with each operation when it begins.
  void SetSendHook(SendHook hook) { send_hook_ = std::move(hook); }
  // Issues no further operation. Those that wait begin for a while longer, not
  // all of them: each may take as long as its client waits for a result.
  void StopIssuing();
  // Whether no operation is open or waits.
  bool idle() const { return open_.empty() && waiting_.empty(); }
  // The open operations, for people.
  std::string Describe() const;

 protected:
  using OperationId = uint64_t;

  struct Operation : ClientOperation {
    Recorder::Ticket ticket = 0;  // Zero for a stale read.
    StaleReadChecker::Sent sent;  // If it is a stale read.
  };

  // Replaces what this kind of client cannot express.
  virtual void Adapt(ClientOperation* operation) const = 0;
  // Executes the operation. Ends with one of the next three functions, in a
  // later call.
  virtual void Begin(OperationId id) = 0;

  void Return(OperationId id, const ClientReply& reply);
  void Withdraw(OperationId id);
  void LeaveUnknown(OperationId id);
  // Reports a reply that no correct server gives. Leaves the outcome unknown.
  void Unexpected(OperationId id, std::string_view what);

  const Operation& operation(OperationId id) const { return open_.at(id); }
  const SimpleClientOptions& options() const { return options_; }
  env::Env& env() { return env_; }
  Recorder& recorder() { return *recorder_; }

 private:
  void Tick();
  void Issue();
  void BeginNext();
  void End(OperationId id);

  env::Env& env_;
  const SimpleClientOptions options_;
  Choices* const choices_;
  Recorder* const recorder_;
  OperationGenerator generator_;
  SendHook send_hook_;
  bool issuing_ = true;
  MonoTime begins_until_ = MonoTime::Max();
  uint64_t numbers_ = 0;
  std::deque<Operation> waiting_;
  std::map<OperationId, Operation> open_;
  env::Pending tick_;
  env::Pending next_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_WORKLOAD_SIMPLE_CLIENT_H_

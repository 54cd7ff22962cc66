// sim/checks/recorder.h: records what the clients of a run did, and passes it
// to the checkers during the run.
//
// Operations go to the HistoryChecker with the world's time, and each attempt
// to the AvailabilityChecker. The LogChecker compares their results with the
// logs. Commands of one connection go to the ConnectionOrderChecker, stale
// reads to the StaleReadChecker, and each ExpiryCommand to the ExpiryChecker.
//
// CommittedStates has the states of all keys by the logs, for all checkers. The
// HistoryChecker knows only the writes of each ClientCall. So no other client
// writes the key of a ClientCall.
#ifndef QUORATE_SIM_CHECKS_RECORDER_H_
#define QUORATE_SIM_CHECKS_RECORDER_H_

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/strings/str_cat.h"
#include "env/buffer.h"
#include "env/ids.h"
#include "env/outcome.h"
#include "env/time.h"
#include "kv/command/rules.h"
#include "kv/slots/slot_strategy.h"
#include "lincheck/history.h"
#include "lincheck/model.h"
#include "lincheck/models/kv.h"
#include "lincheck/online/online.h"
#include "sim/checks/availability_checker.h"
#include "sim/checks/committed_states.h"
#include "sim/checks/connection_order_checker.h"
#include "sim/checks/expiry_checker.h"
#include "sim/checks/history_checker.h"
#include "sim/checks/log_checker.h"
#include "sim/checks/multi_key_checker.h"
#include "sim/checks/sent_bytes.h"
#include "sim/checks/stale_read_checker.h"
#include "sim/checks/watch_checker.h"
#include "sim/choices/sim_time.h"
#include "sim/protocol/expiry_command.h"
#include "sim/protocol/reply.h"

namespace quorate::sim {

// One call of a client on one key, with the functions of
// lincheck/models/kv.h.
struct ClientCall {
  uint32_t client = 0;
  uint8_t function = lincheck::Kv::kGet;
  std::string key;
  // Put, swap, cas: the value. Append: the token.
  std::string text;
  // Increment: the delta.
  int64_t number = 0;
  // Cas: only if the key is absent.
  bool expect_absent = false;
};

class Recorder final : private HistoryChecker::Source {
 public:
  using Ticket = uint64_t;
  // How operations ended.
  struct Counts {
    uint64_t invoked = 0;
    uint64_t succeeded = 0;
    uint64_t refused = 0;  // Not executed.
    uint64_t unknown = 0;
    uint64_t stale_reads = 0;
  };
  using Clock = absl::AnyInvocable<SimTime()>;
  using Report = HistoryChecker::Report;
  using Budget = HistoryChecker::Budget;

  // Calls `violate` with each violation in words.
  Recorder(Clock clock, Report violate)
      : Recorder(std::move(clock), std::move(violate), Budget()) {}
  Recorder(Clock clock, Report violate, const Budget& budget);
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  // The bounds on clocks by which expiry is checked. Call it before the first
  // operation.
  void SetClocks(ClockBounds clocks) { expiry_.SetClocks(std::move(clocks)); }
  // Takes the rules of the cluster. Call it before the first operation.
  void SetSessionRules(const kv::SessionRules& rules) {
    states_.SetSessionRules(rules);
  }

  // An operation begins.
  Ticket Invoke(const ClientCall& call);
  Ticket Invoke(const ExpiryCommand& call);
  // The operation succeeded with this result: nil, a number or text, by
  // function.
  void ReturnNothing(Ticket ticket) { Return(ticket, {}); }
  void ReturnNil(Ticket ticket);
  void ReturnNumber(Ticket ticket, int64_t number);
  void ReturnText(Ticket ticket, std::string_view text);
  // An ExpiryCommand succeeded with this reply, which is not an error.
  void ReturnReply(Ticket ticket, const ClientReply& reply);
  // The operation took effect, but its result is lost.
  void ReturnLost(Ticket ticket);
  // The outcome of the operation is unknown.
  void LeaveUnknown(Ticket ticket);
  // The operation was not executed.
  void Withdraw(Ticket ticket);

  // How the cluster divides its keys. Only hash slots may have clients of
  // several keys.
  void SetSlots(std::shared_ptr<const kv::SlotStrategy> slots) {
    states_.SetSlots(std::move(slots));
  }
  // From now on checks the order of commands on each connection. `group_of`
  // returns the group that owns a key.
  void CheckOrder(absl::AnyInvocable<GroupId(std::string_view key)> group_of) {
    group_of_ = std::move(group_of);
  }
  // From now on nodes may have other maps than the groups. A connection then
  // keeps its order only for each slot (docs/guarantees.md).
  void OrderBySlot() { orders_by_slot_ = true; }
  // The operation was written to a connection with `node`.
  void OnSent(Ticket ticket, uint64_t connection, NodeId node);
  // The last attempt, on this connection, was not executed.
  void OnRefused(Ticket ticket, uint64_t connection,
                 AvailabilityChecker::Refusal refusal) {
    order_.OnRefused(ticket, connection);
    availability_.OnRefused(ticket, clock_(), refusal);
  }
  // The operation waits at the client, which sends it again when fewer of its
  // operations are in flight.
  void OnHeld(Ticket ticket) { availability_.OnHeld(ticket, clock_()); }
  // The group did not execute the operation, but it serves: too many results of
  // the session are kept, or the session is over.
  void OnAnswered(Ticket ticket) { availability_.OnAnswered(ticket, clock_()); }

  // Called when operations begin and end, for views of the run. `ended` is
  // empty at the beginning; then it is "answer", "refused" or "unknown".
  using Observer =
      absl::AnyInvocable<void(uint32_t client, const std::string& operation,
                              std::string_view ended, std::string words)>;
  void SetObserver(Observer observer) { observer_ = std::move(observer); }
  bool observed() const { return observer_ != nullptr; }
  // For operations that only another checker follows.
  void ObserveCall(uint32_t client, uint64_t number, std::string words) {
    if (!observed()) return;
    observer_(client, absl::StrCat(client, ".", number), "", std::move(words));
  }
  void ObserveEnd(uint32_t client, uint64_t number, Outcome outcome,
                  std::string answer) {
    if (!observed()) return;
    observer_(client, absl::StrCat(client, ".", number),
              outcome == Outcome::kDone          ? "answer"
              : outcome == Outcome::kNotExecuted ? "refused"
                                                 : "unknown",
              outcome == Outcome::kDone ? std::move(answer) : std::string());
  }

  // Called with the key and the time of invocation of each read that returned.
  void SetReadHook(
      absl::AnyInvocable<void(const std::string& key, SimTime invoked)> hook) {
    read_hook_ = std::move(hook);
  }

  // A read that may be stale is sent to `node`. Returns what StaleRead requires
  // when the reply arrives. `bound`: how stale it may be.
  StaleReadChecker::Sent SendStaleRead(NodeId node, const std::string& key,
                                       ExpiryCommand::Verb verb,
                                       std::optional<Duration> bound);
  // That read returned.
  void StaleRead(const StaleReadChecker::Sent& sent, const std::string& key,
                 const ClientReply& reply);

  // An operation that only another checker follows has ended. It is counted.
  void Count(Outcome outcome);

  // The nodes that may refuse writes for good, and whether some node may run
  // out of memory. Call it before the first operation. Else all may.
  struct Limits {
    std::function<bool(NodeId)> read_only = [](NodeId) { return true; };
    bool memory = false;
  };
  void SetLimits(Limits limits) { limits_ = std::move(limits); }
  // Whether the node may refuse writes for good.
  bool MayBeReadOnly(NodeId node) const {
    return !limits_.has_value() || limits_->read_only(node);
  }
  // A node refused a command: it has no vote (READONLY), or no memory left. An
  // unexpected reply if no limit of the run explains it.
  void OnReadOnly(uint32_t client, NodeId node);
  void OnNoMemory(uint32_t client);

  // ---- Unknown outcomes.
  SimTime now() { return clock_(); }
  // A node handed bytes of a request for another node to an open connection.
  void OnRequestSent(NodeId node, Buffer bytes) {
    requests_sent_[node].Add(clock_(), std::move(bytes));
  }
  // `led` returns whether the node led the group at some time since then. Zero
  // is any group: slots may have moved. From
  // now on checks the nodes that answer that an outcome is unknown.
  using Led = absl::AnyInvocable<bool(NodeId, GroupId, SimTime since)>;
  void CheckUnknownOutcomes(Led led) { led_ = std::move(led); }
  // A node answered that the outcome of a command is unknown.
  struct UnknownAnswer {
    // The share of one slot in the command.
    struct Part {
      std::string key;   // Its slot is that of the part.
      std::string text;  // Each request with the part has these bytes.
    };
    NodeId node;
    SimTime sent;  // The client sent the command to the node.
    // A divided command is answered so if one part was executed, or may be.
    std::vector<Part> parts;
    std::string command;  // For people.
  };
  // Reports an answer that no part justifies. A part does if, since the command
  // was sent, the node led its group, or sent a request with it to another
  // node.
  void OnUnknownAnswer(const UnknownAnswer& answer);
  // OnUnknownAnswer for the last attempt of an operation.
  void OnUnknownAnswer(Ticket ticket, NodeId node);
  // The client of the operation calls its outcome unknown, and has handed no
  // byte of it to an open connection.
  void OnUnsent(Ticket ticket);

  // A reply that no correct server gives.
  void Unexpected(uint32_t client, std::string_view what);

  // No operation is open any more: checks what is left.
  void Finish() {
    histories_.Finish();
    watches_.Finish();
  }

  // Takes what the groups commit.
  LogChecker& log() { return log_; }
  const LogChecker& log() const { return log_; }
  // Takes what the replicas apply.
  StaleReadChecker& stale_reads() { return stale_reads_; }
  const StaleReadChecker& stale_reads() const { return stale_reads_; }
  ExpiryChecker& expiry() { return expiry_; }
  const ExpiryChecker& expiry() const { return expiry_; }
  AvailabilityChecker& availability() { return availability_; }
  const AvailabilityChecker& availability() const { return availability_; }
  MultiKeyChecker& multi_keys() { return multi_keys_; }
  const MultiKeyChecker& multi_keys() const { return multi_keys_; }
  WatchChecker& watches() { return watches_; }
  const WatchChecker& watches() const { return watches_; }

  const Counts& counts() const { return counts_; }
  // Answers of nodes that an outcome is unknown, which were checked.
  uint64_t unknown_checked() const { return unknown_checked_; }
  // See HistoryChecker.
  uint64_t given_up() const { return histories_.given_up(); }
  // How many keys expired.
  uint64_t expired() const { return states_.expired(); }
  // How often each function succeeded, by name.
  std::map<std::string, uint64_t> succeeded_by_function() const;
  const lincheck::OnlineChecker& checker() const { return histories_.online(); }
  const ConnectionOrderChecker& order() const { return order_; }
  // The history of clients on keys that do not expire, with the outcomes and
  // the order that the logs show. Its values live as long as the recorder.
  lincheck::History KnownHistory() const;
  // Keys touched, in the order of their first use.
  const std::vector<std::string>& keys() const override { return keys_; }
  size_t open() const { return open_; }

 private:
  struct Operation {
    lincheck::OnlineChecker::Ticket ticket;
    lincheck::Operation recorded;
    bool ended = false;
    bool withdrawn = false;
    bool may_expire = false;
    ExpiryChecker::Ticket expiry_ticket = 0;
  };

  // HistoryChecker::Source.
  bool watches_log() const override { return log_.started(); }
  lincheck::History HistoryOf(const std::string& key,
                              bool with_logs) const override;
  std::vector<lincheck::Operation> RemovalsOf(
      const std::string& key) const override;
  std::vector<HistoryChecker::Removal> CommittedRemovalsOf(
      const std::string& key) const override {
    return log_.RemovalsOf(key);
  }

  std::string ExecutedTwice(const std::string& key) const override;

  void Return(Ticket ticket, lincheck::Value result);
  void ObserveTicket(Ticket ticket, std::string_view ended, std::string words) {
    if (!observed()) return;
    observer_(operations_[ticket].recorded.client, absl::StrCat(ticket), ended,
              std::move(words));
  }
  std::string Name(const Operation& operation) const;
  void End(Ticket ticket);
  void Succeed(Ticket ticket);
  bool ChecksOrder(const Operation& operation) const;
  // Fills in the versions of removals of `key`, as far as their results and
  // times identify them.
  void OrderRemovals(const std::string& key, lincheck::History* history) const;
  // The partition of history_ that holds the key.
  uint32_t PartitionOf(const std::string& key) const;
  lincheck::Time Now() { return clock_().ns(); }

  Clock clock_;
  Report violate_;
  absl::AnyInvocable<void(const std::string& key, SimTime invoked)> read_hook_;
  absl::AnyInvocable<GroupId(std::string_view key)> group_of_;
  Observer observer_;
  Led led_;
  std::map<NodeId, SentBytes> requests_sent_;
  bool orders_by_slot_ = false;
  std::optional<Limits> limits_;
  const lincheck::ModelOf<lincheck::Kv> model_;
  HistoryChecker histories_;
  CommittedStates states_;
  ConnectionOrderChecker order_;
  StaleReadChecker stale_reads_;
  AvailabilityChecker availability_;
  lincheck::History history_;
  ExpiryChecker expiry_;
  MultiKeyChecker multi_keys_;
  WatchChecker watches_;
  LogChecker log_;
  std::vector<Operation> operations_;
  std::vector<std::string> keys_;
  // The partition of each key. Looked up only.
  absl::flat_hash_map<std::string, uint32_t> partitions_;
  std::array<uint64_t, 256> succeeded_{};
  std::map<std::string, uint64_t> succeeded_expiring_;
  Counts counts_;
  uint64_t unknown_checked_ = 0;
  size_t open_ = 0;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CHECKS_RECORDER_H_

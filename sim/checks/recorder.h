// sim/checks/recorder.h: what the clients of a run did, judged while it
// happens.
//
// Every operation goes to the linearizability checker (lincheck/online.h) with
// the world's own time; the whole history is kept for counter-examples. Stale
// reads (READONLY connections) promise less and are judged by values: each
// written value is unique, so a value that nobody asked to write, or whose
// write was certainly refused, must never be seen. Keys that may expire ("t…")
// have a judge of their own (sim/checks/expiry_checker.h).
#ifndef QUORATE_SIM_CHECKS_RECORDER_H_
#define QUORATE_SIM_CHECKS_RECORDER_H_

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "env/ids.h"
#include "env/time.h"
#include "kv/command/session_stamp.h"
#include "lincheck/history.h"
#include "lincheck/model.h"
#include "lincheck/models/kv.h"
#include "lincheck/online.h"
#include "shardctrl/partition.h"
#include "sim/checks/connection_order_checker.h"
#include "sim/checks/expiry_checker.h"
#include "sim/choices/sim_time.h"
#include "sim/protocol/expiry_command.h"
#include "sim/protocol/reply.h"

namespace quorate::kv {
struct CommandView;
}  // namespace quorate::kv

namespace quorate::sim {

// One call of a client on one key, in the words of lincheck/models/kv.h.
struct ClientCall {
  uint32_t client = 0;
  uint8_t function = lincheck::Kv::kGet;
  std::string key;
  std::string text;            // Put, swap, cas: the value. Append: the token.
  int64_t number = 0;          // Increment: the delta.
  bool expect_absent = false;  // Cas: only if the key is absent.
};

class Recorder {
 public:
  using Ticket = uint64_t;
  // How operations ended.
  struct Counts {
    uint64_t invoked = 0;
    uint64_t succeeded = 0;
    uint64_t refused = 0;  // Certainly not done.
    uint64_t unknown = 0;
    uint64_t stale_reads = 0;
  };
  using Clock = absl::AnyInvocable<SimTime()>;
  using Report = absl::AnyInvocable<void(std::string)>;
  // What a search for an order may cost, for each key. Beyond it the order of the log alone decides.
  struct Budget {
    lincheck::OnlineOptions online = {.configurations_max = 1'000,
                                      .nodes_max = 10'000};
    uint64_t nodes_max = 1'000'000;
  };

  // `violate` is told what must not be; of histories once for each key, the first one with the smallest reason.
  Recorder(Clock clock, Report violate)
      : Recorder(std::move(clock), std::move(violate), Budget()) {}
  Recorder(Clock clock, Report violate, const Budget& budget);

  // What timed keys are judged by. Before the first call.
  void SetClocks(ClockBounds clocks) { expiry_.SetClocks(std::move(clocks)); }

  Ticket Invoke(const ClientCall& call);
  Ticket Invoke(const ExpiryCommand& call);
  // The result: nil, a number or text, by function.
  void ReturnNothing(Ticket ticket) { Return(ticket, {}); }
  void ReturnNil(Ticket ticket);
  void ReturnNumber(Ticket ticket, int64_t number);
  void ReturnText(Ticket ticket, std::string_view text);
  // Of a timed call: no error.
  void ReturnReply(Ticket ticket, const ClientReply& reply);
  void LeaveUnknown(Ticket ticket);
  void Withdraw(Ticket ticket);

  // An entry of a group's log was committed; `payload` (kv/command/command.h) is empty unless it holds commands. What it holds has taken effect, however little its client knows;
  // what no log ever held has not. This spares the judge guessing; where the clients' view alone allows a history that the log
  // refutes, that is a violation all the same. So is an acknowledgement of what no log holds, or another result than its log
  // gives.
  void OnCommitted(GroupId group, raft::Index index, WallTime log_time,
                   std::string_view payload);

  // From now on the order of what is sent on each connection is judged (sim/checks/connection_order_checker.h). `group_of`: a key's.
  void CheckOrder(absl::AnyInvocable<GroupId(std::string_view key)> group_of) {
    group_of_ = std::move(group_of);
  }
  // The operation was written to a connection; what was written there last of it was certainly not executed.
  void OnSent(Ticket ticket, uint64_t connection);
  void OnRefused(Ticket ticket) { order_.OnRefused(ticket); }

  // Called with the key and the time of invocation of each read that returned.
  void SetReadHook(
      absl::AnyInvocable<void(const std::string& key, SimTime invoked)> hook) {
    read_hook_ = std::move(hook);
  }

  // A read that may be stale returned `text` (the raw value; lists are tokens
  // one after another).
  void StaleRead(uint32_t client, const std::string& key,
                 std::string_view text);

  // A reply that no correct server gives.
  void Unexpected(uint32_t client, std::string_view what);

  // No operation is open any more: what is left is judged.
  void Finish();

  const Counts& counts() const { return counts_; }
  // Keys whose history could not be judged.
  uint64_t undecided() const { return undecided_; }
  // How many keys expired.
  uint64_t expired() const { return expiry_.expired(); }
  // By function: name → how often it succeeded.
  std::map<std::string, uint64_t> succeeded_by_function() const;
  const lincheck::OnlineChecker& checker() const { return checker_; }
  const ConnectionOrderChecker& order() const { return order_; }
  // Everything that clients did on keys that do not expire, with the outcomes and the order that the logs tell. Its values live as
  // long as the recorder.
  lincheck::History KnownHistory() const;
  // Keys touched, in the order of their first use.
  const std::vector<std::string>& keys() const { return keys_; }
  size_t open() const { return open_; }

 private:
  struct Operation {
    lincheck::OnlineChecker::Ticket ticket;
    lincheck::Operation recorded;
    std::string
        token;  // The unique text written, or key and delta; may be empty.
    bool ended = false;
    bool withdrawn = false;
    bool may_expire = false;
    ExpiryChecker::Ticket expiry_ticket = 0;
    lincheck::Value replayed;  // What the log makes of it, once committed.
    SimTime committed = SimTime::Max();  // When a log held it.
    lincheck::Version order =
        lincheck::kNoVersion;  // Its place among all that were committed.
  };
  struct Written {
    Ticket ticket = 0;
    bool seen_stale = false;
  };

  void Return(Ticket ticket, lincheck::Value result);
  std::string Name(const Operation& operation) const;
  void End(Operation& operation);
  bool ChecksOrder(const Operation& operation) const;
  // `version` is what it gives to the keys that it writes.
  void OnCommand(const kv::Version& version, const kv::CommandView& command);
  void OnAtomic(const kv::Version& version, const kv::CommandView& command);
  bool TakesEffect(const kv::CommandView& command);
  // Moves the key's state on as its log does; what the operation must answer.
  lincheck::Value Replay(const std::string& key, lincheck::Version at,
                         const kv::Version& version,
                         const lincheck::Operation& op);
  // Fills in the versions of known removals of `key`, as far as their results and times tell.
  void OrderRemovals(const std::string& key, lincheck::History* history) const;
  void OnToken(const std::string& token, lincheck::Version at,
               lincheck::Value result);
  void CheckToken(uint32_t client, const std::string& key,
                  std::string_view token);
  void ReportNewViolations();
  // The history of one key, as far as clients know it, or also by what the logs tell.
  lincheck::History HistoryOf(uint32_t partition, bool with_logs) const;
  // ReplicaChecker again, with all that is known, the keys that the online checker gave up.
  void CheckGivenUp();
  // ReplicaChecker one key by the order of its log alone, without a search. Violation or not: it is decided.
  void CheckByLog(uint32_t partition);
  lincheck::Time Now() { return clock_().ns(); }

  Clock clock_;
  Report violate_;
  absl::AnyInvocable<void(const std::string& key, SimTime invoked)> read_hook_;
  const Budget budget_;
  absl::AnyInvocable<GroupId(std::string_view key)> group_of_;
  const lincheck::ModelOf<lincheck::Kv> model_;
  lincheck::OnlineChecker checker_;
  ConnectionOrderChecker order_;
  lincheck::History history_;
  ExpiryChecker expiry_;
  std::vector<Operation> operations_;
  std::vector<std::string> keys_;
  // Looked up only. By token.
  absl::flat_hash_map<std::string, Written> written_;
  std::array<uint64_t, 256> succeeded_{};
  std::map<std::string, uint64_t> succeeded_expiring_;
  Counts counts_;
  size_t open_ = 0;
  // What the logs made of each key and session so far.
  std::map<std::string, lincheck::Datum> replayed_;
  std::map<std::string, kv::Version> versions_;  // Of those that are there.
  // Of the last key removed from each slot. Keys with expiry have slots of
  // their own.
  std::map<Slot, kv::Version> slot_removals_;
  struct SessionRow {
    kv::Sequence floor;
    std::set<kv::Sequence> done;
  };
  std::map<std::pair<Slot, kv::ClientId>, SessionRow> sessions_;
  // What logs removed, by key, in order.
  struct Removal {
    uint8_t function = 0;
    SimTime time;
    lincheck::Version order = 0;
    lincheck::Value result;
  };
  std::map<std::string, std::vector<Removal>> removals_;
  // What logs hold of each key, in order: when, what and with which result.
  struct Logged {
    SimTime time;
    lincheck::Operation op;
    lincheck::Value result;
    bool claimed = false;
  };
  std::map<std::string, std::vector<Logged>> logged_;
  bool watches_log_ = false;
  lincheck::Version committed_ = lincheck::kInitialVersion;
  size_t reported_ = 0;
  uint64_t undecided_ = 0;
};

// The unique part of a written value: what stands before the first ':' (padding
// follows it).
std::string_view TokenOf(std::string_view value);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CHECKS_RECORDER_H_

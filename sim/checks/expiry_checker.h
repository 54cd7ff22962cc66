// sim/checks/expiry_checker.h: judges keys that may expire ("t…"), exactly.
//
// A group's log says what was written, in which order and at what log time; so
// every state of a key is known, with the moment from which it can be seen (the
// first replica applied it). From this follows what each command must answer:
// a write what the log makes of it, a linearizable read one of the states that
// were current between its invocation and its return, a stale read any state
// that ever was. Besides, log time itself is held against the true time: it
// never runs ahead, so no key is gone before its time; and it lags by no more
// than clocks allow, so no key outlives its time for who asks a leader.
//
// Has its own semantics of each command, not the product's. Sessions are dealt
// with by whoever calls: a command that a session suppresses is not reported.
#ifndef QUORATE_SIM_CHECKS_EXPIRY_CHECKER_H_
#define QUORATE_SIM_CHECKS_EXPIRY_CHECKER_H_

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
#include "kv/command/command.h"
#include "sim/choices/sim_time.h"
#include "sim/protocol/expiry_command.h"
#include "sim/protocol/reply.h"

namespace quorate::sim {

// What the judge may take for granted about the clocks of all nodes.
struct ClockBounds {
  // The true wall time at virtual time zero.
  WallTime epoch{};
  // The earliest end of a node's clock lags the true time by at most this.
  absl::AnyInvocable<Duration()> lag_max = [] { return Milliseconds(20); };
  // Monotonic time that any one node has lost so far, beyond what slewing makes up for.
  absl::AnyInvocable<Duration()> lost = [] { return Duration(); };
};

class ExpiryChecker {
 public:
  using Ticket = uint64_t;
  using Report = absl::AnyInvocable<void(std::string)>;

  explicit ExpiryChecker(Report violate) : violate_(std::move(violate)) {}

  // Told each state of a key, by its value; null: nothing.
  using Watcher =
      absl::AnyInvocable<void(const std::string& key, const std::string*)>;
  void WatchValues(Watcher watcher) { watcher_ = std::move(watcher); }
  void SetClocks(ClockBounds clocks) { clocks_ = std::move(clocks); }

  static bool Covers(std::string_view key) {
    return !key.empty() && key[0] == 't';
  }

  // ---- Clients.
  Ticket Invoke(SimTime now, const ExpiryCommand& call);
  // Exactly one of these ends a call; `reply` is no error.
  void Return(Ticket ticket, SimTime now, const ClientReply& reply);
  void Withdraw(Ticket ticket);  // Certainly not done.
  void StaleRead(uint32_t client, const std::string& key,
                 std::string_view value);

  // ---- Logs. Each entry when the first replica applies it: first the entry,
  // then its commands on keys that are covered.
  void OnEntry(GroupId group, SimTime now, WallTime log_time);
  void OnCommand(GroupId group, SimTime now, const kv::CommandView& command);

  ExpiryCommand::Verb verb(Ticket ticket) const {
    return operations_[ticket].call.verb;
  }
  // How many keys were seen to expire.
  uint64_t expired() const { return expired_; }

 private:
  struct State {
    SimTime since;  // Until the next one's.
    bool there = false;
    std::string value;
    int64_t due_ms = 0;   // Unix time; 0: never.
    int64_t life_ms = 0;  // From setting it to due_ms; 0: not known.
  };
  // A write in the log.
  struct Written {
    ExpiryCommand::Verb verb;
    SimTime time;
    int64_t log_ms = 0;
    int64_t due_ms = 0;  // That it asked for; 0: none.
    ClientReply reply;   // That its client must get.
    bool claimed = false;
    Ticket claimed_by = 0;
  };
  struct Key {
    std::vector<State> states;    // Never empty.
    std::vector<Written> writes;  // Without a text of their own.
  };
  struct Operation {
    ExpiryCommand call;
    SimTime invoked;
    SimTime returned;  // If it did.
    ClientReply reply;
    bool withdrawn = false;
    bool committed = false;
    Written written;  // If committed.
  };

  Key& key(const std::string& name);
  // What a command does at log time `log_ms` and what it answers.
  Written Run(GroupId group, const std::string& name, SimTime now,
              const kv::CommandView& command);
  ClientReply RunSet(const kv::CommandView& command, std::string_view text,
                     int64_t log_ms, State* next);
  ClientReply RunExpire(const kv::CommandView& command, int64_t log_ms,
                        State* next);
  void Push(GroupId group, const std::string& name, State next);
  void Append(const std::string& name, State next);
  void Attribute(const std::string& token, Written written);

  void CheckWrite(const Operation& operation);
  void CheckRead(const Operation& operation, SimTime now,
                 const ClientReply& reply);
  bool Explains(const State& state, const Operation& operation, SimTime now,
                const ClientReply& reply);
  // Writes without a text of their own are told apart by what fits: each that was acknowledged has one in the log, and no two the
  // same.
  bool Claim(Ticket ticket, std::set<size_t>* visited);
  bool Fits(const Operation& operation, const Written& written);
  bool DueFits(const Operation& operation, SimTime now, int64_t due_ms);

  int64_t UnixMs(SimTime time) const {
    return (clocks_.epoch + Duration(time.ns())).ms();
  }
  // What log time may lag by. The rest is rounding.
  int64_t LagMs() { return clocks_.lag_max().ms() + clocks_.lost().ms() + 2; }

  Report violate_;
  Watcher watcher_;
  ClockBounds clocks_;
  std::map<std::string, Key> keys_;
  std::vector<Operation> operations_;
  absl::flat_hash_map<std::string, Ticket>
      tickets_;  // By text. Looked up only.
  std::map<GroupId, std::set<std::pair<int64_t, std::string>>> due_;
  std::map<GroupId, WallTime> log_time_;
  uint64_t expired_ = 0;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CHECKS_EXPIRY_CHECKER_H_

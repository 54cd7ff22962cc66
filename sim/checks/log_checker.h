// sim/checks/log_checker.h: follows the commands that the logs commit, and
// compares them with what clients were told.
//
// The log holds every acknowledged write once, with the acknowledged result. It
// holds no refused write, and none that no client sent. A linearizable read
// returns a committed value that was current during the read.
//
// CommittedStates carries out each command. Writes of several keys then go to
// the MultiKeyChecker, and those of keys that the ExpiryChecker follows there.
// Commands on watched keys ("w…") go to the WatchChecker alone: their states
// depend on when the store removed keys that were due. The clients of the keys
// of sim/protocol/key_prefixes.h check these themselves.
#ifndef QUORATE_SIM_CHECKS_LOG_CHECKER_H_
#define QUORATE_SIM_CHECKS_LOG_CHECKER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "env/ids.h"
#include "kv/command/version.h"
#include "lincheck/history.h"
#include "raft/core/types.h"
#include "shardctrl/partition.h"
#include "sim/checks/committed_states.h"
#include "sim/checks/connection_order_checker.h"
#include "sim/checks/expiry_checker.h"
#include "sim/checks/history_checker.h"
#include "sim/checks/move_checker.h"
#include "sim/checks/multi_key_checker.h"
#include "sim/checks/stale_read_checker.h"
#include "sim/checks/watch_checker.h"
#include "sim/choices/sim_time.h"

namespace quorate::kv {
struct CommandView;
}  // namespace quorate::kv

namespace quorate::sim {

class LogChecker {
 public:
  // The number of a client's operation.
  using Number = uint64_t;
  using Clock = absl::AnyInvocable<SimTime()>;
  using Report = absl::AnyInvocable<void(std::string)>;
  using Describe = absl::AnyInvocable<std::string(Number)>;
  using Removal = HistoryChecker::Removal;

  // A client's write, and what the log shows of it.
  struct Write {
    // The unique text written, or key and delta.
    std::string token;
    uint8_t function = 0;  // Of lincheck/models/kv.h.
    bool refused = false;
    // SimTime::Max(): in no log yet.
    SimTime committed = SimTime::Max();
    // Its place among all committed commands.
    lincheck::StateVersion order = lincheck::kNoVersion;
    lincheck::Value result;

    bool in_log() const { return committed != SimTime::Max(); }
  };
  // A write that the log has again. Its session must suppress the second one.
  struct RepeatedWrite {
    Number op = 0;
    SimTime first;
    GroupId group;
    raft::Index again;  // The entry with the second one.
    SimTime again_at;
  };
  // The states, and the checkers that learn what is committed. They outlive
  // this object.
  struct Followers {
    CommittedStates* states;
    ExpiryChecker* expiry;
    ConnectionOrderChecker* order;
    StaleReadChecker* stale_reads;
    MultiKeyChecker* multi_keys;
    WatchChecker* watches;
  };

  // Calls `violate` with each violation in words. `describe` names an
  // operation. `explain` returns words in front of a violation that the result
  // of an operation shows, or an empty string.
  LogChecker(Clock clock, Report violate, Describe describe, Describe explain,
             const Followers& followers);
  LogChecker(const LogChecker&) = delete;
  LogChecker& operator=(const LogChecker&) = delete;

  // `owner_of` returns the group that owns a slot before it moves. The others
  // refuse commands on it, so that these have no effect. Without this call each
  // group owns all slots.
  void SetOwners(absl::AnyInvocable<GroupId(Slot)> owner_of) {
    moves_.SetFounders(std::move(owner_of));
  }

  // `shown` returns the latest log time that a read round of the group has
  // shown. Without this call moves are compared with the entries alone.
  void SetShownTimes(absl::AnyInvocable<WallTime(GroupId)> shown) {
    shown_ = std::move(shown);
  }

  // There is no fault from now on, and each group has a leader. Slots are
  // frozen for at most this time. The loss of power at the end comes when no
  // move is open.
  void OnCalm(MoveChecker::Clock clock, Duration frozen_max) {
    moves_.OnCalm(std::move(clock), frozen_max);
  }

  // A client calls `call` on `key`.
  void OnInvoked(Number op, const std::string& key,
                 const lincheck::Operation& call);
  // The client knows the result of an operation.
  void OnAcknowledged(Number op, lincheck::Value result);
  // The client knows that the operation was not executed.
  void OnRefused(Number op);
  // A linearizable read of `key` returned.
  void OnRead(Number op, const std::string& key,
              const lincheck::Operation& read);

  // A client empties the store. No other operation follows.
  void OnFlush() { flushed_ = true; }
  // A group committed an entry. `payload` (kv/command/command.h) is empty
  // unless the entry has commands.
  void OnCommitted(GroupId group, raft::Index index, const EntryClock& clock,
                   std::string_view payload);

  const MoveChecker& moves() const { return moves_; }
  // Whether an entry was committed. Before that nothing is compared.
  bool started() const { return started_; }
  // How many acknowledged writes, refusals and reads were compared with the
  // log, and how many of its writes with what clients sent.
  struct Checked {
    uint64_t acknowledged = 0;
    uint64_t refused = 0;
    uint64_t reads = 0;
    uint64_t writes = 0;
  };
  const Checked& checked() const { return checked_; }
  // Null: the operation is a read or a removal.
  const Write* Find(Number op) const;
  // The committed removals of a key, in order.
  const std::vector<Removal>& RemovalsOf(const std::string& key) const;
  // The writes of a key that the log has twice, but not removals, which nothing
  // identifies.
  const std::vector<RepeatedWrite>& RepeatsOf(const std::string& key) const;

 private:
  void OnRemoval(const std::string& key, const Removal& removal);
  // The session of the command suppresses it.
  void OnSuppressed(const kv::Version& version, const kv::CommandView& command);
  // One removal less may be in a log: it was committed or refused.
  void CountRemoval(const std::string& key, uint8_t function);
  // `version` is the version that the command gives to its keys.
  void OnCommand(const kv::Version& version, const kv::CommandView& command);
  // `reads`: as in ExpiryChecker::OnCommand.
  void OnWrite(const kv::Version& version, const kv::CommandView& command,
               bool reads);
  void OnMove(const kv::Version& version, const kv::CommandView& command);
  void OnAtomic(const kv::Version& version, const kv::CommandView& command);
  void OnGetEx(const kv::Version& version, const kv::CommandView& command);
  // The function of a write with this token. Nullopt: no client sends it.
  std::optional<uint8_t> FunctionOf(const kv::CommandView& command,
                                    const std::string& token);
  lincheck::Value ResultOf(uint8_t function,
                           const CommittedStates::Effect& effect);
  void OnToken(const std::string& token, CommittedStates::Position at,
               lincheck::Value result);
  // The token of a write of `key`, whose other arguments are these. Empty: it
  // has none.
  static std::string TokenIn(const kv::CommandView& command,
                             const std::string& key,
                             kv::ArgumentReader arguments);
  // The write with this token. Null: no client sent it.
  Write* FindToken(const std::string& token);

  Clock clock_;
  Report violate_;
  Describe describe_;
  Describe explain_;
  const Followers followers_;
  MoveChecker moves_;
  absl::AnyInvocable<WallTime(GroupId)> shown_;  // Null: not known.
  bool flushed_ = false;
  // The strings of arguments and results.
  lincheck::History strings_;
  // Looked up only.
  absl::flat_hash_map<Number, Write> writes_;
  absl::flat_hash_map<std::string, Number> tokens_;
  std::map<std::string, std::vector<Removal>> removals_;
  // How many DEL and GETDEL of a key clients sent that are in no log and were
  // not refused. They have no unique text.
  std::map<std::pair<std::string, uint8_t>, int64_t> removals_left_;
  absl::flat_hash_map<Number, std::pair<std::string, uint8_t>> removals_asked_;
  const std::vector<Removal> no_removals_;
  std::map<std::string, std::vector<RepeatedWrite>> repeats_;  // By key.
  const std::vector<RepeatedWrite> no_repeats_;
  bool started_ = false;
  Checked checked_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CHECKS_LOG_CHECKER_H_

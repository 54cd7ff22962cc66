// sim/checks/log_checker.h: follows the commands that the logs commit, and
// compares them with what clients were told.
//
// The log holds every acknowledged write once, with the acknowledged result. It
// holds no refused write, and none that no client sent. A linearizable read
// returns a committed value that was current during the read.
//
// Commands on keys that may expire ("t…") go to the ExpiryChecker, those on
// several keys ("m…") to the MultiKeyChecker. Commands on watched keys ("w…")
// go to the WatchChecker. The DeepClient checks its own keys.
#ifndef QUORATE_SIM_CHECKS_LOG_CHECKER_H_
#define QUORATE_SIM_CHECKS_LOG_CHECKER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "env/ids.h"
#include "env/time.h"
#include "kv/command/rules.h"
#include "kv/slots/slot_strategy.h"
#include "lincheck/history.h"
#include "raft/core/types.h"
#include "shardctrl/partition.h"
#include "sim/checks/connection_order_checker.h"
#include "sim/checks/expiry_checker.h"
#include "sim/checks/history_checker.h"
#include "sim/checks/log_replay.h"
#include "sim/checks/move_checker.h"
#include "sim/checks/multi_key_checker.h"
#include "sim/checks/stale_read_checker.h"
#include "sim/checks/value_history.h"
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
    lincheck::Version order = lincheck::kNoVersion;
    lincheck::Value result;

    bool in_log() const { return committed != SimTime::Max(); }
  };
  // The checkers that learn what is committed. They outlive this object.
  struct Followers {
    ValueHistory* values;
    ExpiryChecker* expiry;
    ConnectionOrderChecker* order;
    StaleReadChecker* stale_reads;
    MultiKeyChecker* multi_keys;
    WatchChecker* watches;
  };

  // Calls `violate` with each violation in words. `describe` names an
  // operation.
  LogChecker(Clock clock, Report violate, Describe describe,
             const Followers& followers);
  LogChecker(const LogChecker&) = delete;
  LogChecker& operator=(const LogChecker&) = delete;

  // Takes the rules of the cluster. Call it before the first entry.
  void SetSessionRules(const kv::SessionRules& rules) {
    replay_.SetSessionRules(rules);
  }
  // How the cluster divides its keys.
  void SetSlots(const std::shared_ptr<const kv::SlotStrategy>& slots) {
    slots_ = slots;
    replay_.SetSlots(slots);
  }
  // `owner_of` returns the group that owns a slot before it moves. The others
  // refuse commands on it, so that these have no effect. Without this call each
  // group owns all slots.
  void SetOwners(absl::AnyInvocable<GroupId(Slot)> owner_of) {
    moves_.SetFounders(std::move(owner_of));
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
  // Null: the operation is a read or a removal.
  const Write* Find(Number op) const;
  // The committed removals of a key, in order.
  const std::vector<Removal>& RemovalsOf(const std::string& key) const;

 private:
  // `version` is the version that the command gives to its keys.
  void OnRemoval(const std::string& key, const Removal& removal);
  // One removal less may be in a log: it was committed or refused.
  void CountRemoval(const std::string& key, uint8_t function);
  void OnCommand(const kv::Version& version, const kv::CommandView& command);
  void OnMove(GroupId group, const kv::CommandView& command);
  void OnAtomic(const kv::Version& version, const kv::CommandView& command);
  // Moves the key's value on, and returns the result of the command.
  lincheck::Value Replay(const std::string& key, lincheck::Version at,
                         const kv::Version& version,
                         const lincheck::Operation& op);
  void OnToken(const std::string& token, lincheck::Version at,
               lincheck::Value result);
  // The write with this token. Null: no client sent it.
  Write* FindToken(const std::string& token);

  Clock clock_;
  Report violate_;
  Describe describe_;
  const Followers followers_;
  MoveChecker moves_;
  bool flushed_ = false;
  // The strings of arguments and results.
  lincheck::History strings_;
  // Looked up only.
  absl::flat_hash_map<Number, Write> writes_;
  absl::flat_hash_map<std::string, Number> tokens_;
  std::shared_ptr<const kv::SlotStrategy> slots_ = kv::MakeSlotStrategy({});
  LogReplay replay_;
  std::map<std::string, std::vector<Removal>> removals_;
  // How many DEL and GETDEL of a key clients sent that are in no log and were
  // not refused. They have no unique text.
  std::map<std::pair<std::string, uint8_t>, int64_t> removals_left_;
  absl::flat_hash_map<Number, std::pair<std::string, uint8_t>> removals_asked_;
  const std::vector<Removal> no_removals_;
  bool started_ = false;
  WallTime log_time_;  // That of the group, behind the entry at hand.
  std::map<GroupId, WallTime> log_times_;
  lincheck::Version committed_ = lincheck::kInitialVersion;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CHECKS_LOG_CHECKER_H_

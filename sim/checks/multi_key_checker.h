// sim/checks/multi_key_checker.h: checks commands on several keys, of one slot
// or several, and scans over all keys. The keys are those of MultiKeyClient
// ("m…").
//
// A write on keys of several slots has a part for each slot. The order of the
// log gives every state of the keys of a slot. The rules are:
// - each part of an acknowledged MSET or DEL is in the log, once, and all parts
//   together have the acknowledged result; no part of a refused one is
// - an MGET returns, for the keys of one group, values that were current
//   together at one moment between its call and its reply; for the keys of one
//   slot once slots move
// - a SCAN returns every key that existed from its first call to its last
//   reply, and only keys that existed at some moment in between
#ifndef QUORATE_SIM_CHECKS_MULTI_KEY_CHECKER_H_
#define QUORATE_SIM_CHECKS_MULTI_KEY_CHECKER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "env/ids.h"
#include "kv/command/command.h"
#include "shardctrl/partition.h"
#include "sim/choices/sim_time.h"

namespace quorate::sim {

class MultiKeyChecker {
 public:
  using Report = absl::AnyInvocable<void(std::string)>;

  explicit MultiKeyChecker(Report violate) : violate_(std::move(violate)) {}

  static bool Covers(std::string_view key) {
    return !key.empty() && key[0] == 'm';
  }

  // ---- Clients.
  // A part of a write, with this token, begins. All values of a part of an MSET
  // begin with its token and '/'. The token of a part of a DEL is its last key,
  // which never exists.
  void Invoke(const std::string& token) { writes_[token]; }
  // The write with these parts returned: an MSET with OK, a DEL with the number
  // of keys that it removed.
  void Return(const std::vector<std::string>& tokens,
              std::optional<int64_t> removed);
  // The part was not executed.
  void Withdraw(const std::string& token);
  // An MGET returned these values. Empty: no value.
  void OnRead(const std::vector<std::string>& keys,
              const std::vector<std::optional<std::string>>& values,
              SimTime called, SimTime now);
  // A scan from its first call to its last reply returned these keys.
  void OnScan(const std::set<std::string>& found, SimTime called, SimTime now);

  // ---- The log.
  // The first replica of the group applied a command on covered keys.
  void OnCommand(GroupId group, SimTime now, const kv::CommandView& command);
  // A node got another map of the slots, or slots begin to move.
  void OnMapChanged() { map_changed_ = true; }

  uint64_t reads_checked() const { return reads_checked_; }
  // Reads that returned values of several slots of one group.
  uint64_t group_reads_checked() const { return group_reads_checked_; }
  uint64_t scans_checked() const { return scans_checked_; }

 private:
  struct Write {
    bool committed = false;
    bool withdrawn = false;
    int64_t removed = 0;  // By a DEL, once it is committed.
  };
  // The values of the keys of one slot. A state ends where the next one begins.
  struct State {
    SimTime since;
    uint64_t number = 0;  // In the order of all states of all slots.
    std::map<std::string, std::string> values;
  };
  struct SlotHistory {
    GroupId group;  // 0: nothing was written yet.
    std::vector<State> states;
  };
  // A read of keys of one slot: the states that may explain it begin with
  // `oldest`.
  struct SlotRead {
    const std::vector<State>* states;
    size_t oldest;
    std::map<std::string, std::optional<std::string>> values;

    bool Explains(const State& state) const;
    // True if the state at the moment of that number explains it.
    bool ExplainedAt(uint64_t number) const;
  };

  void Commit(const std::string& token, int64_t removed);
  SlotHistory& HistoryOf(Slot slot);
  std::vector<State>& StatesOf(Slot slot) { return HistoryOf(slot).states; }
  // Calls `visit` with each state of the time, the latest first, until it
  // returns true.
  template <typename Visit>
  static bool AnyState(const std::vector<State>& states, SimTime called,
                       Visit visit);

  Report violate_;
  std::map<std::string, Write> writes_;
  std::map<Slot, SlotHistory> slots_;
  uint64_t states_ = 0;
  bool map_changed_ = false;
  uint64_t reads_checked_ = 0;
  uint64_t group_reads_checked_ = 0;
  uint64_t scans_checked_ = 0;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CHECKS_MULTI_KEY_CHECKER_H_

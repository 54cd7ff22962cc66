// sim/checks/multi_key_checker.h: checks commands on several keys, of one slot
// or several, and scans. The keys may be any: CommittedStates knows what they
// contain.
//
// A write on keys of several slots has a part for each slot. The rules are:
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
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/types/span.h"
#include "kv/command/command.h"
#include "shardctrl/partition.h"
#include "sim/checks/committed_states.h"
#include "sim/choices/sim_time.h"

namespace quorate::sim {

class MultiKeyChecker {
 public:
  using Report = absl::AnyInvocable<void(std::string)>;

  // `states` outlives the checker.
  MultiKeyChecker(const CommittedStates* states, Report violate)
      : states_(states), violate_(std::move(violate)) {}

  // Whether the command is a part of a write on several keys.
  static bool Covers(const kv::CommandView& command) {
    return command.op == kv::Op::kMSet ||
           (command.op == kv::Op::kDel && command.arguments.count() > 1);
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
  // A scan of the keys with this prefix, from its first call to its last reply,
  // returned these keys.
  void OnScan(std::string_view prefix, const std::set<std::string>& found,
              SimTime called, SimTime now);

  // ---- The log.
  // A part of a write had this effect.
  void OnCommand(const kv::CommandView& command,
                 const CommittedStates::Effect& effect);
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
  // A value that a read returned, and the states of its key since the call.
  struct Found {
    absl::Span<const CommittedStates::State> states;
    uint64_t value;

    // Whether the key had the value at that place.
    bool At(CommittedStates::Position place) const;
  };
  // The values that must have been current together.
  struct Together {
    std::set<Slot> slots;
    std::vector<Found> found;

    bool Explained() const;
  };

  const CommittedStates* const states_;
  Report violate_;
  std::map<std::string, Write> writes_;
  bool map_changed_ = false;
  uint64_t reads_checked_ = 0;
  uint64_t group_reads_checked_ = 0;
  uint64_t scans_checked_ = 0;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CHECKS_MULTI_KEY_CHECKER_H_

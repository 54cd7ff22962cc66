// sim/checks/multi_key_checker.h: checks commands on several keys of one slot,
// and scans over all keys. The keys are those of MultiKeyClient ("m…").
//
// The order of the log gives every state of the keys of a slot. The rules are:
// - an acknowledged MSET or DEL is in the log, once, with the acknowledged
//   result; a refused one is not
// - an MGET returns values that were current together at one moment between its
//   call and its reply
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
  // A write with this token begins. All values of an MSET begin with its token
  // and '/'. The token of a DEL is its last key, which never exists.
  void Invoke(const std::string& token) { writes_[token]; }
  // The write returned: an MSET with OK, a DEL with the number of keys that it
  // removed.
  void Return(const std::string& token, std::optional<int64_t> removed);
  // The write was not executed.
  void Withdraw(const std::string& token);
  // An MGET of keys of one slot returned these values. Empty: no value.
  void OnRead(const std::vector<std::string>& keys,
              const std::vector<std::optional<std::string>>& values,
              SimTime called, SimTime now);
  // A scan from its first call to its last reply returned these keys.
  void OnScan(const std::set<std::string>& found, SimTime called, SimTime now);

  // ---- The log.
  // The first replica applied a command on covered keys.
  void OnCommand(SimTime now, const kv::CommandView& command);

  uint64_t reads_checked() const { return reads_checked_; }
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
    std::map<std::string, std::string> values;
  };

  void Commit(const std::string& token, int64_t removed);
  std::vector<State>& StatesOf(Slot slot);
  // Calls `visit` with each state of the time, the latest first, until it
  // returns true.
  template <typename Visit>
  static bool AnyState(const std::vector<State>& states, SimTime called,
                       Visit visit);

  Report violate_;
  std::map<std::string, Write> writes_;
  std::map<Slot, std::vector<State>> slots_;
  uint64_t reads_checked_ = 0;
  uint64_t scans_checked_ = 0;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CHECKS_MULTI_KEY_CHECKER_H_

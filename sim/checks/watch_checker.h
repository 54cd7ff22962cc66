// sim/checks/watch_checker.h: checks transactions on keys that are watched,
// removed and expire. The keys are those of WatchClient ("w…").
//
// The order of the log gives every change of a key but its expiry. The rules
// are:
// - a transaction is executed only if none of its watched keys changed since it
//   was read, was removed, or was due by the log time of the transaction
// - an acknowledged write is in the log; a refused one is not, and is not read
// - a value that was read was current during the read
#ifndef QUORATE_SIM_CHECKS_WATCH_CHECKER_H_
#define QUORATE_SIM_CHECKS_WATCH_CHECKER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "env/time.h"
#include "kv/command/command.h"
#include "sim/choices/sim_time.h"

namespace quorate::sim {

class WatchChecker {
 public:
  using Report = absl::AnyInvocable<void(std::string)>;

  explicit WatchChecker(Report violate) : violate_(std::move(violate)) {}

  static bool Covers(std::string_view key) {
    return !key.empty() && key[0] == 'w';
  }

  // A watched key as its client read it. Empty: it was absent.
  struct Read {
    std::string key;
    std::optional<std::string> value;
  };
  struct Transaction {
    std::string token;
    std::vector<Read> reads;
    // The reads were sent, and all were answered.
    SimTime called;
    SimTime read;
  };

  // ---- Clients. Each write has a token: the value of its SET, or the last key
  // of a DEL, which never exists.
  void Invoke(const std::string& token) { writes_[token]; }
  // A command outside transactions succeeded.
  void Return(const std::string& token);
  // The write was refused as not executed.
  void Withdraw(const std::string& token);
  void OnExecuted(const Transaction& transaction);
  // EXEC returned nothing, since a watched key changed. True: a key that was
  // read was due by then.
  bool OnAborted(const Transaction& transaction);
  // No operation is open any more. Checks the transactions again, since more
  // outcomes are known.
  void Finish();

  // ---- The log.
  // The first replica applied a command on covered keys, in an entry of this
  // log time.
  void OnCommand(SimTime now, WallTime log_time,
                 const kv::CommandView& command);

  uint64_t executed() const { return executed_.size(); }

 private:
  struct Write {
    uint64_t place = 0;  // In the log; zero: it is in none.
    int64_t log_ms = 0;
    bool refused = false;
    bool executed = false;
  };
  struct Change {
    uint64_t place = 0;
    SimTime at;  // The first replica applied it.
    std::string token;
    bool removes = false;
    int64_t due_ms = 0;  // Zero: never.
    // It has effect only if its transaction is executed.
    bool conditional = false;
  };

  void OnChange(SimTime now, int64_t log_ms, const kv::CommandView& command,
                bool conditional);
  bool HasEffect(const Change& change) const {
    return !change.conditional || writes_.at(change.token).executed;
  }
  void Check(const Transaction& transaction);
  void CheckRead(const Transaction& transaction, const Read& read,
                 const Write& write);
  // The change that wrote the value. Null: it is in no log.
  const Change* Find(const Read& read) const;

  Report violate_;
  uint64_t places_ = 0;
  std::map<std::string, Write> writes_;
  std::map<std::string, std::vector<Change>> changes_;  // By key.
  std::vector<Transaction> executed_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CHECKS_WATCH_CHECKER_H_

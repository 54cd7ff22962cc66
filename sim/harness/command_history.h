// sim/harness/command_history.h: the commands of a run, held against the log
// that replicas applied.
//
// The order of the log is a certificate of linearizability, so no search is
// needed. Each acknowledged command must be in the log, take effect between its
// call and its reply, and return what the model returns there. A command of
// unknown outcome took effect if the log has its bytes.
#ifndef QUORATE_SIM_HARNESS_COMMAND_HISTORY_H_
#define QUORATE_SIM_HARNESS_COMMAND_HISTORY_H_

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "lincheck/history.h"
#include "lincheck/model.h"
#include "raft/core/types.h"
#include "sim/choices/sim_time.h"

namespace quorate::sim {

class CommandHistory {
 public:
  // Makes the strings of operations.
  lincheck::History& values() { return values_; }
  const lincheck::History& values() const { return values_; }

  // A client proposes `payload` on an object. Only client, function and
  // arguments of `operation` matter. Returns its number.
  size_t Invoke(SimTime now, std::string payload, const std::string& object,
                lincheck::Operation operation);
  // It was executed as the entry at `index`.
  void Return(size_t command, SimTime now, raft::Index index,
              lincheck::Value result);
  // It was not executed, and will not be.
  void Withdraw(size_t command) { commands_[command].withdrawn = true; }
  // Call it when the first replica applies an entry.
  void OnApplied(SimTime now, raft::Index index, std::string_view payload);

  // All but those that were not executed.
  std::vector<lincheck::Operation> operations() const;
  // The first violation in words, or an empty string.
  std::string Check(const lincheck::Model& model) const;

 private:
  struct Command {
    std::string payload;
    lincheck::Operation operation;
    raft::Index index;  // Zero: it did not return.
    bool withdrawn = false;
  };
  struct Entry {
    SimTime time;
    raft::Index index;
    std::string payload;
  };

  // The command of each entry, in the order of the log.
  std::string Match(std::vector<const Command*>* in_order) const;

  lincheck::History values_;
  std::vector<Command> commands_;
  std::vector<Entry> log_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_HARNESS_COMMAND_HISTORY_H_

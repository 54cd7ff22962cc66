// sim/harness/state_machine_test.h: what a simulation needs of a user's state
// machine: the state machine, its commands, a model of it, and checkers.
#ifndef QUORATE_SIM_HARNESS_STATE_MACHINE_TEST_H_
#define QUORATE_SIM_HARNESS_STATE_MACHINE_TEST_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/types/span.h"
#include "env/buffer.h"
#include "env/ids.h"
#include "env/random.h"
#include "lincheck/history.h"
#include "lincheck/model.h"
#include "raft/core/types.h"
#include "raft/host/state_machine.h"

namespace quorate::sim {

class StateMachineTest {
 public:
  struct Command {
    // Should be unique: the log is searched for it if the outcome is unknown.
    Buffer payload;
    // Function and arguments, as the model knows them. Each object has a state
    // of its own.
    lincheck::Operation operation;
    std::string object = "state";
  };

  // A replica that works.
  struct Replica {
    NodeId node;
    raft::Index applied;  // The last entry that `state` contains.
    const raft::StateMachine* state = nullptr;  // A result of Make.
  };

  virtual ~StateMachineTest() = default;
  virtual std::unique_ptr<raft::StateMachine> Make() = 0;
  // A random command. Strings of the operation are made with `values`. Each
  // call has a `random` of its own. Draws at one site differ by their last two
  // arguments, so a single draw may have zeros there.
  virtual Command Draw(const Random& random, lincheck::History& values) = 0;
  // The result of StateMachine::Apply as the model knows it.
  virtual lincheck::Value ResultOf(const Command& command,
                                   std::string_view result,
                                   lincheck::History& values) = 0;
  virtual const lincheck::Model& model() const = 0;
  // A checker of one's own. Called at the end of each turn that may have
  // changed a replica, with all replicas that work, by node. Returns a
  // violation in words, or an empty string. The first violation ends the run.
  virtual std::string Check(absl::Span<const Replica> replicas) {
    (void)replicas;
    return "";
  }
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_HARNESS_STATE_MACHINE_TEST_H_

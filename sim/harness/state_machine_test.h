// sim/harness/state_machine_test.h: what a simulation needs of a user's state
// machine: the state machine, its commands and a model of it.
#ifndef QUORATE_SIM_HARNESS_STATE_MACHINE_TEST_H_
#define QUORATE_SIM_HARNESS_STATE_MACHINE_TEST_H_

#include <memory>
#include <string>
#include <string_view>

#include "env/buffer.h"
#include "env/random.h"
#include "lincheck/history.h"
#include "lincheck/model.h"
#include "raft/host/state_machine.h"

namespace quorate::sim {

class StateMachineTest {
 public:
  struct Command {
    Buffer payload;
    // Function and arguments, as the model knows them. Each object has a state
    // of its own.
    lincheck::Operation operation;
    std::string object = "state";
  };

  virtual ~StateMachineTest() = default;
  virtual std::unique_ptr<raft::StateMachine> Make() = 0;
  // A random command. Strings of the operation are made with `values`.
  virtual Command Draw(const Random& random, lincheck::History& values) = 0;
  // The result of StateMachine::Apply as the model knows it.
  virtual lincheck::Value ResultOf(const Command& command,
                                   std::string_view result,
                                   lincheck::History& values) = 0;
  virtual const lincheck::Model& model() const = 0;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_HARNESS_STATE_MACHINE_TEST_H_

// sim/checks/test_command.h: committed commands, for the tests of checkers.
// They are encoded and decoded as in an entry.
#ifndef QUORATE_SIM_CHECKS_TEST_COMMAND_H_
#define QUORATE_SIM_CHECKS_TEST_COMMAND_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "env/check.h"
#include "kv/command/command.h"
#include "kv/slots/slot.h"
#include "sim/checks/committed_states.h"

namespace quorate::sim {

// The only command of an entry, decoded.
class TestCommand {
 public:
  explicit TestCommand(const kv::CommandSpec& spec) {
    kv::BatchBuilder batch;
    batch.Add(spec);
    payload_ = batch.Finish();
    kv::CommandReader reader(payload_.view());
    CHECK(reader.Next(&view_));
  }
  const kv::CommandView& view() const { return view_; }

 private:
  Buffer payload_;
  kv::CommandView view_;
};

// Applies a SET in an entry of group 1.
inline CommittedStates::Effect ApplySet(
    CommittedStates& states, SimTime now, std::string_view key,
    std::string_view value, std::optional<int64_t> expire_at_ms = {}) {
  const std::string_view arguments[] = {key, value};
  const TestCommand set({.op = kv::Op::kSet,
                         .slot = kv::HashSlot(key),
                         .expire_at_ms = expire_at_ms,
                         .arguments = arguments});
  return *states.Apply(now, {.group = GroupId(1), .index = raft::Index(1)},
                       set.view());
}

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CHECKS_TEST_COMMAND_H_

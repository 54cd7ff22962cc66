#include "raft/host/dropped_states.h"

#include <memory>
#include <string_view>

#include "absl/status/status.h"
#include "env/buffer.h"
#include "env/env.h"
#include "gtest/gtest.h"
#include "raft/host/bytes_state_machine.h"
#include "sim/world/world.h"

namespace quorate::raft {
namespace {

// Counts its parts.
class Parts final : public BytesStateMachine {
 public:
  Parts(int parts, int* freed) : parts_(parts), freed_(freed) {}
  Buffer Apply(const Entry&, bool) override { return Buffer(); }
  Buffer Save() const override { return Buffer(); }
  absl::Status Restore(std::string_view) override { return absl::OkStatus(); }
  bool FreePart() override {
    ++*freed_;
    return --parts_ > 0;
  }

 private:
  int parts_;
  int* const freed_;
};

TEST(DroppedStatesTest, States_AreFreedAPartInATurn) {
  sim::World world{{.seed = 1}};
  const sim::MachineId machine = world.AddMachine();
  world.Start(machine, /*factory=*/nullptr);
  DroppedStates states{world.env(machine).loop};
  int freed = 0;
  states.Add(std::make_unique<Parts>(3, &freed));
  states.Add(nullptr);
  states.Add(std::make_unique<Parts>(2, &freed));
  EXPECT_EQ(states.waiting(), 2u);
  EXPECT_EQ(freed, 0);
  int before = 0;
  ASSERT_TRUE(world.RunUntilTrue([&] {
    EXPECT_LE(freed - before, 1);
    before = freed;
    return states.waiting() == 0;
  }));
  EXPECT_EQ(freed, 5);
}

}  // namespace
}  // namespace quorate::raft

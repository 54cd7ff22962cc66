#include "sim/harness/supervisor.h"

#include <memory>

#include "absl/status/status.h"
#include "gtest/gtest.h"

namespace quorate::sim {
namespace {

constexpr Duration kDelay = Seconds(2);

// A program that stops by itself whenever it starts.
class SupervisorTest : public testing::Test {
 protected:
  SupervisorTest() {
    world_.Start(machine_, [this](env::Env&) -> std::shared_ptr<void> {
      ++starts_;
      if (stops_) supervisor_.OnStopped(machine_, absl::InternalError("gone"));
      return std::make_shared<int>(0);
    });
  }

  World world_{{.seed = 1}};
  Supervisor supervisor_{&world_, kDelay};
  const MachineId machine_ = world_.AddMachine({.name = "n1"});
  bool stops_ = true;
  int starts_ = 0;
};

TEST_F(SupervisorTest, ProgramThatStopped_StartsAgainAfterTheDelay) {
  world_.RunFor(kDelay - Milliseconds(1));
  EXPECT_EQ(starts_, 1);
  stops_ = false;
  world_.RunFor(Seconds(10));
  EXPECT_EQ(starts_, 2);
  EXPECT_TRUE(world_.running(machine_));
}

// A fault restarts the program, and it stops again before the delay is over.
TEST_F(SupervisorTest, ProgramThatStoppedTwiceWithinTheDelay_StartsAgain) {
  world_.RunFor(Seconds(1));
  world_.Crash(machine_, CrashKind::kProcess);
  world_.Restart(machine_);
  world_.RunFor(Milliseconds(500));
  EXPECT_EQ(starts_, 2);
  stops_ = false;
  world_.RunFor(Seconds(10));
  EXPECT_EQ(starts_, 3);
}

TEST_F(SupervisorTest, SecondReportOfOneProgram_HasNoEffect) {
  world_.RunFor(Seconds(1));
  supervisor_.OnStopped(machine_, absl::InternalError("gone again"));
  stops_ = false;
  world_.RunFor(Seconds(10));
  EXPECT_EQ(starts_, 2);
}

}  // namespace
}  // namespace quorate::sim

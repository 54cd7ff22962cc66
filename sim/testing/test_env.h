// sim/testing/test_env.h: one node's Env in a world of its own without faults,
// for unit tests in other folders. The test drives the world.
//
//   TestEnv test;
//   auto pending = test.env().disk.Open("wal", ...);
//   test.world().RunUntilIdle();
//   // The world does not own objects that use the Env: destroy them first.
//   test.Crash(sim::CrashKind::kMachine);
//   // Build them again on test.env(): it has the same disk.
#ifndef QUORATE_SIM_TESTING_TEST_ENV_H_
#define QUORATE_SIM_TESTING_TEST_ENV_H_

#include <cstdint>

#include "env/env.h"
#include "sim/world/world.h"

namespace quorate::sim {

class TestEnv {
 public:
  explicit TestEnv(uint64_t seed = 1) : TestEnv(WorldOptions{.seed = seed}) {}
  explicit TestEnv(const WorldOptions& options) : world_(options) {
    machine_ = world_.AddMachine({.name = "test"});
    world_.Start(machine_, nullptr);
  }

  World& world() { return world_; }
  MachineId machine() const { return machine_; }
  env::Env& env() { return world_.env(machine_); }

  // Runs `body` inside a turn of the node, then all events until none is left.
  template <typename Body>
  void InTurn(Body&& body) {
    env::Pending pending =
        env().loop.Defer([&body] { std::forward<Body>(body)(); });
    world_.RunUntilIdle();
  }
  // Crashes the machine and boots it again. The disk stays, everything else is
  // new. The seed decides which bytes a crash of the machine loses
  // (docs/testing/fault-model.md), so a test crashes under several seeds.
  void Crash(CrashKind kind) {
    world_.Crash(machine_, kind);
    world_.Start(machine_, nullptr);
  }

 private:
  World world_;
  MachineId machine_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_TESTING_TEST_ENV_H_

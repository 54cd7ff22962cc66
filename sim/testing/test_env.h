// sim/testing/test_env.h: one node's Env in a boring world of its own, driven by hand:
// for unit tests in other folders.
//
//   TestEnv test;
//   auto pending = test.env().disk.Open("wal", ...);
//   test.world().RunUntilIdle();
//   test.Crash(sim::CrashKind::kMachine);  // Destroy what uses the Env first:
//   the world does not own it.
//   // Build it again on test.env(): the same disk.
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

  // Runs `body` inside a turn of the node, then whatever follows until nothing
  // is left to do.
  template <typename Body>
  void InTurn(Body&& body) {
    env::Pending pending =
        env().loop.Defer([&body] { std::forward<Body>(body)(); });
    world_.RunUntilIdle();
  }
  // Crashes the machine and boots it again: the disk stays, everything else is
  // new.
  void Crash(CrashKind kind) {
    world_.Crash(machine_, kind);
    world_.Start(machine_, nullptr);
  }
  // A disk that loses, keeps or mixes what was not durable in the next crashes
  // is chosen by the seed: see docs/testing/fault-model.md. Crashing under
  // several seeds reaches every case.

 private:
  World world_;
  MachineId machine_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_TESTING_TEST_ENV_H_

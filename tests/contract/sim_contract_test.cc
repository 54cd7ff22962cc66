// The contract suites on the simulated world.
#include <memory>
#include <string>
#include <vector>

#include "sim/world/world.h"
#include "tests/contract/fixture.h"

namespace quorate::contract {
namespace {

class SimFixture : public Fixture {
 public:
  explicit SimFixture(const sim::WorldOptions& options) : world_(options) {}

  env::Env& env(int index) override {
    while (static_cast<int>(machines_.size()) <= index) {
      machines_.push_back(world_.AddMachine());
      world_.Start(machines_.back(), nullptr);
    }
    return world_.env(machines_[index]);
  }
  env::Env& SharingDirectoryOf(int index) override {
    sim::MachineOptions options;
    options.shares_disk_with = machines_.at(index);
    const sim::MachineId machine = world_.AddMachine(options);
    world_.Start(machine, nullptr);
    return world_.env(machine);
  }
  void Restart(int index) override {
    world_.Crash(machines_.at(index), sim::CrashKind::kProcess);
    world_.Start(machines_.at(index), nullptr);
  }
  bool RunUntil(const std::function<bool()>& done) override {
    return world_.RunUntilTrue(done, Seconds(300));
  }
  void RunFor(Duration length) override { world_.RunFor(length); }
  std::string FreshAddress() override {
    return "host:" + std::to_string(next_port_++);
  }

 private:
  sim::World world_;
  std::vector<sim::MachineId> machines_;
  int next_port_ = 7000;
};

std::unique_ptr<Fixture> MakeFaultless() {
  return std::make_unique<SimFixture>(sim::WorldOptions());
}

// A world with the worst behaviour that the contract allows, without losses and
// errors.
std::unique_ptr<Fixture> MakeBusy() {
  sim::WorldOptions options;
  options.seed = 99;
  options.network.jitter = {1, 2};
  options.network.reorder = {1, 4};
  options.network.duplicate = {1, 10};
  options.streams.jitter = {1, 2};
  options.streams.split = {1, 2};
  options.disk.jitter = {1, 1};
  options.loop.hiccup = {1, 4};
  options.loop.timers_first = {1, 2};
  options.loop.hiccup_max = Milliseconds(1);
  return std::make_unique<SimFixture>(options);
}

INSTANTIATE_TEST_SUITE_P(Faultless, LoopContract,
                         ::testing::Values(&MakeFaultless));
INSTANTIATE_TEST_SUITE_P(Faultless, DiskContract,
                         ::testing::Values(&MakeFaultless));
INSTANTIATE_TEST_SUITE_P(Faultless, TransportContract,
                         ::testing::Values(&MakeFaultless));
INSTANTIATE_TEST_SUITE_P(Faultless, StreamsContract,
                         ::testing::Values(&MakeFaultless));
INSTANTIATE_TEST_SUITE_P(Busy, LoopContract, ::testing::Values(&MakeBusy));
INSTANTIATE_TEST_SUITE_P(Busy, DiskContract, ::testing::Values(&MakeBusy));
INSTANTIATE_TEST_SUITE_P(Busy, StreamsContract, ::testing::Values(&MakeBusy));
INSTANTIATE_TEST_SUITE_P(Faultless, TaskContract,
                         ::testing::Values(&MakeFaultless));
INSTANTIATE_TEST_SUITE_P(Busy, TaskContract, ::testing::Values(&MakeBusy));

}  // namespace
}  // namespace quorate::contract

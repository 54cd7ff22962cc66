// The counter runs on three machines of a simulated world, while a client on
// every machine adds. The world loses messages, partitions the network, crashes
// machines and tears disks. The test checks the sums that the clients received.
#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "env/check.h"
#include "env/parse_integer.h"
#include "examples/counter/counter.h"
#include "gtest/gtest.h"
#include "lincheck/checker.h"
#include "raft/host/host.h"
#include "sim/world/world.h"

namespace quorate::examples {
namespace {

constexpr GroupId kGroup(1);
constexpr int kNodes = 3;

// The counter as a model of the checker: every add returns the new sum.
struct CounterModel {
  using State = int64_t;
  State Initial() const { return 0; }
  bool Step(State& state, const lincheck::Operation& add) const {
    state += add.argument.integer();
    return !add.known() || add.result == lincheck::Value::Integer(state);
  }
  bool IsRead(const lincheck::Operation&) const { return false; }
  std::string_view Name(uint8_t) const { return "add"; }
  std::string Describe(const State& state) const {
    return std::to_string(state);
  }
};

// Every add of a run, with the sum that its client received.
class Record {
 public:
  size_t Invoke(int64_t at, int64_t delta) {
    adds_.push_back(
        {.invoke = at, .argument = lincheck::Value::Integer(delta)});
    return adds_.size() - 1;
  }
  void Return(size_t add, int64_t at, const raft::ProposeResult& result) {
    if (result.outcome == Outcome::kNotExecuted) refused_.push_back(add);
    if (result.outcome != Outcome::kDone) return;
    int64_t sum = 0;
    CHECK(ParseInteger(result.result.view(), &sum));
    adds_[add].ret = at;
    adds_[add].result = lincheck::Value::Integer(sum);
    ++done_;
  }

  size_t done() const { return done_; }
  // All adds except those that were not executed.
  lincheck::History History() const {
    lincheck::History history;
    const uint32_t counter = history.Partition("counter");
    for (size_t i = 0; i < adds_.size(); ++i) {
      if (std::find(refused_.begin(), refused_.end(), i) != refused_.end())
        continue;
      lincheck::Operation add = adds_[i];
      add.partition = counter;
      add.client = static_cast<uint32_t>(i);
      history.Add(add);
    }
    return history;
  }

 private:
  std::vector<lincheck::Operation> adds_;
  std::vector<size_t> refused_;
  size_t done_ = 0;
};

// Returns the right sum, but drops every fiftieth add.
class ForgetfulCounter final : public Counter {
 public:
  Buffer Apply(const raft::Entry& entry, bool wants_result) override {
    Buffer result = Counter::Apply(entry, wants_result);
    if (entry.index.value() % 50 != 0) return result;
    raft::Entry undo = entry;
    undo.payload = Buffer::Copy("-" + std::string(entry.payload.view()));
    Counter::Apply(undo, false);
    return result;
  }
};

using Make = std::unique_ptr<raft::StateMachine> (*)();

template <typename T>
std::unique_ptr<raft::StateMachine> New() {
  return std::make_unique<T>();
}

// The process on a machine: a replica, and a client that adds every 20 ms.
class Node {
 public:
  Node(env::Env& env, sim::World& world, raft::HostOptions options, Make make,
       Record& record)
      : env_(env),
        world_(world),
        record_(record),
        host_(
            env, std::move(options),
            [make](GroupId, const raft::Configuration&) { return make(); },
            nullptr) {
    host_.Start([this](absl::Status started) {
      CHECK(started.ok()) << started.ToString();
      Tick();
    });
  }

  // The sum of this replica, or the reason why it has none.
  absl::StatusOr<int64_t> Sum() const {
    const absl::Status status = host_.group_status(kGroup);
    if (!status.ok()) return status;
    return static_cast<const Counter*>(host_.state_machine(kGroup))->sum();
  }

 private:
  void Tick() {
    const int64_t delta = 1 + static_cast<int64_t>(env_.random.Below(
                                  9, "example.delta", 0, ++ticks_));
    const size_t add = record_.Invoke(world_.now().ns(), delta);
    host_.Propose(kGroup, Buffer::Copy(std::to_string(delta)),
                  [this, add](const raft::ProposeResult& result) {
                    record_.Return(add, world_.now().ns(), result);
                  });
    timer_ = env_.loop.At(env_.loop.ReadClock().mono + Milliseconds(20),
                          [this] { Tick(); });
  }

  env::Env& env_;
  sim::World& world_;
  Record& record_;
  raft::Host host_;
  uint64_t ticks_ = 0;
  env::Pending timer_;
};

class Simulation {
 public:
  explicit Simulation(uint64_t seed, Make make = New<Counter>)
      : world_({.seed = seed}) {
    for (int i = 0; i < kNodes; ++i) machines_.push_back(world_.AddMachine());
    nodes_.resize(kNodes);
    for (int i = 0; i < kNodes; ++i) {
      world_.Start(machines_[i], [this, i, make](env::Env& env) {
        auto node =
            std::make_shared<Node>(env, world_, OptionsOf(i), make, record_);
        nodes_[i] = node;
        return node;
      });
    }
  }

  // Runs with faults for `seconds`, then without faults for two seconds.
  // Returns a description of the first violation, or "".
  std::string Run(int seconds) {
    world_.network_options().loss = {1, 50};
    world_.network_options().duplicate = {1, 50};
    world_.network_options().reorder = {1, 20};
    for (int second = 1; second <= seconds; ++second) {
      world_.RunUntil(sim::SimTime(0) + Seconds(second));
      InjectFault(second);
    }
    world_.network_options() = {};
    world_.HealNetwork();
    world_.RunFor(Seconds(2));
    return Check();
  }

  size_t done() const { return record_.done(); }
  sim::Hash128 hash() const { return world_.trace_hash(); }

 private:
  static std::string AddressOf(int i) {
    return "10.0.0." + std::to_string(i + 1) + ":7000";
  }

  raft::HostOptions OptionsOf(int i) const {
    raft::HostOptions options;
    options.cluster = ClusterId(1);
    options.node = NodeId(i + 1);
    options.listen_address = AddressOf(i);
    raft::Configuration initial;
    for (int peer = 0; peer < kNodes; ++peer) {
      initial.voters.push_back({NodeId(peer + 1)});
      if (peer != i)
        options.peers.push_back({NodeId(peer + 1), AddressOf(peer)});
    }
    options.groups.push_back(
        {.group = kGroup, .initial_configuration = initial});
    options.bootstrap = world_.incarnation(machines_[i]) == 1;
    // Small values, so that snapshots are taken.
    options.snapshot_threshold_bytes = 2'000;
    options.snapshot_trailing_bytes = 500;
    return options;
  }

  // Crashes one machine, or cuts it off, for half a second.
  void InjectFault(int second) {
    const auto roll = [&](const sim::ChoiceSite& site, uint64_t bound) {
      return world_.choices().Below(site, 0, static_cast<uint64_t>(second),
                                    bound);
    };
    const sim::MachineId victim = machines_[roll("example.victim", kNodes)];
    const sim::SimTime end = world_.now() + Milliseconds(500);
    if (roll("example.trouble", 2) == 0) {
      world_.Crash(victim, sim::CrashKind::kMachine);
      world_.At(end, [this, victim] { world_.Restart(victim); });
      return;
    }
    for (const sim::MachineId other : machines_) {
      if (other == victim) continue;
      world_.BlockLink(victim, other);
      world_.BlockLink(other, victim);
    }
    world_.At(end, [this] { world_.HealNetwork(); });
  }

  std::string Check() const {
    const auto model = lincheck::ModelOf(CounterModel{});
    const lincheck::History history = record_.History();
    const lincheck::Verdict verdict =
        lincheck::Check(history, model, {.minimise_nodes_max = 200000});
    if (verdict.result != lincheck::Result::kOk) {
      return verdict.counter_example.has_value()
                 ? Describe(history, model, *verdict.counter_example)
                 : "not decided";
    }
    for (const auto& node : nodes_) {
      const absl::StatusOr<int64_t> sum = node.lock()->Sum();
      if (!sum.ok()) return sum.status().ToString();
      if (*sum != *nodes_[0].lock()->Sum()) {
        return "replicas differ at the end";
      }
    }
    return world_.violations().empty() ? "" : world_.violations().front();
  }

  sim::World world_;
  Record record_;
  std::vector<sim::MachineId> machines_;
  // The world owns the objects of its machines.
  std::vector<std::weak_ptr<Node>> nodes_;
};

TEST(CounterSimulationTest, AddsUnderFaults_OfManySeeds_AreLinearizable) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Simulation simulation(seed);
    EXPECT_EQ(simulation.Run(10), "");
    EXPECT_GT(simulation.done(), 100u);
  }
}

TEST(CounterSimulationTest, ForgetfulCounter_IsReported) {
  const std::string wrong = Simulation(1, New<ForgetfulCounter>).Run(1);
  EXPECT_NE(wrong.find("add"), std::string::npos) << wrong;
}

TEST(CounterSimulationTest, SameSeed_Twice_HasTheSameHash) {
  Simulation first(7), second(7);
  first.Run(10);
  second.Run(10);
  EXPECT_EQ(first.hash(), second.hash());
}

}  // namespace
}  // namespace quorate::examples

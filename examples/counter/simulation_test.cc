// The counter on three machines of a simulated world, with faults of all
// families. Each run checks consensus, progress after faults, and the sums that
// clients received.
#include "examples/counter/simulation.h"

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "raft/host/state_machine.h"
#include "sim/harness/harness.h"

namespace quorate::examples {
namespace {

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

// Returns the right sum, and begins again at 0 now and then.
class ShrinkingCounter final : public Counter {
 public:
  Buffer Apply(const raft::Entry& entry, bool wants_result) override {
    Buffer result = Counter::Apply(entry, wants_result);
    if (entry.index.value() % 50 != 0) return result;
    raft::Entry undo = entry;
    undo.payload = Buffer::Copy("-" + std::to_string(sum()));
    Counter::Apply(undo, false);
    return result;
  }
};

// Takes no state from a snapshot.
class StubbornCounter final : public Counter {
 public:
  absl::Status Restore(std::string_view) override {
    return absl::DataLossError("stubborn");
  }
};

TEST(CounterSimulationTest, ManySeeds_BehaveLikeOneCounter) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const sim::HarnessResult result =
        sim::RunSeed({.seed = seed}, SimulatedCounter<>);
    EXPECT_TRUE(result.ok())
        << "seed " << seed << ": " << result.violations.front() << "\n"
        << result.tape;
  }
}

// A group of the counter grows to four nodes and shrinks again. The fourth node
// is admitted later, and its disk may be lost.
TEST(CounterSimulationTest, ManySeeds_GrowToFourNodesAndBack) {
  std::map<std::string, uint64_t> reached;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    sim::Harness harness({.seed = seed});
    const auto counter = CounterWithFourNodes(harness.world());
    harness.Execute(*counter);
    EXPECT_EQ(harness.Violations(), std::vector<std::string>())
        << "seed " << seed;
    for (const auto& [mark, count] : harness.world().marks()) {
      reached[std::string(mark)] += count;
    }
  }
  for (const char* mark :
       {"operator.node_admitted", "operator.replica_joins",
        "operator.joiner_votes", "operator.replica_replaced",
        "operator.disk_lost", "raft.joining_replica_started"}) {
    EXPECT_GT(reached[mark], 0u) << mark;
  }
}

// The members of the only group change, and disks are damaged and lost.
TEST(CounterSimulationTest, ManySeeds_ReplaceDisks) {
  std::map<std::string, uint64_t> reached;
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    sim::Harness harness({.seed = seed});
    sim::StateMachineSubject counter(&harness.world(),
                                     std::make_unique<CounterTest<Counter>>(),
                                     {.operated = {0, 1},
                                      .peer_streams = {1, 1},
                                      .members = {1, 1},
                                      .late = {1, 2}});
    harness.Execute(counter);
    EXPECT_EQ(harness.Violations(), std::vector<std::string>())
        << "seed " << seed;
    for (const auto& [mark, count] : harness.world().marks()) {
      reached[std::string(mark)] += count;
    }
  }
  for (const char* mark :
       {"operator.node_removed", "operator.node_left", "operator.node_learns",
        "operator.node_votes", "operator.lost_disk_replaced",
        "operator.damaged_disk_replaced", "raft.store_admitted"}) {
    EXPECT_GT(reached[mark], 0u) << mark;
  }
}

// Some node stays out of the majority that is healed, and may lead.
TEST(CounterSimulationTest, NoFamilyIsOn_AnyNodeMayLeadToTheEnd) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    const sim::HarnessResult result =
        sim::RunSeed({.seed = seed,
                      .duration = Seconds(5),
                      .without = sim::OtherFaultFamilies({})},
                     SimulatedCounter<>);
    EXPECT_TRUE(result.ok())
        << "seed " << seed << ": " << result.violations.front();
  }
}

TEST(CounterSimulationTest, ForgetfulCounter_IsReportedWithATape) {
  const sim::HarnessResult wrong =
      sim::RunSeed({.seed = 1}, SimulatedCounter<ForgetfulCounter>);
  ASSERT_FALSE(wrong.ok());
  EXPECT_NE(wrong.violations.front().find("add"), std::string::npos);
  const auto again =
      sim::Replay(wrong.tape, SimulatedCounter<ForgetfulCounter>);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->trace_hash, wrong.trace_hash);
  EXPECT_EQ(again->violations, wrong.violations);
}

// Runs of the wrong counter have one violation each. In one of a few it begins
// so: another rule may see the mistake first.
template <typename Wrong>
void ExpectFound(std::string_view begin) {
  std::string seen;
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    const sim::HarnessResult wrong =
        sim::RunSeed({.seed = seed}, SimulatedCounter<Wrong>);
    if (wrong.ok()) continue;
    ASSERT_EQ(wrong.violations.size(), 1u);
    if (wrong.violations[0].starts_with(begin)) return;
    seen += wrong.violations[0] + "\n";
  }
  ADD_FAILURE() << seen;
}

TEST(CounterSimulationTest, ShrinkingCounter_IsFoundByTheCheckerOfReplicas) {
  ExpectFound<ShrinkingCounter>("growth: node ");
}

TEST(CounterSimulationTest, StubbornCounter_FencesItsReplica) {
  ExpectFound<StubbornCounter>("fenced: node ");
}

}  // namespace
}  // namespace quorate::examples

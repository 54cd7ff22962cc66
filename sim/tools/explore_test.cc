// Explores small scenarios of a state machine, one of them with a mistake that
// only some executions show.
#include "sim/tools/explore.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "env/buffer.h"
#include "env/check.h"
#include "env/parse_integer.h"
#include "gtest/gtest.h"
#include "lincheck/history.h"
#include "lincheck/model.h"
#include "raft/host/bytes_state_machine.h"
#include "sim/choices/tape.h"
#include "sim/explore/scenario.h"
#include "sim/harness/report.h"
#include "sim/harness/simulation.h"
#include "sim/harness/state_machine_subject.h"
#include "sim/harness/state_machine_test.h"
#include "sim/run/run_options.h"
#include "sim/tools/simulator.h"
#include "sim/tools/store_simulator.h"
#include "sim/tools/subject_main.h"
#include "sim/world/world.h"

namespace quorate::sim {
namespace {

// The number of entries. A machine with the mistake counts those of later
// leaders twice.
class Counter final : public raft::BytesStateMachine {
 public:
  explicit Counter(bool mistaken) : mistaken_(mistaken) {}

  Buffer Apply(const raft::Entry& entry, bool) override {
    count_ += mistaken_ && entry.term > raft::Term(2) ? 2 : 1;
    return Save();
  }
  Buffer Save() const override { return Buffer::Copy(std::to_string(count_)); }
  absl::Status Restore(std::string_view state) override {
    CHECK(ParseInteger(state, &count_));
    return absl::OkStatus();
  }

 private:
  const bool mistaken_;
  int64_t count_ = 0;
};

struct CounterModel {
  using State = int64_t;
  State Initial() const { return 0; }
  bool Step(State& state, const lincheck::Operation& op) const {
    ++state;
    return !op.known() || op.result.is_none() ||
           op.result == lincheck::Value::Integer(state);
  }
  bool IsRead(const lincheck::Operation&) const { return false; }
  std::string_view Name(uint8_t) const { return "count"; }
  std::string Describe(const State& state) const {
    return std::to_string(state);
  }
};

class CounterTest final : public StateMachineTest {
 public:
  explicit CounterTest(bool mistaken) : mistaken_(mistaken) {}

  std::unique_ptr<raft::StateMachine> Make() override {
    return std::make_unique<Counter>(mistaken_);
  }
  Command Draw(const Random& random, lincheck::History&) override {
    return {.payload = Buffer::Copy(std::to_string(
                random.Below(uint64_t{1} << 40, "count", 0, 0)))};
  }
  lincheck::Value ResultOf(const Command&, std::string_view result,
                           lincheck::History&) override {
    int64_t value = 0;
    CHECK(ParseInteger(result, &value)) << std::string(result);
    return lincheck::Value::Integer(value);
  }
  const lincheck::Model& model() const override { return model_; }

 private:
  const bool mistaken_;
  const lincheck::ModelOf<CounterModel> model_;
};

Simulator CounterSimulator(bool mistaken = false) {
  return SubjectSimulator("counter", [mistaken](World& world) {
    return std::make_unique<StateMachineSubject>(
        &world, std::make_unique<CounterTest>(mistaken));
  });
}

ExploreReport ExploreText(const Simulator& simulator, const std::string& text,
                          uint32_t jobs = 1, uint64_t executions = 10'000) {
  return Explore(simulator, {.run = {.seed = 1, .scenario = text},
                             .executions_max = executions,
                             .jobs = jobs});
}

constexpr char kElection[] =
    "nodes 3; begin founded; disks prompt; terms 2; time 5s";

TEST(Explore, NoBudget_IsOneExecution) {
  const ExploreReport report = ExploreText(CounterSimulator(), kElection);
  EXPECT_TRUE(report.exhausted());
  EXPECT_EQ(report.executions, 1u);
  EXPECT_EQ(report.cut_off, 0u);
  EXPECT_GT(report.states, 10u);
}

TEST(Explore, EachBudget_AddsExecutions) {
  for (const char* const budget :
       {"delays", "timeouts", "losses", "duplicates", "cuts", "crashes"}) {
    const ExploreReport report = ExploreText(
        CounterSimulator(), std::string(kElection) + "; " + budget + " 1");
    EXPECT_TRUE(report.exhausted()) << budget << ": " << FormatExplored(report);
    EXPECT_GT(report.executions, 2u) << budget;
    EXPECT_EQ(report.deviations, 1u) << budget;
  }
}

TEST(Explore, Processes_FindTheSameStates) {
  const std::string text =
      std::string(kElection) + "; do command; crashes 1; delays 1";
  const ExploreReport one = ExploreText(CounterSimulator(), text, 1);
  const ExploreReport three = ExploreText(CounterSimulator(), text, 3);
  EXPECT_TRUE(one.exhausted()) << FormatExplored(one);
  EXPECT_TRUE(three.exhausted()) << FormatExplored(three);
  EXPECT_EQ(one.states, three.states);
}

// The states that one way from a state leads to, and the number of ways.
class Successors {
 public:
  void Add(uint64_t state, uint64_t way, uint32_t ways, uint64_t next) {
    const auto [known, fresh] =
        known_.try_emplace({state, way}, std::pair(ways, next));
    met_again_ += fresh ? 0 : 1;
    EXPECT_EQ(known->second, std::pair(ways, next))
        << "way " << way << " of state " << state;
  }
  uint64_t met_again() const { return met_again_; }

 private:
  std::map<std::pair<uint64_t, uint64_t>, std::pair<uint32_t, uint64_t>> known_;
  uint64_t met_again_ = 0;
};

// No execution ends at a known state here, so all that follows from equal
// states is compared.
TEST(Explore, EqualStates_HaveEqualSuccessors) {
  const std::string text =
      std::string(kElection) + "; do command; crashes 1; delays 1";
  const Simulator simulator = CounterSimulator();
  Successors successors;
  std::vector<Tape> tapes = {{.seed = 1}};
  for (size_t i = 0; i < tapes.size() && i < 1'000; ++i) {
    const Tape tape = tapes[i];
    std::vector<std::pair<BranchPoint, uint64_t>> seen;
    const std::unique_ptr<Simulation> run =
        simulator.make({.seed = 1, .scenario = text}, &tape);
    run->SetBranchHook(
        [&](const BranchPoint& point, absl::FunctionRef<uint64_t()> state) {
          seen.emplace_back(point, state());
          return true;
        });
    EXPECT_TRUE(run->Execute().ok());
    const std::vector<TapeChoice>& taken = tape.choices;
    for (size_t at = 0; at + 1 < seen.size(); ++at) {
      const BranchPoint& point = seen[at].first;
      const auto choice =
          std::ranges::find_if(taken, [&point](const TapeChoice& one) {
            return point.ways > 1 && one.counter == point.number;
          });
      successors.Add(seen[at].second, choice == taken.end() ? 0 : choice->value,
                     point.ways, seen[at + 1].second);
      if (!taken.empty() && point.number <= taken.back().counter) continue;
      for (uint64_t way = 1; way < point.ways; ++way) {
        tapes.push_back(tape);
        tapes.back().choices.push_back({"explore.next", 0, point.number, way});
      }
    }
  }
  EXPECT_GT(tapes.size(), 500u);
  EXPECT_GT(successors.met_again(), 10'000u);
}

TEST(Explore, Bound_LeavesBranches) {
  const ExploreReport report = ExploreText(
      CounterSimulator(), std::string(kElection) + "; crashes 1", 1, 3);
  EXPECT_FALSE(report.exhausted());
  EXPECT_EQ(report.executions, 3u);
  EXPECT_GT(report.left, 0u);
  EXPECT_EQ(FormatExplored(report).find("bound reached, no violation so far: 3 "
                                        "executions"),
            0u);
}

TEST(Explore, Time_CutsExecutionsOff) {
  const ExploreReport report = ExploreText(
      CounterSimulator(), "nodes 3; begin founded; disks prompt; time 10ms");
  EXPECT_EQ(report.cut_off, 1u);
  EXPECT_FALSE(report.failing.has_value());
  const ExploreReport required =
      ExploreText(CounterSimulator(),
                  "nodes 3; begin founded; disks prompt; time 10ms; end "
                  "required");
  EXPECT_TRUE(required.failing.has_value());
}

// A crash of the candidate makes another node lead, in a later term.
TEST(Explore, MistakeAfterACrash_IsFoundWithATape) {
  const std::string text =
      std::string(kElection) + "; do command; crashes 1; down 1s";
  EXPECT_TRUE(ExploreText(CounterSimulator(), text, 2).exhausted());
  const Simulator mistaken = CounterSimulator(/*mistaken=*/true);
  const ExploreReport report = ExploreText(mistaken, text, 2);
  ASSERT_TRUE(report.failing.has_value()) << FormatExplored(report);
  EXPECT_EQ(report.failing->choices.size(), 1u);
  const std::unique_ptr<Simulation> run =
      mistaken.make({.seed = 1, .scenario = text}, &*report.failing);
  const RunReport first = run->Execute();
  ASSERT_FALSE(first.ok());
  // The tape stands alone.
  const absl::StatusOr<Tape> tape = ParseTape(FormatTape(run->tape()));
  ASSERT_TRUE(tape.ok()) << tape.status();
  const absl::StatusOr<RunOptions> options = mistaken.options_of_tape(*tape);
  ASSERT_TRUE(options.ok()) << options.status();
  const RunReport second = mistaken.make(*options, &*tape)->Execute();
  EXPECT_EQ(second.trace_hash, first.trace_hash);
  EXPECT_EQ(second.violations, first.violations);
}

// The executions without a deviation, and some with one.
TEST(Explore, ScenariosThatAreBuiltIn_Begin) {
  const Simulator simulator = StoreSimulator();
  for (const std::string& name : ScenarioFileNames()) {
    const absl::StatusOr<Scenario> scenario = ParseScenario(ScenarioText(name));
    ASSERT_TRUE(scenario.ok()) << scenario.status();
    const ExploreReport report =
        ExploreText(simulator, FormatScenario(*scenario), 2, 10);
    EXPECT_FALSE(report.failing.has_value()) << name;
    EXPECT_EQ(report.executions, 10u) << name;
  }
}

}  // namespace
}  // namespace quorate::sim

// examples/counter/simulation.h: what the simulator needs to test the counter:
// its commands, a model of it, and a checker.
#ifndef QUORATE_EXAMPLES_COUNTER_SIMULATION_H_
#define QUORATE_EXAMPLES_COUNTER_SIMULATION_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "env/check.h"
#include "env/parse_integer.h"
#include "examples/counter/counter.h"
#include "examples/counter/model.h"
#include "lincheck/model.h"
#include "sim/harness/state_machine_subject.h"

namespace quorate::examples {

template <typename T>
class CounterTest final : public sim::StateMachineTest {
 public:
  std::unique_ptr<raft::StateMachine> Make() override {
    return std::make_unique<T>();
  }
  // The numbers are so large that hardly two commands are equal.
  Command Draw(const Random& random, lincheck::History&) override {
    const auto delta = static_cast<int64_t>(
        1 + random.Below(uint64_t{1} << 40, "example.delta", 0, 0));
    return {.payload = Buffer::Copy(std::to_string(delta)),
            .operation = {.argument = lincheck::Value::Integer(delta)}};
  }
  lincheck::Value ResultOf(const Command&, std::string_view result,
                           lincheck::History&) override {
    int64_t sum = 0;
    CHECK(ParseInteger(result, &sum));
    return lincheck::Value::Integer(sum);
  }
  const lincheck::Model& model() const override { return model_; }
  // All numbers are positive, so a replica with more entries has no less.
  std::string Check(absl::Span<const Replica> replicas) override {
    for (const Replica& one : replicas) {
      for (const Replica& other : replicas) {
        if (one.applied > other.applied || SumOf(one) <= SumOf(other)) continue;
        return absl::StrCat("growth: node ", one.node.value(), " has ",
                            SumOf(one), ", node ", other.node.value(), " has ",
                            SumOf(other), " after more entries");
      }
    }
    return "";
  }

 private:
  static int64_t SumOf(const Replica& replica) {
    return static_cast<const Counter*>(replica.state)->sum();
  }

  const lincheck::ModelOf<CounterModel> model_;
};

// A subject of the simulator. T is Counter, or one with a mistake.
template <typename T = Counter>
std::unique_ptr<sim::Subject> SimulatedCounter(sim::World& world) {
  return std::make_unique<sim::StateMachineSubject>(
      &world, std::make_unique<CounterTest<T>>());
}

// One whose members change in each run: an operator lets a fourth node join the
// three, and replicas leave and come back.
inline std::unique_ptr<sim::Subject> CounterWithFourNodes(sim::World& world) {
  return std::make_unique<sim::StateMachineSubject>(
      &world, std::make_unique<CounterTest<Counter>>(),
      sim::StateMachineSubjectOptions{
          .operated = {1, 1}, .peer_streams = {1, 1}, .late = {1, 1}});
}

}  // namespace quorate::examples

#endif  // QUORATE_EXAMPLES_COUNTER_SIMULATION_H_

// Simulates Adder: simulation_main swarm --seeds 1..100
#include <memory>
#include <string>
#include <string_view>

#include "adder.h"
#include "adder_model.h"
#include "sim/harness/state_machine_subject.h"
#include "sim/tools/subject_main.h"

namespace {

using quorate::lincheck::History;
using quorate::lincheck::Value;

class AdderTest final : public quorate::sim::StateMachineTest {
 public:
  std::unique_ptr<quorate::raft::StateMachine> Make() override {
    return std::make_unique<Adder>();
  }
  // The numbers are so large that hardly two commands are equal.
  Command Draw(const quorate::Random& random, History&) override {
    const auto delta =
        static_cast<int64_t>(random.Below(uint64_t{1} << 40, "delta", 0, 0));
    return {.payload = quorate::Buffer::Copy(std::to_string(delta)),
            .operation = {.argument = Value::Integer(delta)}};
  }
  Value ResultOf(const Command&, std::string_view result, History&) override {
    int64_t sum = -1;
    quorate::ParseInteger(result, &sum);
    return Value::Integer(sum);
  }
  const quorate::lincheck::Model& model() const override { return model_; }

 private:
  const quorate::lincheck::ModelOf<AdderModel> model_;
};

}  // namespace

int main(int argc, char** argv) {
  return quorate::sim::SubjectMain(argc, argv, [](quorate::sim::World& world) {
    return std::make_unique<quorate::sim::StateMachineSubject>(
        &world, std::make_unique<AdderTest>());
  });
}

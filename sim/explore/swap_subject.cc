#include "sim/explore/swap_subject.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "env/buffer.h"
#include "env/check.h"
#include "env/parse_integer.h"
#include "lincheck/history.h"
#include "lincheck/model.h"
#include "raft/host/bytes_state_machine.h"
#include "sim/harness/state_machine_subject.h"
#include "sim/harness/state_machine_test.h"

namespace quorate::sim {
namespace {

class Swap final : public raft::BytesStateMachine {
 public:
  Buffer Apply(const raft::Entry& entry, bool wants_result) override {
    const Buffer before = std::exchange(value_, entry.payload);
    return wants_result ? before : Buffer();
  }
  Buffer Save() const override { return value_; }
  absl::Status Restore(std::string_view state) override {
    value_ = Buffer::Copy(state);
    return absl::OkStatus();
  }

 private:
  Buffer value_ = Buffer::Copy("0");
};

struct SwapModel {
  using State = int64_t;
  State Initial() const { return 0; }
  bool Step(State& state, const lincheck::Operation& op) const {
    const State before = std::exchange(state, op.argument.integer());
    return !op.known() || op.result.is_none() || op.result == before;
  }
  bool IsRead(const lincheck::Operation&) const { return false; }
  std::string_view Name(uint8_t) const { return "swap"; }
  std::string Describe(const State& state) const {
    return std::to_string(state);
  }
};

class SwapTest final : public StateMachineTest {
 public:
  std::unique_ptr<raft::StateMachine> Make() override {
    return std::make_unique<Swap>();
  }
  Command Draw(const Random& random, lincheck::History&) override {
    const auto value = static_cast<int64_t>(
        1 + random.Below(uint64_t{1} << 40, "swap.value", 0, 0));
    return {.payload = Buffer::Copy(std::to_string(value)),
            .operation = {.argument = lincheck::Value::Integer(value)}};
  }
  lincheck::Value ResultOf(const Command&, std::string_view result,
                           lincheck::History&) override {
    int64_t value = 0;
    CHECK(ParseInteger(result, &value)) << std::string(result);
    return lincheck::Value::Integer(value);
  }
  const lincheck::Model& model() const override { return model_; }

 private:
  const lincheck::ModelOf<SwapModel> model_;
};

}  // namespace

std::unique_ptr<Subject> MakeSwapSubject(World& world) {
  return std::make_unique<StateMachineSubject>(&world,
                                               std::make_unique<SwapTest>());
}

}  // namespace quorate::sim

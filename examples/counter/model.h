// examples/counter/model.h: the counter as a model, for the checker of
// histories.
#ifndef QUORATE_EXAMPLES_COUNTER_MODEL_H_
#define QUORATE_EXAMPLES_COUNTER_MODEL_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "lincheck/model.h"

namespace quorate::examples {

// Every operation returns the sum. An add changes it first.
struct CounterModel {
  enum Function : uint8_t { kAdd, kSum };
  using State = int64_t;
  State Initial() const { return 0; }
  bool Step(State& state, const lincheck::Operation& op) const {
    if (op.function == kAdd) state += op.argument.integer();
    return !op.known() || op.result.is_none() || op.result == state;
  }
  bool IsRead(const lincheck::Operation& op) const {
    return op.function == kSum;
  }
  std::string_view Name(uint8_t function) const {
    return function == kAdd ? "add" : function == kSum ? "sum" : "?";
  }
  std::string Describe(const State& state) const {
    return std::to_string(state);
  }
};

}  // namespace quorate::examples

#endif  // QUORATE_EXAMPLES_COUNTER_MODEL_H_

// examples/outside/adder_model.h: the rules of Adder as a model, for the
// checker of histories and for the simulator.
#ifndef QUORATE_EXAMPLES_OUTSIDE_ADDER_MODEL_H_
#define QUORATE_EXAMPLES_OUTSIDE_ADDER_MODEL_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "lincheck/model.h"

struct AdderModel {
  enum Function : uint8_t { kAdd, kSum };
  using State = int64_t;
  State Initial() const { return 0; }
  // An operation without a result was executed; its client got no answer.
  bool Step(State& state, const quorate::lincheck::Operation& op) const {
    if (op.function == kAdd) state += op.argument.integer();
    return !op.known() || op.result.is_none() ||
           op.result == quorate::lincheck::Value::Integer(state);
  }
  bool IsRead(const quorate::lincheck::Operation& op) const {
    return op.function == kSum;
  }
  std::string_view Name(uint8_t function) const {
    return function == kAdd ? "add" : function == kSum ? "sum" : "?";
  }
  std::string Describe(const State& state) const {
    return std::to_string(state);
  }
};

#endif  // QUORATE_EXAMPLES_OUTSIDE_ADDER_MODEL_H_

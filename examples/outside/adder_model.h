// examples/outside/adder_model.h: the rules of Adder as a model, for the
// checker of histories and for the simulator.
#ifndef QUORATE_EXAMPLES_OUTSIDE_ADDER_MODEL_H_
#define QUORATE_EXAMPLES_OUTSIDE_ADDER_MODEL_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "lincheck/model.h"

struct AdderModel {
  using State = int64_t;
  State Initial() const { return 0; }
  bool Step(State& state, const quorate::lincheck::Operation& add) const {
    state += add.argument.integer();
    return !add.known() ||
           add.result == quorate::lincheck::Value::Integer(state);
  }
  bool IsRead(const quorate::lincheck::Operation&) const { return false; }
  std::string_view Name(uint8_t) const { return "add"; }
  std::string Describe(const State& state) const {
    return std::to_string(state);
  }
};

#endif  // QUORATE_EXAMPLES_OUTSIDE_ADDER_MODEL_H_

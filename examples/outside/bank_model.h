// examples/outside/bank_model.h: the right answers of the bank: all accounts in
// one place, one request after the other.
#ifndef QUORATE_EXAMPLES_OUTSIDE_BANK_MODEL_H_
#define QUORATE_EXAMPLES_OUTSIDE_BANK_MODEL_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "env/parse_integer.h"
#include "lincheck/model.h"

struct BankModel {
  static constexpr uint32_t kAccounts = 6;
  enum Function : uint8_t { kMove, kShow };
  using State = std::vector<int64_t>;
  State Initial() const { return State(kAccounts, 100); }
  // The argument is "A B N" or "A B", the result is as the server's.
  bool Step(State& state, const quorate::lincheck::Operation& op) const {
    const std::string_view argument = op.argument.bytes();
    int64_t& a = state[argument[0] - '0'];
    int64_t& b = state[argument[2] - '0'];
    if (op.function == kShow) {
      return !op.known() || op.result.bytes() == absl::StrCat("ok ", a, " ", b);
    }
    int64_t amount = 0;
    quorate::ParseInteger(argument.substr(4), &amount);
    const bool moves = a >= amount;
    if (moves) {
      a -= amount;
      b += amount;
    }
    return !op.known() || op.result.bytes() == (moves ? "ok" : "no");
  }
  bool IsRead(const quorate::lincheck::Operation& op) const {
    return op.function == kShow;
  }
  std::string_view Name(uint8_t function) const {
    return function == kMove ? "move" : function == kShow ? "show" : "?";
  }
  std::string Describe(const State& state) const {
    return absl::StrJoin(state, " ");
  }
};

#endif  // QUORATE_EXAMPLES_OUTSIDE_BANK_MODEL_H_

// examples/account/account.h: a model of a user's own for the linearizability
// checker: a bank account that refuses to be overdrawn.
#ifndef QUORATE_EXAMPLES_ACCOUNT_ACCOUNT_H_
#define QUORATE_EXAMPLES_ACCOUNT_ACCOUNT_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "lincheck/model.h"

struct Account {
  using Operation = quorate::lincheck::Operation;
  enum Function : uint8_t { kDeposit, kWithdraw, kBalance };
  using State = int64_t;
  State Initial() const { return 0; }
  // Applies `op` to `state`. Returns false if `op` cannot have returned its
  // result in that state.
  bool Step(State& state, const Operation& op) const {
    if (op.function != kBalance && !op.argument.is_integer()) return false;
    const bool enough =
        op.function != kWithdraw || state >= op.argument.integer();
    if (op.function == kDeposit &&
        __builtin_add_overflow(state, op.argument.integer(), &state)) {
      return false;  // The sum does not fit.
    }
    if (op.function == kWithdraw && enough) state -= op.argument.integer();
    if (!op.known() || op.result.is_none()) return true;  // Unknown result.
    return op.result == (op.function == kBalance ? state : int64_t{enough});
  }
  bool IsRead(const Operation& op) const { return op.function == kBalance; }
  std::string_view Name(uint8_t function) const {
    constexpr std::string_view kNames[] = {"deposit", "withdraw", "balance"};
    return function < std::size(kNames) ? kNames[function] : "?";
  }
  std::string Describe(const State& state) const {
    return std::to_string(state);
  }
};

#endif  // QUORATE_EXAMPLES_ACCOUNT_ACCOUNT_H_

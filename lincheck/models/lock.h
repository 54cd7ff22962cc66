// lincheck/models/lock.h: a lock with fencing tokens.
//
// Whoever acquires it gets a token greater than all before, which proves later
// who holds it. An acquisition of unknown outcome holds it with a token that
// nobody has been told.
#ifndef QUORATE_LINCHECK_MODELS_LOCK_H_
#define QUORATE_LINCHECK_MODELS_LOCK_H_

#include <string>
#include <string_view>
#include <utility>

#include "lincheck/model.h"

namespace quorate::lincheck {

struct Lock {
  enum Function : uint8_t {
    kAcquire,  // -> a token, or nil if it is held
    kRelease,  // (token) -> 1 if this token held it, else 0
    kCheck,    // (token) -> the same; it stays held
  };
  struct State {
    bool held = false;
    bool told = false;     // Held: its token is `greatest`. Else it is greater.
    int64_t greatest = 0;  // Of all tokens told.

    friend bool operator==(const State&, const State&) = default;
    template <typename H>
    friend H AbslHashValue(H h, const State& s) {
      return H::combine(std::move(h), s.held, s.told, s.greatest);
    }
  };
  State Initial() const { return {}; }

  bool Step(State& state, const Operation& op) const {
    if (op.function == kAcquire) return Acquires(state, op);
    if (op.function != kRelease && op.function != kCheck) return false;
    if (!op.argument.is_integer()) return false;
    const int64_t token = op.argument.integer();
    const bool says = op.known() && !op.result.is_none();
    bool holds = state.held && state.told && token == state.greatest;
    // A token that nobody was told, shown now: it may be the one.
    const bool may_hold = state.held && !state.told && token > state.greatest;
    if (may_hold && says && op.result == Value::Integer(1)) {
      state.told = true;
      state.greatest = token;
      holds = true;
    }
    if (says && op.result != Value::Integer(holds)) return false;
    if (holds && op.function == kRelease) state.held = state.told = false;
    return true;
  }
  bool IsRead(const Operation& op) const {
    if (op.function == kAcquire) return op.known() && op.result.is_nil();
    return op.known() && op.result == Value::Integer(0);
  }
  bool LooksBeyondCall(const Operation&) const { return false; }
  std::string_view Name(uint8_t function) const {
    constexpr std::string_view kNames[] = {"acquire", "release", "check"};
    return function < std::size(kNames) ? kNames[function] : "?";
  }
  std::string Describe(const State& state) const {
    if (!state.held) {
      return "free after token " + std::to_string(state.greatest);
    }
    return (state.told ? "held by token " : "held by a token beyond ") +
           std::to_string(state.greatest);
  }

 private:
  bool Acquires(State& state, const Operation& op) const {
    const bool says = op.known() && !op.result.is_none();
    if (state.held) return !says || op.result.is_nil();
    if (!says) {
      state.held = true;
      state.told = false;
      return true;
    }
    if (!op.result.is_integer() || op.result.integer() <= state.greatest) {
      return false;
    }
    state = {true, true, op.result.integer()};
    return true;
  }
};

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_MODELS_LOCK_H_

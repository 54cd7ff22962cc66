// lincheck/models/expiring_kv.h: one key of a key-value store whose keys may
// expire.
//
// All functions of models/kv.h, and three more. Times of operations and
// durations have the same unit. A key put at some moment t between the
// operation's invocation and its return for a duration d is there before t + d
// and gone from then on. Nobody knows t, so the state is the set of what the key
// may be; an observation leaves of it what explains the observation.
#ifndef QUORATE_LINCHECK_MODELS_EXPIRING_KV_H_
#define QUORATE_LINCHECK_MODELS_EXPIRING_KV_H_

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lincheck/models/kv.h"

namespace quorate::lincheck {

struct ExpiringKv {
  // Beside those of Kv.
  enum Function : uint8_t {
    kPutFor = Kv::kPutIfExists + 1,  // (expected: duration, argument: value)
    kExpire,   // (duration) -> 1 if it was there and now expires, else 0
    kPersist,  // -> 1 if it was there and would have expired, else 0
  };
  // What the key may be: its value, and the least and greatest moment of its
  // end.
  struct Case {
    Datum value;
    Time gone_from = kNever;
    Time gone_by = kNever;

    friend auto operator<=>(const Case&, const Case&) = default;
    template <typename H>
    friend H AbslHashValue(H h, const Case& c) {
      return H::combine(std::move(h), c.value, c.gone_from, c.gone_by);
    }
  };
  using State = std::vector<Case>;  // In order, none twice, at least one.
  // How far the clocks of the store may be apart from the history's.
  Time clock_error = 0;

  State Initial() const { return {Case{}}; }

  bool Step(State& state, const Operation& op) const {
    State after;
    for (const Case& before : state) {
      const bool expires = before.gone_from != kNever;
      if (!expires || op.invoke < before.gone_by) {
        Case there = before;
        // Seen alive after its invocation, so it ends later than that.
        if (expires) {
          there.gone_from = std::max(there.gone_from, op.invoke + 1);
        }
        if (StepCase(there, op)) after.push_back(there);
      }
      if (expires && op.ret >= before.gone_from) {
        Case gone;
        if (StepCase(gone, op)) after.push_back(gone);
      }
    }
    std::sort(after.begin(), after.end());
    after.erase(std::unique(after.begin(), after.end()), after.end());
    state = std::move(after);
    return !state.empty();
  }
  // Even a get may tell what the key cannot be any more.
  bool IsRead(const Operation&) const { return false; }
  std::string_view Name(uint8_t function) const {
    constexpr std::string_view kNames[] = {"put_for", "expire", "persist"};
    if (function < kPutFor) return Kv().Name(function);
    const size_t at = function - kPutFor;
    return at < std::size(kNames) ? kNames[at] : "?";
  }
  std::string Describe(const State& state) const {
    std::string text;
    for (const Case& c : state) {
      if (!text.empty()) text += " or ";
      text += c.value.ToString();
      if (c.gone_from == kNever) continue;
      text += " until ";
      text += std::to_string(c.gone_from);
      text += c.gone_by == kNever ? " or later"
                                  : " to " + std::to_string(c.gone_by);
    }
    return text;
  }

 private:
  static bool Gives(const Operation& op, bool done) {
    return !op.known() || op.result.is_none() ||
           op.result == Value::Integer(done);
  }

  bool StepCase(Case& c, const Operation& op) const {
    const bool there = !c.value.is_nil();
    switch (op.function) {
      case kPutFor:
        c.value.Assign(op.argument);
        SetEnd(c, op, op.expected);
        return true;
      case kExpire:
        if (there) SetEnd(c, op, op.argument);
        return Gives(op, there);
      case kPersist: {
        const bool does = there && c.gone_from != kNever;
        c.gone_from = c.gone_by = kNever;
        return Gives(op, does);
      }
      default: {
        // A new value, or none, begins a new life; a changed one goes on.
        const bool replaces =
            op.function == Kv::kPut || op.function == Kv::kSwap ||
            (op.function == Kv::kCas && c.value.Equals(op.expected)) ||
            (op.function == Kv::kPutIfExists && there);
        if (!Kv().Step(c.value, op)) return false;
        if (replaces || c.value.is_nil()) c.gone_from = c.gone_by = kNever;
        return true;
      }
    }
  }

  void SetEnd(Case& c, const Operation& op, Value duration) const {
    const Time d = duration.is_integer() ? duration.integer() : 0;
    c.gone_from = op.invoke + d - clock_error;
    c.gone_by = op.known() ? op.ret + d + clock_error : kNever;
  }
};

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_MODELS_EXPIRING_KV_H_

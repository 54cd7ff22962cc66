// lincheck/models/lock.h: a lock with fencing tokens.
//
// An acquisition returns a token greater than all before, which proves later
// that its client holds the lock. An acquisition may have reported no token. A
// token that is shown then may be that one or not, so a state is the set of
// possible cases.
#ifndef QUORATE_LINCHECK_MODELS_LOCK_H_
#define QUORATE_LINCHECK_MODELS_LOCK_H_

#include <algorithm>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lincheck/models/datum.h"

namespace quorate::lincheck {

struct Lock {
  enum Function : uint8_t {
    kAcquire,  // -> a token, or nil if it is held
    kRelease,  // (token) -> 1 if this token held it, else 0
    kCheck,    // (token) -> the same; it stays held
  };
  // A possible case.
  struct Case {
    bool held = false;
    bool told = false;  // Held: its token is `greatest`. Else it is greater,
    std::optional<int64_t> greatest;     // Of all tokens told, if any;
    std::vector<int64_t> not_its_token;  // and none of these, ascending.

    size_t size() const { return not_its_token.size() * sizeof(int64_t); }
    friend auto operator<=>(const Case&, const Case&) = default;
    template <typename H>
    friend H AbslHashValue(H h, const Case& c) {
      return H::combine(std::move(h), c.held, c.told, c.greatest,
                        c.not_its_token);
    }
  };
  // Ascending, at least one, none twice.
  using State = std::vector<Case>;
  State Initial() const { return {Case()}; }

  bool Step(State& state, const Operation& op) const {
    if (op.function > kCheck) return false;
    const std::optional<int64_t> shown = IntegerOf(op.argument);
    if (op.function != kAcquire && !shown.has_value()) return false;
    State next;
    for (const Case& before : state) {
      if (op.function == kAcquire) {
        Acquire(before, op, &next);
      } else {
        Show(before, *shown, op, &next);
      }
    }
    if (next.empty()) return false;
    SortSet(&next);
    state = std::move(next);
    return true;
  }
  // A refused call tells something about tokens that were not reported.
  Reading IsRead(const Operation& op) const {
    if (op.function == kCheck) return Reading::kLearns;
    const Value refusal =
        op.function == kAcquire ? Value::Nil() : Value::Integer(0);
    return op.known() && op.result == refusal ? Reading::kLearns
                                              : Reading::kChanges;
  }
  using Sight = std::vector<int64_t>;  // Tokens, ascending.
  bool Look(const Operation& op, Sight* sight) const {
    if (!op.known()) return true;
    for (const Value value : {op.argument, op.result}) {
      const std::optional<int64_t> token = IntegerOf(value);
      if (token.has_value()) sight->push_back(*token);
    }
    SortSet(sight);
    return true;
  }
  // Only the comparison of a token with those in `sight` counts.
  void Blur(const Sight& sight, State* state) const {
    for (Case& c : *state) {
      std::erase_if(c.not_its_token,
                    [&](int64_t token) { return !IsInSet(token, sight); });
      if (!c.greatest.has_value()) continue;
      auto at = std::upper_bound(sight.begin(), sight.end(), *c.greatest);
      const bool seen = at != sight.begin() && *std::prev(at) == *c.greatest;
      c.told = c.told && seen;
      if (seen) continue;
      c.greatest.reset();
      if (at != sight.begin()) c.greatest = *std::prev(at);
    }
    SortSet(state);
  }
  bool LooksBeyondCall(const Operation&) const { return false; }
  std::string_view Name(uint8_t function) const {
    constexpr std::string_view kNames[] = {"acquire", "release", "check"};
    return function < std::size(kNames) ? kNames[function] : "?";
  }
  CallInWords InWords(const Operation& op) const {
    return op.function != kAcquire ? FlagInWords(op) : CallInWords();
  }
  std::string Describe(const State& state) const {
    std::string text;
    for (const Case& c : state) {
      if (!text.empty()) text += ", or ";
      text += DescribeCase(c);
    }
    return text;
  }

 private:
  static std::string DescribeCase(const Case& c) {
    const std::string greatest =
        c.greatest.has_value() ? std::to_string(*c.greatest) : std::string();
    if (!c.held)
      return greatest.empty() ? "free" : "free after token " + greatest;
    if (c.told) return "held by token " + greatest;
    std::string text = "held by an unknown token";
    if (!greatest.empty()) text += " greater than " + greatest;
    for (size_t i = 0; i < c.not_its_token.size(); ++i) {
      text += i == 0 ? " other than " : " or ";
      text += std::to_string(c.not_its_token[i]);
    }
    return text;
  }

  static void Acquire(const Case& before, const Operation& op, State* next) {
    if (before.held) {
      if (!op.says() || op.result.is_nil()) next->push_back(before);
      return;
    }
    const std::optional<int64_t> token = IntegerOf(op.result);
    if (!op.says()) {
      next->push_back({true, false, before.greatest, {}});
    } else if (token > before.greatest) {
      next->push_back({true, true, token, {}});
    }
  }
  static void Show(const Case& before, int64_t token, const Operation& op,
                   State* next) {
    const bool unsure = before.held && !before.told &&
                        token > before.greatest &&
                        !IsInSet(token, before.not_its_token);
    const bool holds = before.held && before.told && token == before.greatest;
    if ((unsure || holds) && op.MayReturn(Value::Integer(1))) {
      next->push_back(
          {op.function == kCheck, op.function == kCheck, token, {}});
    }
    if (!holds && op.MayReturn(Value::Integer(0))) {
      Case& after = next->emplace_back(before);
      if (unsure) AddToSet(token, &after.not_its_token);
    }
  }
};
template <>
inline constexpr bool kHooksAreTested<Lock> = true;

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_MODELS_LOCK_H_

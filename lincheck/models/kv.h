// lincheck/models/kv.h: one key of a key-value store. Results that were not
// reported (none) constrain nothing. Arguments that are none are nil. Arguments
// of a kind that a function does not take make it impossible.
#ifndef QUORATE_LINCHECK_MODELS_KV_H_
#define QUORATE_LINCHECK_MODELS_KV_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "lincheck/models/datum.h"
#include "lincheck/models/sight.h"

namespace quorate::lincheck {

struct Kv {
  enum Function : uint8_t {
    kGet,  // -> value or nil
    kPut,  // (value)
    kCas,  // (expected, value) -> 1 if it was expected and is replaced, else 0;
           // expected nil: not there
    kAppend,       // (bytes) -> length afterwards
    kDelete,       // -> 1 if it was there, else 0
    kIncrement,    // (delta) -> value afterwards; a missing key counts as 0.
                   // Impossible on a string, and beyond 64 bits.
    kSwap,         // (value) -> the value before, or nil
    kTake,         // -> the value before, or nil; deletes it
    kPutIfExists,  // (value) -> 1 if it was there and is replaced, else 0
  };
  using State = Datum;
  Datum initial;

  State Initial() const { return initial; }

  bool Step(State& state, const Operation& op) const {
    switch (op.function) {
      case kGet:
        return Gives(op, state);
      case kPut:
        state.Assign(op.argument);
        return true;
      case kAppend:
        if (!op.argument.is_string()) return false;
        state.Append(op.argument.bytes());
        if (state.is_forgotten()) return !op.says();
        return op.MayReturn(Integer(state.size()));
      case kIncrement:
        return Increment(state, op.argument) && Gives(op, state);
      case kSwap:
        if (!Gives(op, state)) return false;
        state.Assign(op.argument);
        return true;
      case kTake:
        if (!Gives(op, state)) return false;
        state = {};
        return true;
      default:
        return StepIf(state, op);
    }
  }

  bool IsRead(const Operation& op) const {
    if (op.function == kGet) return true;
    if (!op.known()) return false;
    switch (op.function) {
      case kCas:
      case kPutIfExists:
      case kDelete:
        return op.result == Value::Integer(0);
      case kTake:
        return op.result.is_nil();
      default:
        return false;
    }
  }

  bool FindLinks(const Operation& op, Links* links) const {
    const bool found = FindValues(op, links);
    links->looks = LooksFor(op, &links->looked_for);
    return found && RenameInitial(initial, links);
  }
  using Sight = lincheck::Sight;
  bool Look(const Operation& op, Sight* sight) const {
    return sight->AddFor(*this, op);
  }
  void Blur(const Sight& sight, State* state) const { sight.Blur(state); }
  bool LooksBeyondCall(const Operation&) const { return false; }
  std::string_view Name(uint8_t function) const {
    constexpr std::string_view kNames[] = {"get",    "put",    "cas",
                                           "append", "delete", "incr",
                                           "swap",   "take",   "put_if_exists"};
    return function < std::size(kNames) ? kNames[function] : "?";
  }
  CallInWords InWords(const Operation& op) const {
    const bool flag = op.function == kDelete || op.function == kCas ||
                      op.function == kPutIfExists;
    return flag ? FlagInWords(op) : CallInWords();
  }
  std::string Describe(const State& state) const { return state.ToString(); }

 private:
  static bool LooksFor(const Operation& op, Value* value) {
    switch (op.function) {
      case kGet:
      case kSwap:
      case kTake:
        if (op.known()) *value = op.result;
        return true;
      case kCas:
        *value = op.expected;
        return true;
      case kAppend:  // A length that was told.
        return !op.says();
      default:
        return op.function != kIncrement;
    }
  }
  bool FindValues(const Operation& op, Links* links) const {
    switch (op.function) {
      case kGet:
        *links = {.reads = true, .seen = op.result};
        return !op.result.is_none();
      case kPut:
        *links = {.writes = true, .written = OrNil(op.argument)};
        return true;
      case kCas:
        if (op.known() && op.result != Value::Integer(1)) return false;
        *links = {.reads = true,
                  .writes = true,
                  .seen = OrNil(op.expected),
                  .written = OrNil(op.argument)};
        return true;
      case kSwap:
        *links = {.reads = true,
                  .writes = true,
                  .seen = op.result,
                  .written = OrNil(op.argument)};
        if (!op.known()) *links = {.writes = true, .written = links->written};
        return !op.known() || !op.result.is_none();
      case kAppend:
        *links = {.appends = true, .written = op.argument};
        if (op.known()) links->size = op.result;
        return op.argument.is_string();
      case kIncrement:
        return op.known() && FindIncrement(op, links);
      case kDelete:
        // Tombstones are all alike, and there was something to delete.
        *links = {.writes = true, .conditional = true, .written = Value::Nil()};
        return true;
      case kTake:
        *links = {.reads = op.known(),
                  .writes = true,
                  .conditional = true,
                  .seen = op.result,
                  .written = Value::Nil()};
        return !op.known() || !op.result.is_none();
      case kPutIfExists:
        *links = {
            .writes = true, .conditional = true, .written = OrNil(op.argument)};
        return true;
      default:
        return false;
    }
  }
  static bool FindIncrement(const Operation& op, Links* links) {
    if (!op.result.is_integer() || !op.argument.is_integer()) return false;
    // Both are far from what 64 bits hold.
    const int64_t before = op.result.integer() - op.argument.integer();
    // A missing key counts as 0, so the predecessor of the first increment is
    // not known.
    if (before == 0 || before > Value::kIntegerMax ||
        before < Value::kIntegerMin) {
      return false;
    }
    *links = {.reads = true,
              .writes = true,
              .seen = Value::Integer(before),
              .written = op.result};
    return true;
  }
  static bool Increment(State& state, Value by) {
    const std::optional<int64_t> delta = IntegerOf(by);
    const std::optional<int64_t> before = state.as_integer();
    if (!delta.has_value() || (!before.has_value() && !state.is_nil())) {
      return false;
    }
    int64_t after = 0;
    if (__builtin_add_overflow(before.value_or(0), *delta, &after)) {
      return false;
    }
    state.AssignInteger(after);
    return true;
  }
  static bool Gives(const Operation& op, const State& state) {
    return !op.known() || state.Explains(op.result);
  }
  static Value Integer(size_t n) {
    return Value::Integer(static_cast<int64_t>(n));
  }
  // For functions that do something only if the state fits.
  static bool Fits(const State& state, const Operation& op) {
    return op.function == kCas ? state.Equals(op.expected) : !state.is_nil();
  }
  bool StepIf(State& state, const Operation& op) const {
    if (op.function != kCas && op.function != kDelete &&
        op.function != kPutIfExists) {
      return false;
    }
    const bool fits = Fits(state, op);
    if (!op.MayReturn(Value::Integer(fits))) return false;
    if (fits) state.Assign(op.function == kDelete ? Value::Nil() : op.argument);
    return true;
  }
};
template <>
inline constexpr bool kHooksAreTested<Kv> = true;

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_MODELS_KV_H_

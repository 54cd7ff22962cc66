// lincheck/models/cas_register.h: a register with compare-and-swap.
//
// Its compare-and-swap fails if the value is another one. A model for
// lincheck/check/checker.h, and an example of one.
#ifndef QUORATE_LINCHECK_MODELS_CAS_REGISTER_H_
#define QUORATE_LINCHECK_MODELS_CAS_REGISTER_H_

#include <string>
#include <string_view>

#include "lincheck/models/datum.h"
#include "lincheck/models/sight.h"

namespace quorate::lincheck {

struct CasRegister {
  enum Function : uint8_t {
    kRead,   // -> value
    kWrite,  // (value)
    kCas,  // (expected, value) -> 1 if it was expected and is replaced, else 0
  };
  using State = Datum;
  Datum initial;
  State Initial() const { return initial; }
  bool Step(State& state, const Operation& op) const {
    switch (op.function) {
      case kRead:
        return !op.known() || state.Explains(op.result);
      case kWrite:
        state.Assign(op.argument);
        return true;
      case kCas: {
        const bool fits = state.Equals(op.expected);
        if (op.known() && !op.result.is_none() &&
            op.result != Value::Integer(fits)) {
          return false;
        }
        if (fits) state.Assign(op.argument);
        return true;
      }
    }
    return false;
  }
  bool IsRead(const Operation& op) const {
    return op.function == kRead || (op.function == kCas && op.known() &&
                                    op.result == Value::Integer(0));
  }
  bool FindLinks(const Operation& op, Links* links) const {
    *links = {.looks = true};
    switch (op.function) {
      case kRead:
        if (op.known()) links->looked_for = op.result;
        if (op.result.is_none()) return false;
        links->reads = true;
        links->seen = op.result;
        break;
      case kWrite:
        links->writes = true;
        links->written = OrNil(op.argument);
        break;
      case kCas:
        links->looked_for = op.expected;
        // A failed one saw some other value, and does not say which.
        if (op.known() && op.result != Value::Integer(1)) return false;
        links->reads = links->writes = true;
        links->seen = OrNil(op.expected);
        links->written = OrNil(op.argument);
        break;
      default:
        return false;
    }
    return RenameInitial(initial, links);
  }
  using Sight = lincheck::Sight;
  bool Look(const Operation& op, Sight* sight) const {
    return sight->AddFor(*this, op);
  }
  void Blur(const Sight& sight, State* state) const { sight.Blur(state); }
  bool LooksBeyondCall(const Operation&) const { return false; }
  std::string_view Name(uint8_t function) const {
    constexpr std::string_view kNames[] = {"read", "write", "cas"};
    return function < std::size(kNames) ? kNames[function] : "?";
  }
  CallInWords InWords(const Operation& op) const {
    return op.function == kCas ? FlagInWords(op) : CallInWords();
  }
  std::string Describe(const State& state) const { return state.ToString(); }
};
template <>
inline constexpr bool kHooksAreTested<CasRegister> = true;

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_MODELS_CAS_REGISTER_H_

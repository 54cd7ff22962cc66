// lincheck/models/register.h: a register that is read and written whole.
//
// The simplest model there is. Where all written values differ, the check takes
// near-linear time.
#ifndef QUORATE_LINCHECK_MODELS_REGISTER_H_
#define QUORATE_LINCHECK_MODELS_REGISTER_H_

#include <string>
#include <string_view>

#include "lincheck/models/datum.h"
#include "lincheck/models/sight.h"

namespace quorate::lincheck {

struct Register {
  enum Function : uint8_t {
    kRead,   // -> value
    kWrite,  // (value)
  };
  using State = Datum;
  Datum initial;
  State Initial() const { return initial; }
  bool Step(State& state, const Operation& op) const {
    if (op.function == kWrite) {
      state.Assign(op.argument);
      return true;
    }
    return op.function == kRead && (!op.known() || state.Explains(op.result));
  }
  bool IsRead(const Operation& op) const { return op.function == kRead; }
  bool FindLinks(const Operation& op, Links* links) const {
    if (op.function == kWrite) {
      *links = {.writes = true, .written = OrNil(op.argument), .looks = true};
      return RenameInitial(initial, links);
    }
    *links = {.reads = true, .seen = op.result, .looks = true};
    if (op.known()) links->looked_for = op.result;
    return !op.result.is_none() && RenameInitial(initial, links);
  }
  using Sight = lincheck::Sight;
  bool Look(const Operation& op, Sight* sight) const {
    return sight->AddFor(*this, op);
  }
  void Blur(const Sight& sight, State* state) const { sight.Blur(state); }
  bool LooksBeyondCall(const Operation&) const { return false; }
  std::string_view Name(uint8_t function) const {
    constexpr std::string_view kNames[] = {"read", "write"};
    return function < std::size(kNames) ? kNames[function] : "?";
  }
  std::string Describe(const State& state) const { return state.ToString(); }
};
template <>
inline constexpr bool kHooksAreTested<Register> = true;

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_MODELS_REGISTER_H_

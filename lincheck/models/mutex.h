// lincheck/models/mutex.h: a lock without tokens and without owners.
//
// It is held or free. Acquiring does something where it is free, and releasing
// where it is held, for every client. A model for lincheck/check/checker.h; see
// lock.h for locks with fencing tokens.
#ifndef QUORATE_LINCHECK_MODELS_MUTEX_H_
#define QUORATE_LINCHECK_MODELS_MUTEX_H_

#include <string>
#include <string_view>

#include "lincheck/model.h"

namespace quorate::lincheck {

struct Mutex {
  enum Function : uint8_t {
    kAcquire,  // -> 1 if it was free and is held now, else 0
    kRelease,  // -> 1 if it was held and is free now, else 0
  };
  using State = bool;  // Whether it is held.
  State Initial() const { return false; }
  bool Step(State& state, const Operation& op) const {
    if (op.function > kRelease) return false;
    const bool does = state == (op.function == kRelease);
    if (!op.MayReturn(Value::Integer(does))) return false;
    if (does) state = !state;
    return true;
  }
  bool IsRead(const Operation& op) const {
    return op.known() && op.result == Value::Integer(0);
  }
  bool LooksBeyondCall(const Operation&) const { return false; }
  std::string_view Name(uint8_t function) const {
    constexpr std::string_view kNames[] = {"acquire", "release"};
    return function < std::size(kNames) ? kNames[function] : "?";
  }
  CallInWords InWords(const Operation& op) const { return FlagInWords(op); }
  std::string Describe(const State& state) const {
    return state ? "held" : "free";
  }
};
template <>
inline constexpr bool kHooksAreTested<Mutex> = true;

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_MODELS_MUTEX_H_

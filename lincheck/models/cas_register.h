// lincheck/models/cas_register.h: registers that are read and written whole,
// with and without a compare-and-swap, which fails if the value is another one.
//
// They are keys of models/kv.h with fewer functions and other names. Where all
// written values differ, the check takes near-linear time.
#ifndef QUORATE_LINCHECK_MODELS_CAS_REGISTER_H_
#define QUORATE_LINCHECK_MODELS_CAS_REGISTER_H_

#include <string_view>

#include "lincheck/models/kv.h"

namespace quorate::lincheck {

struct CasRegister : Kv {
  enum Function : uint8_t {
    kRead = Kv::kGet,   // -> value
    kWrite = Kv::kPut,  // (value)
    kCas = Kv::kCas,    // (expected, value) -> 1 if it was expected and is
                        // replaced, else 0
  };
  std::string_view Name(uint8_t function) const {
    constexpr std::string_view kNames[] = {"read", "write", "cas"};
    return function < std::size(kNames) ? kNames[function] : "?";
  }
};
template <>
inline constexpr bool kHooksAreTested<CasRegister> = true;

struct Register : Kv {
  enum Function : uint8_t {
    kRead = Kv::kGet,   // -> value
    kWrite = Kv::kPut,  // (value)
  };
  std::string_view Name(uint8_t function) const {
    constexpr std::string_view kNames[] = {"read", "write"};
    return function < std::size(kNames) ? kNames[function] : "?";
  }
};
template <>
inline constexpr bool kHooksAreTested<Register> = true;

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_MODELS_CAS_REGISTER_H_

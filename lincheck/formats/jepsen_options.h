// lincheck/formats/jepsen_options.h: what a file of Jepsen's forms leaves open,
// so that its reader has to be told.
#ifndef QUORATE_LINCHECK_FORMATS_JEPSEN_OPTIONS_H_
#define QUORATE_LINCHECK_FORMATS_JEPSEN_OPTIONS_H_

#include <cstdint>
#include <string_view>

namespace quorate::lincheck {

// Whether values are pairs of a key and a value (tuples of jepsen.independent).
enum class KeyForm : uint8_t {
  kAuto,         // The whole file says.
  kIndependent,  // All are.
  kNone,         // None is.
};

// "auto", "independent", "none".
bool ParseKeyForm(std::string_view name, KeyForm* keys);

struct JepsenOptions {
  KeyForm keys = KeyForm::kAuto;
  // The store promises that a compare-and-swap fails only because it saw
  // another value than it expected. Otherwise :fail says no more than that it
  // did not take place.
  bool failed_cas_observes = false;
};

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_FORMATS_JEPSEN_OPTIONS_H_

// lincheck/text/names.h: enumerators by the names that people write. A table
// has the names in the order of the values, from 0.
#ifndef QUORATE_LINCHECK_TEXT_NAMES_H_
#define QUORATE_LINCHECK_TEXT_NAMES_H_

#include <cstddef>
#include <string_view>

namespace quorate::lincheck {

// False if no enumerator is called `name`; `*value` stays as it is then.
template <typename Enum, size_t n>
bool ParseName(std::string_view name, const std::string_view (&names)[n],
               Enum* value) {
  for (size_t i = 0; i < n; ++i) {
    if (names[i] != name) continue;
    *value = static_cast<Enum>(i);
    return true;
  }
  return false;
}

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_TEXT_NAMES_H_

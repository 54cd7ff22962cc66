// env/parse_integer.h: strict parsing of integers: no locale, spaces, leading
// plus signs or leading zeros.
#ifndef QUORATE_ENV_PARSE_INTEGER_H_
#define QUORATE_ENV_PARSE_INTEGER_H_

#include <charconv>
#include <string_view>
#include <type_traits>

namespace quorate {

// True if all of `text` is one integer that fits T, in its only spelling ("0",
// "17", "-5"; not "017", "+5", "-0").
template <typename T>
bool ParseInteger(std::string_view text, T* value, int base = 10) {
  static_assert(std::is_integral_v<T>);
  const size_t sign = !text.empty() && text.front() == '-' ? 1 : 0;
  if (text.size() == sign) return false;
  if (text[sign] == '0' && text.size() > 1) return false;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, *value, base);
  return error == std::errc() && rest == end;
}

}  // namespace quorate

#endif  // QUORATE_ENV_PARSE_INTEGER_H_

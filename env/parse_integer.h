// env/parse_integer.h: strict parsing of integers: no locale, spaces, leading
// plus signs, or leading zeros in decimal numbers.
#ifndef QUORATE_ENV_PARSE_INTEGER_H_
#define QUORATE_ENV_PARSE_INTEGER_H_

#include <charconv>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace quorate {

// True if all of `text` is one integer that fits T, in its only spelling ("0",
// "17", "-5"; not "017", "+5", "-0"). False: `*value` is as it was.
template <typename T>
bool ParseInteger(std::string_view text, T* value, int base = 10) {
  static_assert(std::is_integral_v<T>);
  const size_t sign = !text.empty() && text.front() == '-' ? 1 : 0;
  if (text.size() == sign) return false;
  if (text[sign] == '0' && text.size() > 1) return false;
  const char* end = text.data() + text.size();
  T parsed;
  const auto [rest, error] = std::from_chars(text.data(), end, parsed, base);
  if (error != std::errc() || rest != end) return false;
  *value = parsed;
  return true;
}

// The value of a hexadecimal digit of either case; -1 for other characters.
constexpr int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// True if all of `text` is a number of 1 to 16 hexadecimal digits, with leading
// zeros and lower-case letters, as names of files have.
inline bool ParsePaddedHex(std::string_view text, uint64_t* value) {
  if (text.empty() || text.size() > 16) return false;
  *value = 0;
  for (const char c : text) {
    const int digit = HexDigit(c);
    if (digit < 0 || (c >= 'A' && c <= 'F')) return false;
    *value = *value << 4 | static_cast<uint64_t>(digit);
  }
  return true;
}

}  // namespace quorate

#endif  // QUORATE_ENV_PARSE_INTEGER_H_

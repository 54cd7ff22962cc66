// lincheck/utf8.h: checks and writes UTF-8, of which all text in history files
// and in verdicts consists.
#ifndef QUORATE_LINCHECK_UTF8_H_
#define QUORATE_LINCHECK_UTF8_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace quorate::lincheck {

// The offset of the first byte that is not part of valid UTF-8; npos if all is.
// Surrogates and overlong forms are not valid (Unicode 3.9, table 3-7).
size_t FindInvalidUtf8(std::string_view bytes);

// How many bytes the character at the front of `bytes` has; 0: it is not valid.
size_t Utf8CharacterSize(std::string_view bytes);

// Requires: a Unicode scalar value.
void AppendUtf8(uint32_t code_point, std::string* out);

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_UTF8_H_

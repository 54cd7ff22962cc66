// lincheck/text/utf8.h: checks and writes UTF-8, of which all text in history
// files and in verdicts consists.
#ifndef QUORATE_LINCHECK_TEXT_UTF8_H_
#define QUORATE_LINCHECK_TEXT_UTF8_H_

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

// The code point of an escape. Its backslash and 'u' stand before `text`. It
// has four hexadecimal digits, and a second such escape if it is a surrogate.
// Returns how many bytes of `text` it takes; 0: it is not valid.
size_t ReadUnicodeEscape(std::string_view text, uint32_t* code_point);

// Requires: a Unicode scalar value.
void AppendUtf8(uint32_t code_point, std::string* out);

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_TEXT_UTF8_H_

// env/json_string.h: strings as JSON (RFC 8259, section 7).
//
// lincheck has its own writer, since it depends on no other folder.
#ifndef QUORATE_ENV_JSON_STRING_H_
#define QUORATE_ENV_JSON_STRING_H_

#include <string>
#include <string_view>

namespace quorate {

// Appends `text` in quotes. Quotes, backslashes and control characters are
// escaped; other bytes stay as they are, so `text` must be UTF-8.
void AppendJsonString(std::string_view text, std::string* out);

// Returns `text` in quotes.
std::string JsonString(std::string_view text);

}  // namespace quorate

#endif  // QUORATE_ENV_JSON_STRING_H_

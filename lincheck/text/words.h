// lincheck/text/words.h: numbers and long texts in sentences for people. Knows
// nothing of histories.
#ifndef QUORATE_LINCHECK_TEXT_WORDS_H_
#define QUORATE_LINCHECK_TEXT_WORDS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace quorate::lincheck {

// 1234567: "1,234,567".
std::string Grouped(uint64_t number);
// 1 and "key": "1 key"; 1200 and "key": "1,200 keys".
std::string Counted(uint64_t number, std::string_view one);

// The last place up to `at` between two characters, if `text` is text.
size_t BetweenCharacters(std::string_view text, size_t at);
// `text` without its middle, if it is longer than both ends that are kept.
std::string Shortened(std::string_view text, size_t begin_bytes,
                      size_t end_bytes);

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_TEXT_WORDS_H_

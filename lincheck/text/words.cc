#include "lincheck/text/words.h"

namespace quorate::lincheck {

std::string Grouped(uint64_t number) {
  std::string digits = std::to_string(number);
  for (size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, 1, ',');
  return digits;
}

std::string Counted(uint64_t number, std::string_view one) {
  std::string text = Grouped(number) + " ";
  text += one;
  if (number != 1) text += 's';
  return text;
}

size_t BetweenCharacters(std::string_view text, size_t at) {
  const auto inside = [&](size_t i) {
    return i < text.size() && (text[i] & 0xc0) == 0x80;
  };
  size_t end = at;
  for (int i = 0; i < 3 && end > 0 && inside(end); ++i) --end;
  return inside(end) ? at : end;
}

std::string Shortened(std::string_view text, size_t begin_bytes,
                      size_t end_bytes) {
  if (text.size() <= begin_bytes + end_bytes) return std::string(text);
  std::string shown(text.substr(0, BetweenCharacters(text, begin_bytes)));
  shown += "…";
  shown += text.substr(BetweenCharacters(text, text.size() - end_bytes));
  return shown;
}

}  // namespace quorate::lincheck

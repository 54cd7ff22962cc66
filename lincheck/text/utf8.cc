#include "lincheck/text/utf8.h"

#include <charconv>
#include <cstring>

namespace quorate::lincheck {
namespace {

// Four hexadecimal digits at the front of `text`.
bool ReadHex4(std::string_view text, uint32_t* value) {
  if (text.size() < 4) return false;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + 4, *value, 16);
  return error == std::errc() && end == text.data() + 4;
}

}  // namespace

size_t Utf8CharacterSize(std::string_view bytes) {
  const auto byte = [&](size_t i) {
    return i < bytes.size() ? static_cast<uint8_t>(bytes[i]) : uint8_t{0};
  };
  const auto continues = [&](size_t i) { return (byte(i) & 0xc0) == 0x80; };
  const uint8_t first = byte(0);
  const uint8_t second = byte(1);
  if (first < 0x80) return 1;
  if (first < 0xc2) return 0;
  if (first < 0xe0) return continues(1) ? 2 : 0;
  if (first < 0xf0) {
    if (!continues(1) || !continues(2)) return 0;
    if (first == 0xe0 && second < 0xa0) return 0;
    if (first == 0xed && second > 0x9f) return 0;
    return 3;
  }
  if (first > 0xf4 || !continues(1) || !continues(2) || !continues(3)) return 0;
  if (first == 0xf0 && second < 0x90) return 0;
  if (first == 0xf4 && second > 0x8f) return 0;
  return 4;
}

size_t FindInvalidUtf8(std::string_view bytes) {
  size_t at = 0;
  while (at < bytes.size()) {
    // Eight plain characters at a time.
    uint64_t word;
    if (bytes.size() - at >= sizeof(word)) {
      std::memcpy(&word, bytes.data() + at, sizeof(word));
      if ((word & 0x8080808080808080ULL) == 0) {
        at += sizeof(word);
        continue;
      }
    }
    const size_t size = Utf8CharacterSize(bytes.substr(at));
    if (size == 0) return at;
    at += size;
  }
  return std::string_view::npos;
}

void AppendUtf8(uint32_t code_point, std::string* out) {
  const auto tail = [&](int shift) {
    out->push_back(static_cast<char>(0x80 | ((code_point >> shift) & 0x3f)));
  };
  if (code_point < 0x80) {
    out->push_back(static_cast<char>(code_point));
  } else if (code_point < 0x800) {
    out->push_back(static_cast<char>(0xc0 | (code_point >> 6)));
    tail(0);
  } else if (code_point < 0x10000) {
    out->push_back(static_cast<char>(0xe0 | (code_point >> 12)));
    tail(6);
    tail(0);
  } else {
    out->push_back(static_cast<char>(0xf0 | (code_point >> 18)));
    tail(12);
    tail(6);
    tail(0);
  }
}

size_t ReadUnicodeEscape(std::string_view text, uint32_t* code_point) {
  uint32_t low = 0;
  if (!ReadHex4(text, code_point)) return 0;
  if (*code_point < 0xd800 || *code_point > 0xdfff) return 4;
  if (*code_point > 0xdbff || text.substr(4, 2) != "\\u" ||
      !ReadHex4(text.substr(6), &low) || low < 0xdc00 || low > 0xdfff) {
    return 0;
  }
  *code_point = 0x10000 + ((*code_point - 0xd800) << 10) + (low - 0xdc00);
  return 10;
}

}  // namespace quorate::lincheck

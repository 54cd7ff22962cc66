#include "lincheck/formats/json_cursor.h"

#include <array>
#include <charconv>

#include "absl/strings/str_cat.h"
#include "lincheck/utf8.h"

namespace quorate::lincheck {
namespace {

// Bytes that stand in a string as they are, whatever their neighbours.
constexpr std::array<bool, 256> MakePlain() {
  std::array<bool, 256> plain{};
  for (int c = 0x20; c < 0x80; ++c) plain[c] = c != '"' && c != '\\';
  return plain;
}
constexpr std::array<bool, 256> kPlain = MakePlain();

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

bool JsonCursor::Fail(size_t offset, std::string reason) {
  error_offset_ = offset;
  error_ = std::move(reason);
  return false;
}

bool JsonCursor::Expect(char c) {
  if (Take(c)) return true;
  if (at_ == text_.size()) {
    return Fail(at_, absl::StrCat("the line ends where '", std::string(1, c),
                                  "' should follow"));
  }
  return Fail(at_, absl::StrCat("'", std::string(1, c), "' expected"));
}

bool JsonCursor::ReadName(std::string_view* name) {
  return ReadString(name) && Expect(':');
}

bool JsonCursor::ReadString(std::string_view* value) {
  if (!Take('"')) {
    return Fail(at_, at_ == text_.size()
                         ? "the line ends where a string should follow"
                         : "a string expected");
  }
  const size_t begin = at_;
  while (at_ < text_.size() && kPlain[static_cast<uint8_t>(text_[at_])]) ++at_;
  if (at_ < text_.size() && text_[at_] == '"') {
    *value = text_.substr(begin, at_ - begin);
    ++at_;
    return true;
  }
  return ReadHardString(begin - 1, value);
}

bool JsonCursor::ReadHardString(size_t opening, std::string_view* value) {
  scratch_.assign(text_.substr(opening + 1, at_ - opening - 1));
  while (at_ < text_.size()) {
    const char c = text_[at_];
    if (c == '"') {
      ++at_;
      *value = scratch_;
      return true;
    }
    if (c == '\\') {
      if (!ReadEscape()) return false;
    } else if (static_cast<uint8_t>(c) < 0x20) {
      return Fail(at_, "a control character in a string: escape it");
    } else {
      size_t end = at_;
      while (end < text_.size() && text_[end] != '"' && text_[end] != '\\' &&
             static_cast<uint8_t>(text_[end]) >= 0x20) {
        ++end;
      }
      const std::string_view piece = text_.substr(at_, end - at_);
      const size_t bad = FindInvalidUtf8(piece);
      if (bad != std::string_view::npos) {
        return Fail(at_ + bad, "not valid UTF-8");
      }
      scratch_.append(piece);
      at_ = end;
    }
  }
  return Fail(opening, "the line ends within the string that begins here");
}

bool JsonCursor::ReadEscape() {
  constexpr std::string_view kLetters = "\"\\/bfnrt";
  constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
  const size_t begin = at_;
  const char letter = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
  at_ += 2;
  const size_t known = kLetters.find(letter);
  if (letter != '\0' && known != std::string_view::npos) {
    scratch_.push_back(kMeanings[known]);
    return true;
  }
  const auto hex4 = [&](uint32_t* code) {
    const std::string_view digits =
        text_.substr(std::min(at_, text_.size()), 4);
    const auto [end, error] = std::from_chars(
        digits.data(), digits.data() + digits.size(), *code, 16);
    at_ += 4;
    return digits.size() == 4 && error == std::errc() &&
           end == digits.data() + 4;
  };
  uint32_t code = 0;
  if (letter != 'u' || !hex4(&code)) return Fail(begin, "not a valid escape");
  if (code >= 0xd800 && code <= 0xdfff) {
    uint32_t low = 0;
    if (code > 0xdbff ||
        text_.substr(std::min(at_, text_.size()), 2) != "\\u" ||
        (at_ += 2, !hex4(&low)) || low < 0xdc00 || low > 0xdfff) {
      return Fail(begin, "half of a surrogate pair");
    }
    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
  }
  AppendUtf8(code, &scratch_);
  return true;
}

bool JsonCursor::ReadInteger(int64_t* value) {
  SkipBlanks();
  const size_t begin = at_;
  const char* const first = text_.data() + at_;
  const char* const last = text_.data() + text_.size();
  const auto [end, error] = std::from_chars(first, last, *value);
  if (error == std::errc::invalid_argument) {
    return Fail(begin, "an integer expected");
  }
  if (error != std::errc()) return Fail(begin, "an integer beyond 64 bits");
  at_ += end - first;
  const size_t digits = begin + (*first == '-' ? 1 : 0);
  if (text_[digits] == '0' && at_ > digits + 1) {
    return Fail(begin, "not the usual spelling of an integer");
  }
  if (at_ < text_.size() &&
      (text_[at_] == '.' || text_[at_] == 'e' || text_[at_] == 'E')) {
    return Fail(begin, "an integer expected, without fraction or exponent");
  }
  return true;
}

bool JsonCursor::ReadWord(std::string_view* word) {
  SkipBlanks();
  for (std::string_view known : {"null", "true", "false"}) {
    if (text_.substr(at_, known.size()) == known) {
      *word = known;
      at_ += known.size();
      return true;
    }
  }
  return Fail(at_, at_ == text_.size()
                       ? "the line ends where a value should follow"
                       : "a value expected");
}

bool JsonCursor::SkipNumber() {
  const size_t begin = at_;
  const auto digits = [&] {
    const size_t from = at_;
    while (at_ < text_.size() && IsDigit(text_[at_])) ++at_;
    return at_ > from;
  };
  if (at_ < text_.size() && text_[at_] == '-') ++at_;
  const size_t whole = at_;
  if (!digits() || (text_[whole] == '0' && at_ > whole + 1)) {
    return Fail(begin, "not a number");
  }
  if (at_ < text_.size() && text_[at_] == '.') {
    ++at_;
    if (!digits()) return Fail(begin, "not a number");
  }
  if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
    ++at_;
    if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) ++at_;
    if (!digits()) return Fail(begin, "not a number");
  }
  return true;
}

bool JsonCursor::Skip(int depth) {
  if (depth > kDepthMax) {
    return Fail(at_, absl::StrCat("more than ", kDepthMax,
                                  " arrays and objects in each other"));
  }
  std::string_view ignored;
  const char c = Peek();
  if (c == '"') return ReadString(&ignored);
  if (c == '-' || IsDigit(c)) return SkipNumber();
  if (c == '[') {
    ++at_;
    if (Take(']')) return true;
    do {
      if (!Skip(depth + 1)) return false;
    } while (Take(','));
    return Expect(']');
  }
  if (c == '{') {
    ++at_;
    if (Take('}')) return true;
    do {
      if (!ReadName(&ignored) || !Skip(depth + 1)) return false;
    } while (Take(','));
    return Expect('}');
  }
  return ReadWord(&ignored);
}

}  // namespace quorate::lincheck

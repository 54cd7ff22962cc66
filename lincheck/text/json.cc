#include "lincheck/text/json.h"

#include <array>
#include <charconv>

#include "absl/strings/str_cat.h"
#include "lincheck/text/utf8.h"

namespace quorate::lincheck {
namespace {

// Bytes that stand in a string as they are, whatever their neighbours.
constexpr std::array<bool, 256> MakePlain() {
  std::array<bool, 256> plain{};
  for (int c = 0x20; c < 0x80; ++c) plain[c] = c != '"' && c != '\\';
  return plain;
}
constexpr std::array<bool, 256> kPlain = MakePlain();

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
    } else if (!any_bytes_ && static_cast<uint8_t>(c) < 0x20) {
      return Fail(at_, "a control character in a string: escape it");
    } else {
      size_t end = at_ + 1;
      while (end < text_.size() && text_[end] != '"' && text_[end] != '\\' &&
             static_cast<uint8_t>(text_[end]) >= 0x20) {
        ++end;
      }
      const std::string_view piece = text_.substr(at_, end - at_);
      const size_t bad = FindInvalidUtf8(piece);
      if (!any_bytes_ && bad != std::string_view::npos) {
        return Fail(at_ + bad, "not valid UTF-8");
      }
      scratch_.append(piece);
      at_ = end;
    }
  }
  return Fail(opening, "the line ends within the string that begins here");
}

bool JsonCursor::ReadEscape() {
  constexpr std::string_view kLetters = "\"\\/bfnrt'";
  constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t'";
  const size_t begin = at_;
  const char letter = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
  at_ += 2;
  const size_t known = kLetters.find(letter);
  if (letter != '\0' && known != std::string_view::npos &&
      (letter != '\'' || any_bytes_)) {
    scratch_.push_back(kMeanings[known]);
    return true;
  }
  uint32_t code = 0;
  const size_t size =
      letter == 'u' ? ReadUnicodeEscape(text_.substr(at_), &code) : 0;
  if (size == 0) return Fail(begin, "not a valid escape");
  at_ += size;
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

void AppendJsonString(std::string_view text, std::string* out, bool any_bytes) {
  out->push_back('"');
  while (!text.empty()) {
    const auto c = static_cast<uint8_t>(text[0]);
    size_t size = 1;
    if (c == '"' || c == '\\') {
      out->push_back('\\');
      out->push_back(text[0]);
    } else if (c < 0x20 || c == 0x7f) {
      constexpr std::string_view kDigits = "0123456789abcdef";
      *out += "\\u00";
      out->push_back(kDigits[c >> 4]);
      out->push_back(kDigits[c & 15]);
    } else if (c < 0x80 || any_bytes) {
      out->push_back(text[0]);
    } else {
      size = Utf8CharacterSize(text);
      *out += size == 0 ? "\xef\xbf\xbd" : text.substr(0, size);
      size = std::max<size_t>(size, 1);
    }
    text.remove_prefix(size);
  }
  out->push_back('"');
}

}  // namespace quorate::lincheck

#include "lincheck/formats/plain_line.h"

#include <algorithm>

namespace quorate::lincheck {
namespace {

// How the character ESC is written, also by programs that replace it.
constexpr std::string_view kEscapes[] = {
    "\x1b", "^[", "\\e", "\\033", "\\x1b", "\\x1B", "\\u001b", "\\u001B"};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLetter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// How many bytes at the front of `rest` are one escape such as "ESC[1;31m". A
// terminal that does not print ESC leaves "[1;31m". EDN has no such vector: a
// number does not end with a letter.
size_t EscapeSize(std::string_view rest) {
  size_t at = 0;
  for (const std::string_view escape : kEscapes) {
    if (rest.substr(0, escape.size()) != escape) continue;
    at = escape.size();
    break;
  }
  const bool bare = at == 0;
  if (at == rest.size() || rest[at] != '[') return 0;
  const size_t numbers = ++at;
  while (at < rest.size() && (IsDigit(rest[at]) || rest[at] == ';')) ++at;
  if (at == rest.size() || !IsLetter(rest[at])) return 0;
  if (bare && (at == numbers || rest[at] != 'm')) return 0;
  return at + 1;
}

// Whether "\t" behind `before` stands for a tab. Behind a blank or a bracket it
// is EDN's character t.
bool MayEndWith(std::string_view before) {
  return !before.empty() && std::string_view(" \t,([{\"").find(before.back()) ==
                                std::string_view::npos;
}

}  // namespace

void PlainLine::Skip(size_t bytes) {
  const size_t before = cuts_.empty() ? 0 : cuts_.back().bytes;
  cuts_.push_back({.offset = text_.size(), .bytes = before + bytes});
}

void PlainLine::Read(std::string_view line, size_t values) {
  text_.clear();
  cuts_.clear();
  bool quoted = false;
  for (size_t at = 0; at < line.size();) {
    const std::string_view rest = line.substr(at);
    const size_t escape = quoted ? 0 : EscapeSize(rest);
    if (escape > 0) {
      Skip(escape);
      at += escape;
      continue;
    }
    if (!quoted && rest.substr(0, 2) == "\\t" && MayEndWith(text_)) {
      text_.push_back('\t');
      Skip(1);
      at += 2;
      continue;
    }
    // A quote behind a backslash neither begins nor ends a string.
    const size_t size = rest[0] == '\\' ? std::min<size_t>(2, rest.size()) : 1;
    if (rest[0] == '"' && at >= values) quoted = !quoted;
    text_.append(rest.substr(0, size));
    at += size;
  }
}

size_t PlainLine::OffsetInLine(size_t offset) const {
  const auto behind = std::upper_bound(
      cuts_.begin(), cuts_.end(), offset,
      [](size_t value, const Cut& cut) { return value < cut.offset; });
  return behind == cuts_.begin() ? offset : offset + (behind - 1)->bytes;
}

}  // namespace quorate::lincheck

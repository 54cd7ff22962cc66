#include "node/commands/glob.h"

#include <cstddef>
#include <cstdint>
#include <utility>

namespace quorate::node {
namespace {

// Matches `c` against the character class whose first character is at `*p`,
// after the '['. Moves `*p` to the first character after the class. A class
// without a closing bracket ends with the pattern.
bool MatchClass(std::string_view pattern, size_t* p, char c) {
  bool negate = false;
  bool matched = false;
  const auto byte = static_cast<uint8_t>(c);
  if (*p < pattern.size() && pattern[*p] == '^') {
    negate = true;
    ++*p;
  }
  while (*p < pattern.size() && pattern[*p] != ']') {
    if (pattern[*p] == '\\' && *p + 1 < pattern.size()) {
      if (pattern[*p + 1] == c) matched = true;
      *p += 2;
    } else if (*p + 2 < pattern.size() && pattern[*p + 1] == '-') {
      auto low = static_cast<uint8_t>(pattern[*p]);
      auto high = static_cast<uint8_t>(pattern[*p + 2]);
      if (low > high) std::swap(low, high);
      if (byte >= low && byte <= high) matched = true;
      *p += 3;
    } else {
      if (pattern[*p] == c) matched = true;
      ++*p;
    }
  }
  if (*p < pattern.size()) ++*p;
  return matched != negate;
}

// Matches `c` against one element of the pattern that is not '*'. Moves `*p` to
// the next element.
bool MatchOne(std::string_view pattern, size_t* p, char c) {
  switch (pattern[*p]) {
    case '?':
      ++*p;
      return true;
    case '[':
      ++*p;
      return MatchClass(pattern, p, c);
    case '\\':
      if (*p + 1 < pattern.size()) ++*p;
      break;
    default:
      break;
  }
  return pattern[(*p)++] == c;
}

}  // namespace

bool GlobMatch(std::string_view pattern, std::string_view text) {
  size_t p = 0;
  size_t t = 0;
  // Positions for the next try after the last '*'. If the rest of the pattern
  // does not match, the '*' takes one character more.
  size_t star_p = std::string_view::npos;
  size_t star_t = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star_p = ++p;
      star_t = t;
      continue;
    }
    if (p < pattern.size() && MatchOne(pattern, &p, text[t])) {
      ++t;
      continue;
    }
    if (star_p == std::string_view::npos) return false;
    p = star_p;
    t = ++star_t;
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace quorate::node

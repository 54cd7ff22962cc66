#include "node/commands/glob.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace quorate::node {
namespace {

// Reads the character class whose first character is at `*p`, after the '['.
// Moves `*p` to the first character after the class. A class without a closing
// bracket ends with the pattern.
std::bitset<256> ReadClass(std::string_view pattern, size_t* p) {
  std::bitset<256> members;
  bool negate = false;
  if (*p < pattern.size() && pattern[*p] == '^') {
    negate = true;
    ++*p;
  }
  while (*p < pattern.size() && pattern[*p] != ']') {
    if (pattern[*p] == '\\' && *p + 1 < pattern.size()) {
      members.set(static_cast<uint8_t>(pattern[*p + 1]));
      *p += 2;
    } else if (*p + 2 < pattern.size() && pattern[*p + 1] == '-') {
      auto low = static_cast<uint8_t>(pattern[*p]);
      auto high = static_cast<uint8_t>(pattern[*p + 2]);
      if (low > high) std::swap(low, high);
      for (uint32_t member = low; member <= high; ++member) members.set(member);
      *p += 3;
    } else {
      members.set(static_cast<uint8_t>(pattern[*p]));
      ++*p;
    }
  }
  if (*p < pattern.size()) ++*p;
  return negate ? ~members : members;
}

}  // namespace

Glob::Glob(std::string_view pattern) {
  for (size_t p = 0; p < pattern.size();) {
    const char c = pattern[p++];
    switch (c) {
      case '*':
        if (elements_.empty() || elements_.back().kind != Kind::kStar) {
          elements_.push_back({.kind = Kind::kStar});
        }
        break;
      case '?':
        elements_.push_back({.kind = Kind::kAny});
        break;
      case '[':
        elements_.push_back(
            {.kind = Kind::kClass,
             .in_classes = static_cast<uint32_t>(classes_.size())});
        classes_.push_back(ReadClass(pattern, &p));
        break;
      default: {
        // A backslash at the end stands for itself.
        const bool escape = c == '\\' && p < pattern.size();
        const char character = escape ? pattern[p++] : c;
        elements_.push_back({.kind = Kind::kCharacter,
                             .character = static_cast<uint8_t>(character)});
      }
    }
  }
}

bool Glob::MatchesOne(const Element& element, char c) const {
  switch (element.kind) {
    case Kind::kStar:
      break;
    case Kind::kAny:
      return true;
    case Kind::kCharacter:
      return element.character == static_cast<uint8_t>(c);
    case Kind::kClass:
      return classes_[element.in_classes].test(static_cast<uint8_t>(c));
  }
  return false;
}

Glob::Result Glob::Match(std::string_view text, Attempt* attempt,
                         uint64_t* steps) const {
  Attempt now = *attempt;
  while (now.position < text.size()) {
    if (*steps == 0) {
      *attempt = now;
      return Result::kUnfinished;
    }
    --*steps;
    const bool more = now.element < elements_.size();
    if (more && elements_[now.element].kind == Kind::kStar) {
      now.behind_star = ++now.element;
      now.star_end = now.position;
      if (now.element == elements_.size()) return Result::kMatches;
    } else if (more && MatchesOne(elements_[now.element], text[now.position])) {
      ++now.element;
      ++now.position;
    } else if (now.behind_star == 0) {
      return Result::kDiffers;
    } else {
      now.element = now.behind_star;
      now.position = ++now.star_end;
    }
  }
  const size_t left = elements_.size() - now.element;
  return left == 0 || (left == 1 && elements_.back().kind == Kind::kStar)
             ? Result::kMatches
             : Result::kDiffers;
}

bool Glob::Matches(std::string_view text) const {
  Attempt attempt;
  uint64_t steps = std::numeric_limits<uint64_t>::max();
  return Match(text, &attempt, &steps) == Result::kMatches;
}

}  // namespace quorate::node

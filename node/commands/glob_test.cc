#include "node/commands/glob.h"

#include <string>

#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace quorate::node {
namespace {

TEST(Glob_Patterns, MatchAsInRedis) {
  struct Row {
    std::string_view pattern;
    std::string_view text;
    bool matches;
  };
  const Row rows[] = {
      {"*", "", true},
      {"*", "anything", true},
      {"h?llo", "hello", true},
      {"h?llo", "hllo", false},
      {"h*llo", "heeeello", true},
      {"h[ae]llo", "hallo", true},
      {"h[ae]llo", "hillo", false},
      {"h[^e]llo", "hallo", true},
      {"h[^e]llo", "hello", false},
      {"h[a-b]llo", "hbllo", true},
      {"h[b-a]llo", "hallo", true},
      {"h[a-b]llo", "hcllo", false},
      {"a\\*b", "a*b", true},
      {"a\\*b", "axb", false},
      {"[\\]]", "]", true},
      {"user:*:name", "user:7:name", true},
      {"", "", true},
      {"", "a", false},
      {"a", "", false},
      {"**a**", "bab", true},
      {"a\\", "a\\", true},
      {"[a", "a", true},
      {"A", "a", false},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(GlobMatch(row.pattern, row.text), row.matches)
        << row.pattern << " " << row.text;
  }
}

// A simple, slow matcher for '*', '?' and plain characters.
bool Slow(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return text.empty();
  if (pattern[0] == '*') {
    return Slow(pattern.substr(1), text) ||
           (!text.empty() && Slow(pattern, text.substr(1)));
  }
  return !text.empty() && (pattern[0] == '?' || pattern[0] == text[0]) &&
         Slow(pattern.substr(1), text.substr(1));
}

RC_GTEST_PROP(Glob_AnyPattern, AgreesWithTheSlowMatcher, ()) {
  const auto pattern = *rc::gen::resize(
      12,
      rc::gen::container<std::string>(rc::gen::element('a', 'b', '*', '?')));
  const auto text = *rc::gen::resize(
      16, rc::gen::container<std::string>(rc::gen::element('a', 'b')));
  RC_ASSERT(GlobMatch(pattern, text) == Slow(pattern, text));
}

TEST(Glob_ManyStars, TakeLittleTime) {
  std::string pattern;
  for (int i = 0; i < 60; ++i) pattern += "a*";
  EXPECT_FALSE(GlobMatch(pattern + "b", std::string(20'000, 'a')));
}

}  // namespace
}  // namespace quorate::node

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
    EXPECT_EQ(Glob(row.pattern).Matches(row.text), row.matches)
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
  RC_ASSERT(Glob(pattern).Matches(text) == Slow(pattern, text));
}

RC_GTEST_PROP(Glob_AnyPattern, InParts_HasTheSameResult, ()) {
  const auto pattern =
      *rc::gen::resize(12, rc::gen::container<std::string>(rc::gen::element(
                               'a', 'b', '*', '?', '[', ']', '^', '-', '\\')));
  const auto text = *rc::gen::resize(
      16, rc::gen::container<std::string>(rc::gen::element('a', 'b', '-')));
  const Glob glob(pattern);
  Glob::Attempt attempt;
  Glob::Result result = Glob::Result::kUnfinished;
  while (result == Glob::Result::kUnfinished) {
    const uint64_t given = *rc::gen::inRange<uint64_t>(1, 4);
    uint64_t steps = given;
    result = glob.Match(text, &attempt, &steps);
    RC_ASSERT(steps <= given);
    if (result == Glob::Result::kUnfinished) RC_ASSERT(steps == 0u);
  }
  RC_ASSERT((result == Glob::Result::kMatches) == glob.Matches(text));
}

TEST(Glob_ManyStars, TakeAtMostTheProductOfBothLengths) {
  std::string pattern;
  for (int i = 0; i < 60; ++i) pattern += "a*";
  const std::string text(20'000, 'a');
  Glob::Attempt attempt;
  uint64_t steps = 10'000'000;
  EXPECT_EQ(Glob(pattern + "b").Match(text, &attempt, &steps),
            Glob::Result::kDiffers);
  EXPECT_GE(steps, 10'000'000 - 121 * 20'000);
}

// A long class costs its length once, not for each character of each key.
TEST(Glob_LongClass, IsReadOnce) {
  const Glob glob("[" + std::string(60'000, 'x') + "a]*b");
  Glob::Attempt attempt;
  uint64_t steps = 1'000;
  EXPECT_EQ(glob.Match("aaaab", &attempt, &steps), Glob::Result::kMatches);
  EXPECT_GE(steps, 980u);
}

}  // namespace
}  // namespace quorate::node

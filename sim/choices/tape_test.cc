#include "sim/choices/tape.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace quorate::sim {
namespace {

Tape Example() {
  Tape tape;
  tape.seed = 42;
  tape.parameters = {{"nodes", "5"}, {"duration", "60s"}, {"note", "a=b c"}};
  tape.choices = {{"net.fate", 1, 2, 3},
                  {"disk.loss", 18446744073709551615u, 0, 1}};
  return tape;
}

TEST(Tape, Format_IsReadableAndParsesBack) {
  const std::string text = FormatTape(Example());
  EXPECT_EQ(text,
            "quorate-tape 1\n"
            "seed 42\n"
            "nodes=5\n"
            "duration=60s\n"
            "note=a=b c\n"
            "---\n"
            "net.fate 1 2 3\n"
            "disk.loss 18446744073709551615 0 1\n");
  const auto parsed = ParseTape(text);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(*parsed, Example());
}

TEST(Tape, CommentsBlankLinesAndCarriageReturns_AreSkipped) {
  const auto parsed = ParseTape(
      "# found by seed 42\r\nquorate-tape 1\r\nseed 42\n\nnodes=5\n---\n"
      "# a comment\nnet.fate 1 2 3");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  ASSERT_NE(parsed->Parameter("nodes"), nullptr);
  EXPECT_EQ(*parsed->Parameter("nodes"), "5");
  EXPECT_EQ(parsed->Parameter("groups"), nullptr);
  EXPECT_EQ(parsed->choices.size(), 1u);
}

TEST(Tape, BadText_IsRefusedWithItsLine) {
  const struct {
    const char* text;
    const char* error;
  } kCases[] = {
      {"", "line 1: \"end of file\", expected quorate-tape 1"},
      {"quorate-tape 2\n", "line 1: \"quorate-tape 2\""},
      {"hello\n", "line 1: \"hello\", expected quorate-tape 1"},
      {"quorate-tape 1\nseed x\n", "line 2: \"seed x\", expected seed N"},
      {"quorate-tape 1\nseed 1\nnonsense\n---\n", "line 3: \"nonsense\""},
      {"quorate-tape 1\nseed 1\na=1\na=2\n---\n",
       "line 4: \"a=2\", expected a key that no earlier line has"},
      {"quorate-tape 1\nseed 1\n---\nnet.fate 1 2\n",
       "line 4: \"net.fate 1 2\""},
      {"quorate-tape 1\nseed 1\n---\nnet.fate 1 2 3 4\n", "line 4"},
      {"quorate-tape 1\nseed 1\n---\nnet.fate 1 2 -3\n", "line 4"},
      {"quorate-tape 1\nseed 1\n---\nnet.fate 1 2 18446744073709551616\n",
       "line 4"},
      {"quorate-tape 1\nseed 1\n---\nNET 1 2 3\n", "line 4"},
      {"quorate-tape 1\nseed 1\n---\n 1 2 3\n", "line 4"},
  };
  for (const auto& [text, error] : kCases) {
    const auto parsed = ParseTape(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(parsed.status().ToString().find(error), std::string::npos)
        << parsed.status();
  }
}

TEST(Tape, AnyLineDeleted_StillParses) {
  const std::string text = FormatTape(Example());
  const size_t begin = text.find("---\n") + 4;
  for (size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
    std::string shorter = text;
    shorter.erase(at, text.find('\n', at) + 1 - at);
    const auto parsed = ParseTape(shorter);
    ASSERT_TRUE(parsed.ok()) << parsed.status() << "\n" << shorter;
    EXPECT_EQ(parsed->choices.size(), at < begin ? 2u : 1u);
  }
}

RC_GTEST_PROP(Tape, AnyTape_RoundTrips, ()) {
  Tape tape;
  tape.seed = *rc::gen::arbitrary<uint64_t>();
  const auto word = rc::gen::nonEmpty(
      rc::gen::container<std::string>(rc::gen::inRange('a', 'z')));
  const int parameters = *rc::gen::inRange(0, 5);
  for (int i = 0; i < parameters; ++i) tape.SetParameter(*word, *word);
  const int choices = *rc::gen::inRange(0, 20);
  for (int i = 0; i < choices; ++i) {
    TapeChoice choice;
    choice.site = *word;
    choice.entity = *rc::gen::arbitrary<uint64_t>();
    choice.counter = *rc::gen::arbitrary<uint64_t>();
    choice.value = *rc::gen::arbitrary<uint64_t>();
    tape.choices.push_back(choice);
  }
  const auto parsed = ParseTape(FormatTape(tape));
  RC_ASSERT(parsed.ok());
  RC_ASSERT(*parsed == tape);
}

RC_GTEST_PROP(Tape, AnyBytes_AreParsedOrRefused, ()) {
  std::string text = FormatTape(Example());
  const int edits = *rc::gen::inRange(1, 6);
  for (int i = 0; i < edits; ++i) {
    const size_t at = *rc::gen::inRange<size_t>(0, text.size());
    text[at] = *rc::gen::arbitrary<char>();
  }
  const auto parsed = ParseTape(text);
  // An accepted text is a tape: it can be formatted and parsed again.
  if (parsed.ok()) {
    const auto again = ParseTape(FormatTape(*parsed));
    RC_ASSERT(again.ok());
    RC_ASSERT(*again == *parsed);
  }
}

}  // namespace
}  // namespace quorate::sim

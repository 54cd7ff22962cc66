#include "lincheck/formats/edn.h"

#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace quorate::lincheck {
namespace {

using Outcome = EdnParser::Outcome;

std::string Printed(std::string_view text) {
  EdnParser edn;
  if (edn.Parse(text, true) != Outcome::kForm) return "not a form";
  return edn.Print(0);
}

std::string ErrorOf(std::string_view text) {
  EdnParser edn;
  if (edn.Parse(text, true) != Outcome::kError) return "no error";
  return std::to_string(edn.error_offset()) + ": " + edn.error();
}

TEST(Edn, EveryKindOfForm_IsReadAndPrinted) {
  EXPECT_EQ(Printed("nil"), "nil");
  EXPECT_EQ(Printed(" true"), "true");
  EXPECT_EQ(Printed("-12"), "-12");
  EXPECT_EQ(Printed("+7N"), "7");
  EXPECT_EQ(Printed("1.5e3M"), "1.5e3M");
  EXPECT_EQ(Printed("22/7"), "22/7");
  EXPECT_EQ(Printed("##Inf"), "##Inf");
  EXPECT_EQ(Printed("123456789012345678901234567890"),
            "123456789012345678901234567890");
  EXPECT_EQ(Printed("\"a\\\"b\""), "\"a\\\"b\"");
  EXPECT_EQ(Printed("\\a"), "\\a");
  EXPECT_EQ(Printed("\\newline"), "\\newline");
  EXPECT_EQ(Printed("[\\( \\,]"), "[\\( \\,]");
  EXPECT_EQ(Printed(":k/word"), ":k/word");
  EXPECT_EQ(Printed("sym-bol?"), "sym-bol?");
  EXPECT_EQ(Printed("( 1,2 )"), "[1 2]");
  EXPECT_EQ(Printed("{:b 0 :a [1 #{3 2}]}"), "{:a [1 #{2 3}] :b 0}");
  EXPECT_EQ(Printed("#inst \"2026\""), "#inst \"2026\"");
  EXPECT_EQ(Printed("#jepsen.history.Op{:f 1}"), "#jepsen.history.Op {:f 1}");
}

TEST(Edn, CommentsAndDiscards_LeaveNothing) {
  EXPECT_EQ(Printed("; note\n [1 #_2 #_ [3 4] ; five\n 6]"), "[1 6]");
  EXPECT_EQ(Printed("#_#_1 2 3"), "3");
  EdnParser edn;
  EXPECT_EQ(edn.Parse(" #_1 ; nothing", true), Outcome::kNothing);
}

TEST(Edn, Strings_AreUnescaped) {
  EdnParser edn;
  std::string scratch;
  ASSERT_EQ(edn.Parse("\"a\\n\\\"\\u00e4\\ud83d\\ude00\"", true),
            Outcome::kForm);
  EXPECT_EQ(edn.String(edn.node(0), &scratch), "a\n\"ä😀");
}

TEST(Edn, Errors_SayWhere) {
  EXPECT_EQ(ErrorOf("[1 2"),
            "0: the file ends within the collection that begins here");
  EXPECT_EQ(ErrorOf("[1 2}"), "4: '}' closes what '[' opened");
  EXPECT_EQ(ErrorOf("{:a}"), "0: a map with a key that has no value");
  EXPECT_EQ(ErrorOf(" \"ab"),
            "1: the file ends within the string that begins here");
  EXPECT_EQ(ErrorOf("\"a\\q\""), "2: not a valid escape");
  EXPECT_EQ(ErrorOf("\"\\ud800\""), "1: not a valid escape");
  EXPECT_EQ(ErrorOf("\"a\xff\""), "2: not valid UTF-8");
  EXPECT_EQ(ErrorOf("12#4"), "0: not a number: 12#4");
  EXPECT_EQ(ErrorOf(":"), "0: a keyword without a name");
  EXPECT_EQ(ErrorOf("#"), "0: the file ends within the tag that begins here");
  EXPECT_EQ(ErrorOf("[#tag]"), "1: a tag with nothing behind it");
  EXPECT_EQ(ErrorOf("\\"),
            "0: the file ends within the character that begins here");
  EXPECT_EQ(ErrorOf(std::string(1000, '[')),
            "201: more than 200 collections in each other");
}

TEST(Edn, ClosingBracketAlone_IsTold) {
  EdnParser edn;
  EXPECT_EQ(edn.Parse(" ] 1", true), Outcome::kClosed);
  EXPECT_EQ(edn.closed(), ']');
  EXPECT_EQ(edn.used(), 2U);
}

TEST(Edn, EveryPrefix_AsksForMoreOrGivesTheSame) {
  const std::string text =
      "#t {:a [1 -2.5 \"x\\u00e4\\\\\" \\c nil], #{:b} (true) #_ 3 :c sym}";
  EdnParser whole;
  ASSERT_EQ(whole.Parse(text, true), Outcome::kForm);
  for (size_t size = 0; size < text.size(); ++size) {
    EdnParser edn;
    EXPECT_EQ(edn.Parse(std::string_view(text).substr(0, size), false),
              Outcome::kIncomplete)
        << size;
  }
  EdnParser edn;
  ASSERT_EQ(edn.Parse(text, false), Outcome::kForm);
  EXPECT_EQ(edn.Print(0), whole.Print(0));
}

RC_GTEST_PROP(EdnFuzz, WhatIsPrinted_IsReadAsTheSame, ()) {
  // Trees as text, by a grammar.
  const auto pieces = *rc::gen::container<std::vector<std::string>>(
      rc::gen::element<std::string>("1", "-7", ":k", "\"s\"", "nil", "x", "[",
                                    "]", "(", ")", "#{", "}", "{:a", "1}",
                                    "#tag", "#_", "\\c", "1.5", "\"\\n\""));
  std::string text;
  for (const std::string& piece : pieces) text += piece + " ";
  EdnParser edn;
  if (edn.Parse(text, true) != Outcome::kForm) return;
  const std::string printed = edn.Print(0);
  EdnParser again;
  RC_ASSERT(again.Parse(printed, true) == Outcome::kForm);
  RC_ASSERT(again.used() == printed.size());
  RC_ASSERT(again.Print(0) == printed);
}

RC_GTEST_PROP(EdnFuzz, AnyBytes_AreSurvived, ()) {
  const auto text = *rc::gen::container<std::string>(
      rc::gen::oneOf(rc::gen::element('[', ']', '{', '}', '(', ')', '#', '_',
                                      '"', '\\', ':', ' ', '1', 'u', ';', '\n'),
                     rc::gen::arbitrary<char>()));
  EdnParser edn;
  std::string scratch;
  for (bool complete : {false, true}) {
    if (edn.Parse(text, complete) != Outcome::kForm) continue;
    RC_ASSERT(edn.used() <= text.size());
    RC_ASSERT(edn.node(0).end > 0U);
    for (uint32_t i = 0; i < edn.node(0).end; ++i) {
      if (edn.node(i).kind == EdnKind::kString) {
        edn.String(edn.node(i), &scratch);
      }
    }
    edn.Print(0);
  }
}

}  // namespace
}  // namespace quorate::lincheck

#include "lincheck/text/json.h"

#include <string>
#include <string_view>

#include "gtest/gtest.h"
#include "lincheck/text/utf8.h"
#include "rapidcheck/gtest.h"

namespace quorate::lincheck {
namespace {

std::string ReadText(std::string_view json) {
  JsonCursor cursor(json);
  std::string_view text;
  if (cursor.ReadString(&text) && cursor.AtEnd()) return std::string(text);
  return std::to_string(cursor.error_offset()) + ": " + cursor.error();
}

std::string ReadNumber(std::string_view json) {
  JsonCursor cursor(json);
  int64_t number = 0;
  if (cursor.ReadInteger(&number) && cursor.AtEnd()) {
    return std::to_string(number);
  }
  return std::to_string(cursor.error_offset()) + ": " + cursor.error();
}

TEST(JsonCursor, Strings_AreUnescaped) {
  EXPECT_EQ(ReadText("\"plain\""), "plain");
  EXPECT_EQ(ReadText(" \"\""), "");
  EXPECT_EQ(ReadText("\"a\\\"\\\\\\/\\b\\f\\n\\r\\tz\""), "a\"\\/\b\f\n\r\tz");
  EXPECT_EQ(ReadText("\"\\u0041\\u00e4\\u20AC\\ud83d\\ude00\""), "Aä€😀");
  EXPECT_EQ(ReadText("\"ä😀\""), "ä😀");
}

TEST(JsonCursor, BrokenStrings_SayWhere) {
  EXPECT_EQ(ReadText("\"ab"),
            "0: the line ends within the string that begins here");
  EXPECT_EQ(ReadText("\"ab\\"), "3: not a valid escape");
  EXPECT_EQ(ReadText("\"\\x\""), "1: not a valid escape");
  EXPECT_EQ(ReadText("\"\\u12g4\""), "1: not a valid escape");
  EXPECT_EQ(ReadText("\"\\u+123\""), "1: not a valid escape");
  EXPECT_EQ(ReadText("\"\\ud800x\""), "1: not a valid escape");
  EXPECT_EQ(ReadText("\"\\udc00\""), "1: not a valid escape");
  EXPECT_EQ(ReadText("\"\\ud800\\u0041\""), "1: not a valid escape");
  EXPECT_EQ(ReadText("\"\\ud800\\ue000\""), "1: not a valid escape");
  EXPECT_EQ(ReadText("\"\\ud800\\udbff\""), "1: not a valid escape");
  EXPECT_EQ(ReadText("\"a\tb\""),
            "2: a control character in a string: escape it");
  EXPECT_EQ(ReadText("\"a\xc3\""), "2: not valid UTF-8");
  EXPECT_EQ(ReadText("\"\xed\xa0\x80\""), "1: not valid UTF-8");
  EXPECT_EQ(ReadText("\"\xc0\x80\""), "1: not valid UTF-8");
  EXPECT_EQ(ReadText("\"\xf5\x80\x80\x80\""), "1: not valid UTF-8");
  EXPECT_EQ(ReadText("7"), "0: a string expected");
}

TEST(JsonCursor, Integers_InOneSpelling) {
  EXPECT_EQ(ReadNumber("0"), "0");
  EXPECT_EQ(ReadNumber("-0"), "0");
  EXPECT_EQ(ReadNumber(" -17 "), "-17");
  EXPECT_EQ(ReadNumber("9223372036854775807"), "9223372036854775807");
  EXPECT_EQ(ReadNumber("9223372036854775808"), "0: an integer beyond 64 bits");
  EXPECT_EQ(ReadNumber("01"), "0: not the usual spelling of an integer");
  EXPECT_EQ(ReadNumber("-01"), "0: not the usual spelling of an integer");
  EXPECT_EQ(ReadNumber("1.0"),
            "0: an integer expected, without fraction or exponent");
  EXPECT_EQ(ReadNumber("1e3"),
            "0: an integer expected, without fraction or exponent");
  EXPECT_EQ(ReadNumber("+1"), "0: an integer expected");
  EXPECT_EQ(ReadNumber(""), "0: an integer expected");
}

RC_GTEST_PROP(JsonFuzz, WrittenStrings_AreReadBack, (const std::string& text)) {
  std::string json;
  AppendJsonString(text, &json);
  JsonCursor cursor(json);
  std::string_view read;
  RC_ASSERT(cursor.ReadString(&read));
  RC_ASSERT(cursor.AtEnd());
  if (FindInvalidUtf8(text) == std::string_view::npos) RC_ASSERT(read == text);
}

RC_GTEST_PROP(JsonFuzz, AnyBytes_AreSurvived, ()) {
  const auto text = *rc::gen::container<std::string>(
      rc::gen::oneOf(rc::gen::element('[', ']', '{', '}', '"', '\\', ':', ',',
                                      ' ', '1', '-', '.', 'u', 'e', 'n'),
                     rc::gen::arbitrary<char>()));
  JsonCursor cursor(text);
  std::string_view read;
  if (!cursor.ReadString(&read)) {
    RC_ASSERT(!cursor.error().empty());
    RC_ASSERT(cursor.error_offset() <= text.size());
  }
}

}  // namespace
}  // namespace quorate::lincheck

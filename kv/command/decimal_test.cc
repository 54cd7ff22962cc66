#include "kv/command/decimal.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace quorate::kv {
namespace {

std::string SumOf(std::string_view a, std::string_view b) {
  const auto x = Decimal::Parse(a);
  const auto y = Decimal::Parse(b);
  if (!x.has_value() || !y.has_value()) return "none";
  return Decimal::Sum(*x, *y).Text();
}

TEST(Decimal_Sum, IsExactAndWrittenShortly) {
  EXPECT_EQ(SumOf("10.50", "0.1"), "10.6");
  EXPECT_EQ(SumOf("3.0e3", "200"), "3200");
  EXPECT_EQ(SumOf("5.0e3", "-2.0E2"), "4800");
  EXPECT_EQ(SumOf("0.1", "0.2"), "0.3");
  EXPECT_EQ(SumOf("-5", "5"), "0");
  EXPECT_EQ(SumOf("-0", "0"), "0");
  EXPECT_EQ(SumOf("1", "-1.5"), "-0.5");
  EXPECT_EQ(SumOf("99.99", ".01"), "100");
  EXPECT_EQ(SumOf("+7.", "0"), "7");
  EXPECT_EQ(SumOf("1e20", "1"), "100000000000000000001");
  EXPECT_EQ(SumOf("0", "00012.3400"), "12.34");
}

TEST(Decimal_Sum, IsRoundedToSeventeenDigits_HalfToEven) {
  EXPECT_EQ(SumOf("0", "0.123456789012345678"), "0.12345678901234568");
  EXPECT_EQ(SumOf("0", "0.000000000000000005"), "0");
  EXPECT_EQ(SumOf("0", "0.000000000000000015"), "0.00000000000000002");
  EXPECT_EQ(SumOf("0", "0.0000000000000000051"), "0.00000000000000001");
  EXPECT_EQ(SumOf("0", "0.999999999999999996"), "1");
  EXPECT_EQ(SumOf("0", "-9.999999999999999999"), "-10");
  EXPECT_EQ(SumOf("0", "1e-4000"), "0");
}

TEST(Decimal_Parse, WhatIsNoNumber_IsRefused) {
  for (const std::string_view text :
       {"",       " 1",      "1 ",
        "abc",    "1.2.3",   ".",
        "+",      "-",       "1e",
        "1e+",    "e5",      "1e5x",
        "inf",    "-inf",    "nan",
        "0x10",   "1,5",     "--1",
        "1e5000", "1e-6000", "1e99999999999999999999"}) {
    EXPECT_FALSE(Decimal::Parse(text).has_value()) << text;
  }
  EXPECT_FALSE(
      Decimal::Parse("0." + std::string(Decimal::kTextBytesMax - 1, '1'))
          .has_value());
  EXPECT_TRUE(
      Decimal::Parse("0." + std::string(Decimal::kTextBytesMax - 2, '1'))
          .has_value());
  EXPECT_TRUE(Decimal::Parse(std::string(4933, '9')).has_value());
  EXPECT_FALSE(Decimal::Parse(std::string(4934, '9')).has_value());
  EXPECT_TRUE(Decimal::Parse("1e4932").has_value());
  EXPECT_TRUE(Decimal::Parse("1e00000000000000000000005").has_value());
}

// The text of every sum in range is read as that number again.
RC_GTEST_PROP(Decimal_Text, OfASumInRange_IsReadAgain, ()) {
  const auto number = [] {
    const auto digits = *rc::gen::inRange(1, 60);
    std::string text = *rc::gen::element<std::string>("", "-");
    for (int i = 0; i < digits; ++i) {
      text += static_cast<char>('0' + *rc::gen::inRange(0, 10));
    }
    const int exponent = *rc::gen::oneOf(rc::gen::inRange(-80, 80),
                                         rc::gen::inRange(4860, 4933));
    return Decimal::Parse(text + "e" + std::to_string(exponent));
  };
  const auto a = number();
  const auto b = number();
  RC_PRE(a.has_value() && b.has_value());
  const Decimal sum = Decimal::Sum(*a, *b);
  const auto again = Decimal::Parse(sum.Text());
  RC_ASSERT(again.has_value() == sum.InRange());
  if (again.has_value()) RC_ASSERT(again->Text() == sum.Text());
}

TEST(Decimal_Sum, AboveTheRange_IsNotInRange) {
  const Decimal nine = *Decimal::Parse("9e4932");
  EXPECT_TRUE(nine.InRange());
  EXPECT_TRUE(Decimal::Sum(nine, *Decimal::Parse("1e4931")).InRange());
  EXPECT_FALSE(Decimal::Sum(nine, nine).InRange());
  EXPECT_LE(
      Decimal::Sum(nine, *Decimal::Parse("-0.00000000000000001")).Text().size(),
      Decimal::kTextBytesMax);
}

// Against integers: a and b as multiples of 10^-scale.
RC_GTEST_PROP(Decimal_Sum, OfScaledIntegers_IsTheirSum,
              (int32_t a, int32_t b)) {
  const auto scale = *rc::gen::inRange(0, 12);
  const std::string e = "e-" + std::to_string(scale);
  const std::string sum = SumOf(std::to_string(a) + e, std::to_string(b) + e);
  const std::string whole = std::to_string(int64_t{a} + b) + e;
  RC_ASSERT(sum == Decimal::Sum(*Decimal::Parse(whole), Decimal()).Text());
  // Taking one away again gives the other.
  const std::string minus_b = std::to_string(-int64_t{b}) + e;
  RC_ASSERT(SumOf(sum, minus_b) == SumOf(std::to_string(a) + e, "0"));
}

}  // namespace
}  // namespace quorate::kv

// kv/command/decimal.h: decimal numbers as INCRBYFLOAT reads, adds and writes them.
//
// Exact but for the last step, so that every replica, whatever its processor,
// comes to the same text: a sum is rounded to kFractionDigits, half to even.
// Redis adds in the processor's long double instead; docs/decisions/0013.
#ifndef QUORATE_KV_COMMAND_DECIMAL_H_
#define QUORATE_KV_COMMAND_DECIMAL_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace quorate::kv {

class Decimal {
 public:
  static constexpr size_t kFractionDigits = 17;
  // Longer texts are no numbers. Every text of a number in range fits.
  static constexpr size_t kTextBytesMax = 5'119;
  // Of the first digit, as powers of ten; beyond them a text is no number.
  static constexpr int kExponentMax = 4932;
  static constexpr int kExponentMin = -4950;

  Decimal() = default;  // 0.

  // [+-]digits[.digits][e[+-]digits], at least one digit before the e. Nothing
  // for anything else: spaces, "inf", "nan", hexadecimal.
  static std::optional<Decimal> Parse(std::string_view text,
                                      size_t text_bytes_max = kTextBytesMax);
  static Decimal Sum(const Decimal& a, const Decimal& b);
  // Without exponent and without zeros at the end of the fraction: "10.6",
  // "-3", "0".
  std::string Text() const;
  // False for a sum whose first digit is above 10^kExponentMax: Parse would not
  // take its text.
  bool InRange() const;

 private:
  // Cuts digits that Text would not write, half to even.
  void Round();

  bool negative_ = false;
  // The number without its point, most significant digit first; no zeros in
  // front. Empty: 0.
  std::string digits_;
  // So many of them (zeros may be missing in front) stand behind the point.
  size_t scale_ = 0;
};

}  // namespace quorate::kv

#endif  // QUORATE_KV_COMMAND_DECIMAL_H_

// kv/command/decimal.h: decimal numbers as INCRBYFLOAT reads, adds and writes
// them.
//
// Every replica computes one text, whatever its processor: arithmetic is exact,
// and the sum is rounded to kFractionDigits, half to even. Redis adds in the
// processor's long double instead (docs/decisions).
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
  // Longer texts are no numbers. The text of every number in range fits.
  static constexpr size_t kTextBytesMax = 5'119;
  // Bounds of the first digit, as powers of ten; a text beyond them is no
  // number.
  static constexpr int kExponentMax = 4932;
  static constexpr int kExponentMin = -4950;

  Decimal() = default;  // 0.

  // Reads [+-]digits[.digits][e[+-]digits], with at least one digit before the
  // e. Returns nullopt for any other text: spaces, "inf", "nan", hexadecimal.
  static std::optional<Decimal> Parse(std::string_view text);
  static Decimal Sum(const Decimal& a, const Decimal& b);
  // The text without exponent and without zeros at the end of the fraction:
  // "10.6", "-3", "0".
  std::string Text() const;
  // False if the first digit is above 10^kExponentMax: Parse would refuse the
  // text.
  bool InRange() const;

 private:
  // Rounds off the digits that Text would not write, half to even.
  void Round();

  bool negative_ = false;
  // The digits without the point, most significant first, without leading
  // zeros. Empty: 0.
  std::string digits_;
  // The number of digits after the point. Leading zeros may be missing.
  size_t scale_ = 0;
};

}  // namespace quorate::kv

#endif  // QUORATE_KV_COMMAND_DECIMAL_H_

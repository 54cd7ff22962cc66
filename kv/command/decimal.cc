#include "kv/command/decimal.h"

#include <algorithm>

#include "env/parse_integer.h"

namespace quorate::kv {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

void DropLeadingZeros(std::string* digits) {
  digits->erase(0, std::min(digits->find_first_not_of('0'), digits->size()));
}

// Compares two digit strings of equal length.
std::string Add(const std::string& a, const std::string& b) {
  std::string sum(a.size() + 1, '0');
  int carry = 0;
  for (size_t i = a.size(); i > 0; --i) {
    const int digit = (a[i - 1] - '0') + (b[i - 1] - '0') + carry;
    sum[i] = static_cast<char>('0' + digit % 10);
    carry = digit / 10;
  }
  sum[0] = static_cast<char>('0' + carry);
  return sum;
}

// Subtracts `b` from `a`: digit strings of equal length, `a` >= `b`.
std::string Subtract(const std::string& a, const std::string& b) {
  std::string difference(a.size(), '0');
  int borrow = 0;
  for (size_t i = a.size(); i > 0; --i) {
    int digit = a[i - 1] - b[i - 1] - borrow;
    borrow = digit < 0 ? 1 : 0;
    if (digit < 0) digit += 10;
    difference[i - 1] = static_cast<char>('0' + digit);
  }
  return difference;
}

}  // namespace

std::optional<Decimal> Decimal::Parse(std::string_view text) {
  if (text.empty() || text.size() > kTextBytesMax) return std::nullopt;
  Decimal number;
  size_t i = 0;
  if (text[0] == '+' || text[0] == '-') {
    number.negative_ = text[0] == '-';
    ++i;
  }
  bool any = false;
  bool behind_point = false;
  for (; i < text.size() && (IsDigit(text[i]) || text[i] == '.'); ++i) {
    if (text[i] == '.') {
      if (behind_point) return std::nullopt;
      behind_point = true;
      continue;
    }
    any = true;
    number.digits_.push_back(text[i]);
    if (behind_point) ++number.scale_;
  }
  if (!any) return std::nullopt;
  int64_t exponent = 0;
  if (i < text.size()) {
    if (text[i] != 'e' && text[i] != 'E') return std::nullopt;
    std::string_view rest = text.substr(i + 1);
    const bool minus = rest.starts_with('-');
    if (minus || rest.starts_with('+')) rest.remove_prefix(1);
    const bool number_follows =
        !rest.empty() && std::all_of(rest.begin(), rest.end(), IsDigit);
    if (!number_follows) return std::nullopt;
    rest.remove_prefix(std::min(rest.find_first_not_of('0'), rest.size() - 1));
    // An exponent without a usable value is out of range.
    if (!ParseInteger(rest.substr(0, 9), &exponent)) return std::nullopt;
    if (minus) exponent = -exponent;
  }
  DropLeadingZeros(&number.digits_);
  if (number.digits_.empty()) return Decimal();
  const int64_t first = static_cast<int64_t>(number.digits_.size()) - 1 -
                        static_cast<int64_t>(number.scale_) + exponent;
  if (first > kExponentMax || first < kExponentMin) return std::nullopt;
  const int64_t scale = static_cast<int64_t>(number.scale_) - exponent;
  if (scale < 0) number.digits_.append(static_cast<size_t>(-scale), '0');
  number.scale_ = static_cast<size_t>(std::max<int64_t>(scale, 0));
  return number;
}

Decimal Decimal::Sum(const Decimal& a, const Decimal& b) {
  Decimal sum;
  sum.scale_ = std::max(a.scale_, b.scale_);
  std::string x = a.digits_ + std::string(sum.scale_ - a.scale_, '0');
  std::string y = b.digits_ + std::string(sum.scale_ - b.scale_, '0');
  const size_t size = std::max(x.size(), y.size());
  x.insert(0, size - x.size(), '0');
  y.insert(0, size - y.size(), '0');
  if (a.negative_ == b.negative_) {
    sum.negative_ = a.negative_;
    sum.digits_ = Add(x, y);
  } else {
    sum.negative_ = x < y ? b.negative_ : a.negative_;
    sum.digits_ = x < y ? Subtract(y, x) : Subtract(x, y);
  }
  DropLeadingZeros(&sum.digits_);
  sum.Round();
  return sum;
}

bool Decimal::InRange() const {
  return digits_.size() <= scale_ + kExponentMax + 1;
}

void Decimal::Round() {
  if (scale_ > kFractionDigits) {
    const size_t cut = scale_ - kFractionDigits;
    if (digits_.size() < cut) {
      digits_.clear();
    } else {
      const size_t kept = digits_.size() - cut;
      const std::string tail = digits_.substr(kept);
      digits_.resize(kept);
      const bool half =
          tail[0] == '5' && tail.find_first_not_of('0', 1) == std::string::npos;
      const bool odd = kept > 0 && (digits_.back() - '0') % 2 == 1;
      if (half ? odd : tail[0] >= '5') {
        const std::string one =
            kept == 0 ? "" : std::string(kept - 1, '0') + "1";
        digits_ = kept == 0 ? "1" : Add(digits_, one);
        DropLeadingZeros(&digits_);
      }
    }
    scale_ = kFractionDigits;
  }
  if (digits_.empty()) *this = Decimal();
}

std::string Decimal::Text() const {
  if (digits_.empty()) return "0";
  std::string digits = digits_;
  if (digits.size() <= scale_) {
    digits.insert(0, scale_ + 1 - digits.size(), '0');
  }
  std::string text = negative_ ? "-" : "";
  text.append(digits, 0, digits.size() - scale_);
  std::string fraction = digits.substr(digits.size() - scale_);
  fraction.resize(fraction.find_last_not_of('0') + 1);
  if (!fraction.empty()) text += "." + fraction;
  return text;
}

}  // namespace quorate::kv

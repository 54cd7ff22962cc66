#include "lincheck/models/datum.h"

#include <charconv>

namespace quorate::lincheck {

std::optional<int64_t> IntegerOf(Value value) {
  if (value.is_integer()) return value.integer();
  return value.is_string() ? LargeIntegerOf(value.bytes()) : std::nullopt;
}

std::optional<int64_t> LargeIntegerOf(std::string_view digits) {
  constexpr size_t kDigitsMin = 19;
  if (digits.size() < kDigitsMin) return std::nullopt;
  int64_t n = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), n);
  const bool large = n > Value::kIntegerMax || n < Value::kIntegerMin;
  // There is one way to write it.
  return large && std::to_string(n) == digits ? std::optional(n) : std::nullopt;
}

std::string Datum::ToString() const {
  if (is_forgotten()) return "a value that no operation saw";
  if (is_nil()) return "nil";
  if (is_integer()) return std::to_string(integer_);
  ValueArena arena;
  return arena.String(bytes_).ToString();
}

Value ValueOf(const Datum& datum, History* history) {
  if (datum.is_nil()) return Value::Nil();
  return datum.is_integer() ? history->Integer(datum.integer())
                            : history->String(datum.bytes());
}

bool RenameInitial(const Datum& initial, Links* links) {
  if (initial.is_nil()) return true;
  // To those who append, nil is the empty string.
  if (links->appends) return initial == Datum::Text("");
  for (Value* const value : {&links->seen, &links->written}) {
    if (value->is_nil()) return false;
    if (initial.Equals(*value)) *value = Value::Nil();
  }
  return true;
}

}  // namespace quorate::lincheck

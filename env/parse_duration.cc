#include "env/parse_duration.h"

#include "env/parse_integer.h"

namespace quorate {

std::optional<int64_t> ParseDurationMs(std::string_view text) {
  struct Unit {
    std::string_view name;
    int64_t ms;
  };
  constexpr Unit kUnits[] = {
      {"", 1'000}, {"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}};
  const size_t digits = text.find_first_not_of("0123456789");
  const std::string_view name =
      digits == std::string_view::npos ? "" : text.substr(digits);
  int64_t number = 0;
  if (!ParseInteger(text.substr(0, digits), &number) || number <= 0) {
    return std::nullopt;
  }
  for (const Unit& unit : kUnits) {
    if (unit.name == name && number <= kParsedMsMax / unit.ms) {
      return number * unit.ms;
    }
  }
  return std::nullopt;
}

}  // namespace quorate

#include "lincheck/models/datum.h"

namespace quorate::lincheck {

std::string Datum::ToString() const {
  if (is_nil()) return "nil";
  if (is_integer()) return std::to_string(integer_);
  ValueArena arena;
  return arena.String(bytes_).ToString();
}

}  // namespace quorate::lincheck

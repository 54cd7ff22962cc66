#include "lincheck/formats/recording.h"

#include <iterator>

namespace quorate::lincheck {
namespace {

constexpr std::string_view kUnits[] = {"order", "ns", "us", "ms"};
constexpr std::string_view kKinds[] = {"fault", "leader", "note"};

template <typename Enum, size_t n>
bool Parse(std::string_view name, const std::string_view (&names)[n],
           Enum* value) {
  for (size_t i = 0; i < n; ++i) {
    if (names[i] != name) continue;
    *value = static_cast<Enum>(i);
    return true;
  }
  return false;
}

}  // namespace

std::string_view TimeUnitName(TimeUnit unit) {
  return kUnits[static_cast<size_t>(unit)];
}
bool ParseTimeUnit(std::string_view name, TimeUnit* unit) {
  return Parse(name, kUnits, unit);
}
std::string_view TimelineEventKindName(TimelineEvent::Kind kind) {
  return kKinds[static_cast<size_t>(kind)];
}
bool ParseTimelineEventKind(std::string_view name, TimelineEvent::Kind* kind) {
  return Parse(name, kKinds, kind);
}

}  // namespace quorate::lincheck

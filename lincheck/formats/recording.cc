#include "lincheck/formats/recording.h"

#include <iterator>

#include "absl/strings/str_cat.h"

namespace quorate::lincheck {
namespace {

constexpr std::string_view kUnits[] = {"order", "ns", "us", "ms"};
constexpr std::string_view kKinds[] = {"fault", "leader", "note"};
constexpr std::string_view kFailedCas[] = {"absent", "observes"};

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

std::string_view FailedCasName(bool observes) {
  return kFailedCas[observes ? 1 : 0];
}

bool ParseFailedCas(std::string_view name, bool* observes) {
  return Parse(name, kFailedCas, observes);
}

std::string DescribeFailedCas(const FailedCas& failed) {
  if (failed.count == 0) return "";
  std::string text = absl::StrCat(
      failed.count, failed.count == 1 ? " cas operation" : " cas operations",
      " failed: ");
  if (!failed.observes) {
    return text + "read as not having taken place (--failed-cas absent).";
  }
  absl::StrAppend(&text, failed.observed,
                  " read as having seen another value than expected");
  if (failed.observed < failed.count) {
    absl::StrAppend(&text, ", ", failed.count - failed.observed,
                    " that gave another reason as not having taken place");
  }
  return text + " (--failed-cas observes).";
}

std::string ModelText(const Recording& recording) {
  if (recording.initial.empty()) return recording.model;
  return absl::StrCat(recording.model, " that starts as ", recording.initial);
}

}  // namespace quorate::lincheck

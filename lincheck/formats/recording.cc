#include "lincheck/formats/recording.h"

#include "absl/strings/str_cat.h"
#include "lincheck/text/names.h"

namespace quorate::lincheck {
namespace {

constexpr std::string_view kUnits[] = {"order", "ns", "us", "ms"};
constexpr std::string_view kKinds[] = {"fault", "leader", "note"};
constexpr std::string_view kFailedCas[] = {"absent", "observes"};
constexpr std::string_view kKeyForms[] = {"auto", "independent", "none"};

}  // namespace

std::string_view TimeUnitName(TimeUnit unit) {
  return kUnits[static_cast<size_t>(unit)];
}
bool ParseTimeUnit(std::string_view name, TimeUnit* unit) {
  return ParseName(name, kUnits, unit);
}
std::string_view TimelineEventKindName(TimelineEvent::Kind kind) {
  return kKinds[static_cast<size_t>(kind)];
}
bool ParseTimelineEventKind(std::string_view name, TimelineEvent::Kind* kind) {
  return ParseName(name, kKinds, kind);
}

bool ParseKeyForm(std::string_view name, KeyForm* keys) {
  return ParseName(name, kKeyForms, keys);
}

std::string_view FailedCasName(bool observes) {
  return kFailedCas[observes ? 1 : 0];
}

bool ParseFailedCas(std::string_view name, bool* observes) {
  return ParseName(name, kFailedCas, observes);
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

#include "lincheck/formats/recording.h"

#include "absl/strings/str_cat.h"

namespace quorate::lincheck {

std::string_view TimeUnitName(TimeUnit unit) {
  return kTimeUnits[static_cast<size_t>(unit)];
}
std::string_view TimelineEventKindName(TimelineEvent::Kind kind) {
  return kTimelineEventKinds[static_cast<size_t>(kind)];
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

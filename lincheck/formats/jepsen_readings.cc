#include "lincheck/formats/jepsen_readings.h"

#include <utility>

namespace quorate::lincheck {

JepsenReadings::JepsenReadings(const Vocabulary& vocabulary,
                               JepsenCalls::Options options) {
  const KeyForm keys = options.map_lines ? KeyForm::kNone : options.jepsen.keys;
  for (const bool independent : {false, true}) {
    if (keys == (independent ? KeyForm::kNone : KeyForm::kIndependent)) {
      continue;
    }
    options.independent = independent;
    readings_.push_back(std::make_unique<Reading>(vocabulary, options));
  }
}

absl::Status JepsenReadings::Take(const EdnParser& edn,
                                  const JepsenEntry& entry,
                                  JepsenCalls::Locate locate) {
  if (entries_++ == 0) {
    first_ = locate(
        edn.OffsetOf(entry.value == kNoNode ? entry.function : entry.value));
  }
  absl::Status status;
  bool left = false;
  // Of two that end at once the one without keys tells why.
  for (auto reading = readings_.rbegin(); reading != readings_.rend();
       ++reading) {
    if (!(*reading)->status.ok()) continue;
    (*reading)->status = (*reading)->calls.Take(edn, entry, locate);
    left = left || (*reading)->status.ok();
    status = (*reading)->status;
  }
  return left ? absl::OkStatus() : status;
}

void JepsenReadings::TakeNemesis(const EdnParser& edn,
                                 const JepsenEntry& entry) {
  for (const std::unique_ptr<Reading>& reading : readings_) {
    if (reading->status.ok()) reading->calls.TakeNemesis(edn, entry);
  }
}

absl::StatusOr<Recording> JepsenReadings::Finish() {
  Reading* found = nullptr;
  absl::Status status;
  for (const std::unique_ptr<Reading>& reading : readings_) {
    if (!reading->status.ok()) continue;
    reading->status = reading->calls.Finish();
    if (!reading->status.ok()) {
      status = reading->status;
    } else if (found == nullptr) {
      found = reading.get();
    } else if (entries_ > 0) {
      return BadInput(first_,
                      "every value is a pair, such as this one: are they keys "
                      "with their values (--keys independent), or values of "
                      "one object (--keys none)?");
    }
  }
  if (found == nullptr) return status;
  return std::move(found->recording);
}

}  // namespace quorate::lincheck

#include "lincheck/formats/jepsen_readings.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace quorate::lincheck {

JepsenReadings::JepsenReadings(const Vocabulary& vocabulary,
                               JepsenCalls::Options options) {
  const KeyForm keys =
      options.keys_beside_values ? KeyForm::kNone : options.jepsen.keys;
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
  const Reading* last = nullptr;
  bool left = false;
  for (const std::unique_ptr<Reading>& reading : readings_) {
    if (!reading->status.ok()) continue;
    reading->status = reading->calls.Take(edn, entry, locate);
    left = left || reading->status.ok();
    if (!reading->status.ok()) reading->ended = entries_;
    // Of two that end at once the one without keys tells why.
    if (!reading->status.ok() && last == nullptr) last = reading.get();
  }
  return left ? absl::OkStatus() : Explained(*last);
}

absl::Status JepsenReadings::Explained(const Reading& last) const {
  const auto other =
      std::find_if(readings_.begin(), readings_.end(),
                   [&](const auto& reading) { return reading.get() != &last; });
  // The other one matters where this entry looks like one of it.
  if (other == readings_.end() || !last.calls.misfits() ||
      (*other)->ended == last.ended) {
    return last.status;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      last.status.message(),
      last.independent
          ? "; not all values are pairs [key value], and without keys there is "
            "another mistake, "
          : "; it is a pair [key value] perhaps, but not all values are, ",
      (*other)->status.message()));
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

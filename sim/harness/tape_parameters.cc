#include "sim/harness/tape_parameters.h"

#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "env/annotate.h"

namespace quorate::sim {

int64_t TapeParameters::Number(std::string_view key, int64_t otherwise,
                               int64_t least, int64_t most) {
  known_.emplace(key);
  int64_t value = otherwise;
  const std::string* text = tape_.Parameter(key);
  if (text != nullptr &&
      (!absl::SimpleAtoi(*text, &value) || value < least || value > most)) {
    status_.Update(absl::InvalidArgumentError(absl::StrCat(
        "parameter ", std::string(key), ": expected a number from ", least,
        " to ", most, ", found '", *text, "'")));
  }
  return value;
}

std::vector<FaultFamily> TapeParameters::Families(std::string_view key) {
  known_.emplace(key);
  const std::string* names = tape_.Parameter(key);
  if (names == nullptr) return {};
  absl::StatusOr<std::vector<FaultFamily>> families =
      ParseFaultFamilies(*names);
  if (families.ok()) return *std::move(families);
  status_.Update(Annotate(families.status(),
                          absl::StrCat("parameter ", std::string(key))));
  return {};
}

absl::Status TapeParameters::Finish() {
  for (const auto& [key, value] : tape_.parameters) {
    if (!known_.contains(key)) {
      status_.Update(absl::InvalidArgumentError(
          absl::StrCat("parameter ", key, ": not known")));
    }
  }
  return status_;
}

}  // namespace quorate::sim

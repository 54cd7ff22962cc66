#include "sim/schedule/schedule_options.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"

namespace quorate::sim {
namespace {

constexpr std::array<std::string_view, kFaultFamilies> kNames = {
    "delay",     "loss",       "duplication",   "corruption",    "partition",
    "clog",      "streams",    "process_crash", "machine_crash", "pause",
    "disk_slow", "disk_error", "disk_full",     "disk_rot",      "disk_wipe",
    "clock",     "buggify",    "memory",        "old_disk",
};

}  // namespace

std::string_view FaultFamilyName(FaultFamily family) {
  return kNames[static_cast<size_t>(family)];
}

std::string FaultFamilyNames(const std::vector<FaultFamily>& families) {
  std::string names;
  for (const FaultFamily family : families) {
    absl::StrAppend(&names, names.empty() ? "" : ",",
                    std::string(FaultFamilyName(family)));
  }
  return names;
}

absl::StatusOr<std::vector<FaultFamily>> ParseFaultFamilies(
    std::string_view text) {
  std::vector<FaultFamily> families;
  while (true) {
    const std::string_view name = text.substr(0, text.find(','));
    const auto known = std::find(kNames.begin(), kNames.end(), name);
    if (known == kNames.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("expected families of faults (",
                       FaultFamilyNames(OtherFaultFamilies({})), "), found '",
                       std::string(name), "'"));
    }
    families.push_back(static_cast<FaultFamily>(known - kNames.begin()));
    if (name.size() == text.size()) return families;
    text.remove_prefix(name.size() + 1);
  }
}

std::vector<FaultFamily> OtherFaultFamilies(
    const std::vector<FaultFamily>& families) {
  std::vector<FaultFamily> others;
  for (size_t i = 0; i < kFaultFamilies; ++i) {
    const auto family = static_cast<FaultFamily>(i);
    if (std::find(families.begin(), families.end(), family) == families.end()) {
      others.push_back(family);
    }
  }
  return others;
}

std::vector<FaultFamily> PossibleFaultFamilies(const ScheduleOptions& options) {
  std::vector<FaultFamily> impossible;
  if (options.damage_limit == nullptr) {
    impossible.push_back(FaultFamily::kDiskRot);
  }
  if (options.budget.disks_lost == 0) {
    impossible.push_back(FaultFamily::kDiskWipe);
  }
  if (!options.budget.power_loss) {
    impossible.push_back(FaultFamily::kMachineCrash);
  }
  if (options.spoil_state == nullptr) {
    impossible.push_back(FaultFamily::kMemory);
  }
  if (options.put_back == nullptr) impossible.push_back(FaultFamily::kOldDisk);
  return OtherFaultFamilies(impossible);
}

}  // namespace quorate::sim

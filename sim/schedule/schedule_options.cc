#include "sim/schedule/schedule_options.h"

#include <array>

namespace quorate::sim {
namespace {

constexpr std::array<std::string_view, kFaultFamilies> kNames = {
    "delay",     "loss",       "duplication",   "corruption",    "partition",
    "clog",      "streams",    "process_crash", "machine_crash", "pause",
    "disk_slow", "disk_error", "disk_full",     "disk_rot",      "disk_wipe",
    "clock",     "buggify",
};

}  // namespace

std::string_view FaultFamilyName(FaultFamily family) {
  return kNames[static_cast<size_t>(family)];
}

}  // namespace quorate::sim

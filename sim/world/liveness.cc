#include "sim/world/liveness.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace quorate::sim {
namespace {
constexpr int kPeriodsMax = 30;  // A slow node may have thousands to do.
}  // namespace

void RequireWithin(World& world, std::string_view what, Duration limit,
                   absl::FunctionRef<bool()> done,
                   absl::FunctionRef<std::string()> describe,
                   absl::FunctionRef<uint64_t()> progress) {
  const auto violated = [&] { return !world.violations().empty(); };
  if (violated()) return;
  uint64_t reached = progress();
  for (int period = 1;; ++period) {
    if (world.RunUntilTrue([&] { return violated() || done(); }, limit)) return;
    const uint64_t before = std::exchange(reached, progress());
    if (reached != before && period < kPeriodsMax) continue;
    return world.Violate(absl::StrCat("liveness: ", std::string(what),
                                      " took more than ", (limit * period).ms(),
                                      " ms after healing\n", describe()));
  }
}

}  // namespace quorate::sim

#include "sim/world/liveness.h"

#include "absl/strings/str_cat.h"

namespace quorate::sim {

void RequireWithin(World& world, std::string_view what, Duration limit,
                   absl::FunctionRef<bool()> done,
                   absl::FunctionRef<std::string()> describe) {
  const auto violated = [&] { return !world.violations().empty(); };
  if (violated()) return;
  if (world.RunUntilTrue([&] { return violated() || done(); }, limit)) return;
  world.Violate(absl::StrCat("liveness: ", std::string(what),
                             " took more than ", limit.ms(),
                             " ms after healing\n", describe()));
}

}  // namespace quorate::sim

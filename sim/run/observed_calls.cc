#include "sim/run/observed_calls.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"

namespace quorate::sim {

Recorder::Observer ObserverOfCalls(World* world, const ClientFleet* clients) {
  if (!world->observes()) return nullptr;
  return [world, clients](uint32_t client, const std::string& operation,
                          std::string_view ended, std::string words) {
    const auto& machines = clients->machines();
    const bool known = client >= 1 && client <= machines.size();
    const bool begins = ended.empty();
    world->Observe(
        begins ? Observation::Kind::kCall : Observation::Kind::kAnswer,
        known ? machines[client - 1] : MachineId(), operation,
        begins ? absl::StrCat("client ", client) : std::string(ended),
        std::move(words));
  };
}

}  // namespace quorate::sim

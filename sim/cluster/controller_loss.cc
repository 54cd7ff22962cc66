#include "sim/cluster/controller_loss.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "sim/choices/choices.h"

namespace quorate::sim {
namespace {

constexpr ChoiceSite kLoss("operator.controller_loss");
constexpr ChoiceSite kBegin("operator.controller_loss_begin");
constexpr ChoiceSite kLength("operator.controller_loss_length");
constexpr ChoiceSite kFirst("operator.controller_loss_first");
// Longer than most requests may take when no fault is in their way.
constexpr Duration kLengthMin = Seconds(8);
constexpr Duration kLengthMax = Seconds(16);

}  // namespace

void ControllerLoss::Plan(Duration length) {
  Choices& choices = world_.choices();
  if (controller_.empty() || length <= kLengthMax ||
      !choices.Chance(kLoss, ChoiceKey{}, {1, 4})) {
    return;
  }
  const SimTime begin =
      world_.now() +
      choices.Between(kBegin, ChoiceKey{}, Seconds(1), length - kLengthMax);
  const SimTime end =
      begin + choices.Between(kLength, ChoiceKey{}, kLengthMin, kLengthMax);
  world_.At(begin, [this] { Begin(); });
  world_.At(end, [this] { End(); });
}

bool ControllerLoss::Running(MachineId machine) const {
  return world_.running(machine);
}

bool ControllerLoss::Keeps(const Voters& voters) const {
  const auto up =
      std::count_if(voters.begin(), voters.end(),
                    [this](MachineId machine) { return Running(machine); });
  return static_cast<size_t>(up) > voters.size() / 2;
}

// Crashes voters of the controller, one after the other, unless another group
// would lose its majority.
void ControllerLoss::Begin() {
  if (ended_) return;
  const uint64_t first =
      world_.choices().Below(kFirst, ChoiceKey{}, controller_.size());
  for (size_t i = 0; i < controller_.size() && Keeps(controller_); ++i) {
    const MachineId machine = controller_[(first + i) % controller_.size()];
    if (!Running(machine)) continue;
    world_.Crash(machine, CrashKind::kProcess);
    if (std::all_of(others_.begin(), others_.end(),
                    [this](const Voters& voters) { return Keeps(voters); })) {
      down_.push_back(machine);
      world_.AddToStory(machine, TraceKind::kDeed, 0,
                        "the controller is to have no majority: down is " +
                            world_.name(machine));
    } else {
      world_.Restart(machine);
    }
  }
  if (!Keeps(controller_)) {
    world_.CountMark(controller_.front(), "controller.lost_its_majority");
  }
}

void ControllerLoss::End() {
  ended_ = true;
  for (const MachineId machine : std::exchange(down_, {})) {
    if (!Running(machine)) world_.Restart(machine);
  }
}

}  // namespace quorate::sim

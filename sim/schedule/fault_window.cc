#include "sim/schedule/fault_window.h"

namespace quorate::sim {
namespace {

constexpr ChoiceSite kPick("schedule.pick");
constexpr ChoiceSite kLength("schedule.length");

// The number of the choice whether the window hits a leader, and of which
// group.
constexpr uint64_t kAim = 1000;
// The number of groups between which that choice distinguishes.
constexpr uint64_t kGroupsMax = 1 << 16;

}  // namespace

uint64_t FaultWindow::Pick(uint64_t which, uint64_t bound) const {
  return context_->choices().Below(kPick, entity(), which, bound);
}

Duration FaultWindow::Length(Duration least, Duration most) const {
  return context_->choices().Between(kLength, entity(), 0, least, most);
}

MachineId FaultWindow::PickNode() const {
  const uint64_t aim = Pick(kAim, 4 * kGroupsMax);
  if (aim >= 3 * kGroupsMax) {
    const MachineId leader = context_->Leader(aim % kGroupsMax);
    if (leader != MachineId()) return leader;
  }
  return context_->nodes()[Pick(0, context_->nodes().size())];
}

}  // namespace quorate::sim

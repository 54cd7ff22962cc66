#include "sim/schedule/fault_window.h"

namespace quorate::sim {
namespace {

constexpr ChoiceSite kPick("schedule.pick");
constexpr ChoiceSite kLength("schedule.length");

}  // namespace

uint64_t FaultWindow::Pick(uint64_t which, uint64_t bound) const {
  return context_->choices().Below(kPick, entity(), which, bound);
}

Duration FaultWindow::Length(Duration least, Duration most) const {
  return context_->choices().Between(kLength, entity(), 0, least, most);
}

MachineId FaultWindow::PickNode() const {
  return context_->nodes()[Pick(0, context_->nodes().size())];
}

}  // namespace quorate::sim

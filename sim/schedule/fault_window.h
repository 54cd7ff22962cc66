// sim/schedule/fault_window.h: one planned fault and the choices that its key
// names.
#ifndef QUORATE_SIM_SCHEDULE_FAULT_WINDOW_H_
#define QUORATE_SIM_SCHEDULE_FAULT_WINDOW_H_

#include <cstdint>

#include "sim/schedule/fault_context.h"

namespace quorate::sim {

// A fault window has a family and the second of virtual time in which it
// begins. Both are the key of its choices, so removing one window leaves the
// others unchanged.
class FaultWindow {
 public:
  FaultWindow(FaultContext* context, FaultFamily family, uint64_t second)
      : FaultWindow(context, family, second, 0) {}

  // The key for one node of a window that hits several nodes, or for one of
  // several attempts. Attempt 0 is the whole of the node's part.
  FaultWindow Part(MachineId node, uint64_t attempt) const {
    return {context_, family_, second_, node.value() << 12 | attempt};
  }

  FaultFamily family() const { return family_; }
  uint64_t second() const { return second_; }
  // The entity of this window's choices.
  uint64_t entity() const {
    return part_ << 40 | static_cast<uint64_t>(family_) << 32 | second_;
  }

  // Uniform in [0, bound). `which` distinguishes the choices of one window.
  uint64_t Pick(uint64_t which, uint64_t bound) const;
  // How long the fault lasts. At most one draw per window.
  Duration Length(Duration least, Duration most) const;
  // The node that the fault hits. One fault in four aims at the leader of some
  // group.
  MachineId PickNode() const;

 private:
  FaultWindow(FaultContext* context, FaultFamily family, uint64_t second,
              uint64_t part)
      : context_(context), family_(family), second_(second), part_(part) {}

  FaultContext* context_;
  FaultFamily family_;
  uint64_t second_;
  uint64_t part_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_SCHEDULE_FAULT_WINDOW_H_

// sim/schedule/quiet_stretch.h: a stretch in the middle of a run in which no
// fault begins.
//
// Faults of most runs follow each other so closely that no group ever has to
// serve without one. In a part of the runs they stop for a while, and the
// checker of availability sees requests that wait without an excuse.
#ifndef QUORATE_SIM_SCHEDULE_QUIET_STRETCH_H_
#define QUORATE_SIM_SCHEDULE_QUIET_STRETCH_H_

#include "env/time.h"
#include "sim/choices/sim_time.h"
#include "sim/schedule/fault_context.h"

namespace quorate::sim {

class QuietStretch {
 public:
  explicit QuietStretch(FaultContext* context) : context_(context) {}

  // Draws whether and when the run has a stretch. Call it once, with the rates
  // of the run set.
  void Plan();
  // Whether no fault begins at this time.
  bool Covers(SimTime time) const { return begin_ <= time && time < end_; }

 private:
  // The rates by which faults begin, of which a quiet world has none.
  struct Rates {
    Ratio spike;
    Ratio loss;
    Ratio corrupt;
    Ratio reset;
    Ratio hang;
    Ratio buggify;
  };
  // Sets the rates of the world and returns those before.
  Rates Exchange(const Rates& rates);

  FaultContext* const context_;
  // Empty if they are equal.
  SimTime begin_;
  SimTime end_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_SCHEDULE_QUIET_STRETCH_H_

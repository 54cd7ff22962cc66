// env/loop.h: time and turns. A node does all its work in turns of one loop:
//
//   1. The callbacks of all present inputs run: bytes, messages, completions,
//      due timers.
//   2. The deferred callbacks run, in the order in which they were deferred,
//      until none is left.
//
// ReadClock() returns one value throughout step 1, and a newer one throughout
// step 2, which is read after step 1. So a deferred callback never serves a
// request that arrived after its clock reading. Components collect work in step
// 1 and propose and flush it in step 2.
#ifndef QUORATE_ENV_LOOP_H_
#define QUORATE_ENV_LOOP_H_

#include "absl/functional/any_invocable.h"
#include "env/pending.h"
#include "env/time.h"

namespace quorate::env {

using Callback = absl::AnyInvocable<void()>;

class Loop {
 public:
  // The clocks of the present step.
  virtual Now ReadClock() = 0;

  // Calls `callback` in step 1 of a turn, never before `deadline`. Timers with
  // the same deadline fire in the order in which they were set. A deadline in
  // the past fires in the next turn.
  virtual Pending At(MonoTime deadline, Callback callback) = 0;

  // Calls `callback` in step 2 of this turn; if called in step 2, later in the
  // same step.
  virtual Pending Defer(Callback callback) = 0;

 protected:
  ~Loop() = default;
};

}  // namespace quorate::env

#endif  // QUORATE_ENV_LOOP_H_

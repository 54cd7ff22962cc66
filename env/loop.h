// env/loop.h: time and turns. Everything a node does happens in turns of its one loop:
//
//   1. the inputs that are there (bytes, messages, completions, due timers) are drained: their callbacks run;
//   2. then the deferred callbacks run, in the order in which they were deferred, until none is left.
//
// ReadClock() gives one value throughout a turn's callbacks of step 1 and a newer one, read after the inputs were drained,
// throughout step 2: so what is decided in deferred callbacks (leases above all) never serves a request received after the
// reading. Batching falls out of it: collect in step 1, propose and flush in step 2.
#ifndef QUORATE_ENV_LOOP_H_
#define QUORATE_ENV_LOOP_H_

#include "absl/functional/any_invocable.h"
#include "env/pending.h"
#include "env/time.h"

namespace quorate::env {

using Callback = absl::AnyInvocable<void()>;

class Loop {
 public:
  // The clocks as of this turn (see above).
  virtual Now ReadClock() = 0;

  // Calls `callback` once `deadline` has come, never before, in step 1 of a turn. Timers due at the same time fire in the
  // order in which they were set. A deadline in the past fires in the next turn.
  virtual Pending At(MonoTime deadline, Callback callback) = 0;

  // Calls `callback` in step 2 of this turn (from within step 2: later in the same step).
  virtual Pending Defer(Callback callback) = 0;

 protected:
  ~Loop() = default;
};

}  // namespace quorate::env

#endif  // QUORATE_ENV_LOOP_H_

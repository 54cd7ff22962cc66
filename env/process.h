// env/process.h: processor time that the process of this node and the turns of
// its loop have used. For status pages only.
#ifndef QUORATE_ENV_PROCESS_H_
#define QUORATE_ENV_PROCESS_H_

#include <cstdint>

#include "env/time.h"

namespace quorate::env {

// Processor time of all threads since the process began.
struct CpuTime {
  Duration user;
  Duration system;  // In the kernel.
};

// Processor time that turns of the node's loop took.
struct TurnTimes {
  Duration longest;
  uint64_t long_turns = 0;  // Turns that took more than kLongTurn.
};
inline constexpr Duration kLongTurn = Milliseconds(5);

class Process {
 public:
  virtual CpuTime ReadCpuTime() = 0;
  // Turns since the start or the last reset. The present turn is not counted.
  virtual TurnTimes ReadTurnTimes() = 0;
  virtual void ResetTurnTimes() = 0;

 protected:
  ~Process() = default;
};

}  // namespace quorate::env

#endif  // QUORATE_ENV_PROCESS_H_

// env/process.h: processor time that the process of this node has used. For
// status pages only.
#ifndef QUORATE_ENV_PROCESS_H_
#define QUORATE_ENV_PROCESS_H_

#include "env/time.h"

namespace quorate::env {

// Processor time of all threads since the process began.
struct CpuTime {
  Duration user;
  Duration system;  // In the kernel.
};

class Process {
 public:
  virtual CpuTime ReadCpuTime() = 0;

 protected:
  ~Process() = default;
};

}  // namespace quorate::env

#endif  // QUORATE_ENV_PROCESS_H_

// lincheck/cmd/threads.h: threads and a deadline for the checker, which is
// pure.
#ifndef QUORATE_LINCHECK_CMD_THREADS_H_
#define QUORATE_LINCHECK_CMD_THREADS_H_

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "absl/functional/function_ref.h"
#include "lincheck/verdict.h"

namespace quorate::lincheck {

// Runs tasks on several threads: the caller's, and others that each Run of
// several tasks starts.
class ThreadExecutor final : public Executor {
 public:
  // `jobs` 0: as many as there are processors.
  explicit ThreadExecutor(uint32_t jobs);

  void Run(size_t count, absl::FunctionRef<void(size_t)> task) override;

 private:
  const uint32_t jobs_;
};

// Passes so many milliseconds after it was made; with 0 never.
class ClockDeadline final : public Deadline {
 public:
  explicit ClockDeadline(int64_t timeout_ms);
  bool Passed() const override;

 private:
  const bool never_;
  const std::chrono::steady_clock::time_point end_;
};

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_CMD_THREADS_H_

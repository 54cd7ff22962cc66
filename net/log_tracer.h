// net/log_tracer.h: env::Tracer that writes lines to standard error.
//
// A thread of its own writes them. Standard error may be a pipe whose reader
// has stopped, or a file on a disk that hangs. No loop may wait for either.
#ifndef QUORATE_NET_LOG_TRACER_H_
#define QUORATE_NET_LOG_TRACER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "env/tracer.h"

namespace quorate::net {

// Writes one line per message: time in UTC, severity, name, message. Marks are
// ignored; only the simulator counts them.
class LogTracer final : public env::Tracer {
 public:
  // Lines that wait to be written. A further one takes the place of the oldest,
  // and a line says how many were lost.
  static constexpr size_t kWaitingMax = 1024;

  // Writes messages of at least `level` to the descriptor `fd`, by default
  // standard error. `name` identifies the node.
  LogTracer(std::string name, env::Severity level, int fd = 2);
  ~LogTracer();  // Calls Flush.

  // Never waits for the descriptor.
  void Log(env::Severity severity, std::string_view message) override;
  bool Logs(env::Severity severity) const override;
  void Sometimes(std::string_view mark) override;
  // Waits until all lines are written, but not for long. False: not all are.
  bool Flush();

 private:
  class Sink;
  struct Logger;

  const env::Severity level_;
  uint64_t logged_ = 0;  // Lines given to the thread.
  const std::unique_ptr<Logger> logger_;
};

}  // namespace quorate::net

#endif  // QUORATE_NET_LOG_TRACER_H_

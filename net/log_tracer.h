// net/log_tracer.h: env::Tracer that writes lines to standard error. Writes are
// synchronous: lines are rare, and none is lost when the process dies.
#ifndef QUORATE_NET_LOG_TRACER_H_
#define QUORATE_NET_LOG_TRACER_H_

#include <memory>
#include <string>
#include <string_view>

#include "env/tracer.h"

namespace quorate::net {

// Writes one line per message: time in UTC, severity, name, message. Marks are
// ignored; only the simulator counts them.
class LogTracer final : public env::Tracer {
 public:
  // Writes messages of at least `level`. `name` identifies the node.
  LogTracer(std::string name, env::Severity level);
  ~LogTracer();

  void Log(env::Severity severity, std::string_view message) override;
  bool Logs(env::Severity severity) const override;
  void Sometimes(std::string_view mark) override;

 private:
  struct Logger;

  const env::Severity level_;
  const std::unique_ptr<Logger> logger_;
};

}  // namespace quorate::net

#endif  // QUORATE_NET_LOG_TRACER_H_

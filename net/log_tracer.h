// net/log_tracer.h: env::Tracer that writes lines to standard error.
// Synchronous: rare lines, written before a process can die.
#ifndef QUORATE_NET_LOG_TRACER_H_
#define QUORATE_NET_LOG_TRACER_H_

#include <memory>
#include <string>
#include <string_view>

#include "env/tracer.h"

namespace quorate::net {

// One line each: time in UTC, severity, name, message. Marks of rare situations
// go nowhere: they are the simulator's.
class LogTracer final : public env::Tracer {
 public:
  // Writes what is at least `level`; `name` says which node speaks.
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

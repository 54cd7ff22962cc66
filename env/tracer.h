// env/tracer.h: log lines, and marks that count which rare situations a run
// reaches. Tracing must never change the behaviour of a component.
#ifndef QUORATE_ENV_TRACER_H_
#define QUORATE_ENV_TRACER_H_

#include <cstdint>
#include <string_view>

namespace quorate::env {

enum class Severity : uint8_t { kDebug, kInfo, kWarning, kError };

class Tracer {
 public:
  // Writes one log line, such as "raft: group 2 became leader in term 7". Not
  // for events of every command.
  virtual void Log(Severity severity, std::string_view message) = 0;
  // True if lines of this severity are written. Callers need not build a line
  // that is not.
  virtual bool Logs(Severity severity) const = 0;
  // A rare situation was reached. `mark` is its stable name, such as
  // "raft.conflicting_suffix_truncated". The simulator counts the runs that
  // reach each mark.
  virtual void Sometimes(std::string_view mark) = 0;

 protected:
  ~Tracer() = default;
};

}  // namespace quorate::env

#endif  // QUORATE_ENV_TRACER_H_

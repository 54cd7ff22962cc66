// env/tracer.h: what a component tells about itself. Observing never changes a run: nothing here returns a value.
//
// Log lines, and "sometimes" marks that tell which rare situations a run reached.
#ifndef QUORATE_ENV_TRACER_H_
#define QUORATE_ENV_TRACER_H_

#include <cstdint>
#include <string_view>

namespace quorate::env {

enum class Severity : uint8_t { kDebug, kInfo, kWarning, kError };

class Tracer {
 public:
  // One line for people: "raft: group 2 became leader in term 7". Not called for what happens on every command.
  virtual void Log(Severity severity, std::string_view message) = 0;
  // True if Log at this severity goes anywhere: spares building the line.
  virtual bool Logs(Severity severity) const = 0;
  // A rare situation was reached ("raft.conflicting_suffix_truncated"): the simulator counts in how many runs. A stable name.
  virtual void Sometimes(std::string_view mark) = 0;

 protected:
  ~Tracer() = default;
};

}  // namespace quorate::env

#endif  // QUORATE_ENV_TRACER_H_

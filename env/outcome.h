// env/outcome.h: whether a command took effect, as far as is known; a Status
// beside it says why.
//
// Each layer returns the outcome that it received. A layer that turns kUnknown
// into kNotExecuted lets a client execute a write twice.
#ifndef QUORATE_ENV_OUTCOME_H_
#define QUORATE_ENV_OUTCOME_H_

#include <cstdint>

namespace quorate {

enum class Outcome : uint8_t {
  // The command took effect exactly once.
  kDone,
  // The command has not taken effect and never will. No other outcome may be
  // answered with an error after which clients retry by themselves.
  kNotExecuted,
  // The command may have taken effect, or may do so later. A node never retries
  // it.
  kUnknown,
};

}  // namespace quorate

#endif  // QUORATE_ENV_OUTCOME_H_

// env/outcome.h: what is known about whether a command took effect, apart from its Status.
//
// Every layer passes it on as it is: turning unknown into certainly-not is how writes get doubled.
#ifndef QUORATE_ENV_OUTCOME_H_
#define QUORATE_ENV_OUTCOME_H_

#include <cstdint>
#include <string_view>

namespace quorate {

enum class Outcome : uint8_t {
  // It took effect, exactly once.
  kDone,
  // It did not and never will. Only this may be answered with an error that clients retry by themselves.
  kCertainlyNot,
  // It may have, or may yet. Never retried by a node.
  kUnknown,
};

constexpr std::string_view OutcomeName(Outcome outcome) {
  switch (outcome) {
    case Outcome::kDone:
      return "done";
    case Outcome::kCertainlyNot:
      return "certainly_not";
    case Outcome::kUnknown:
      return "unknown";
  }
  return "invalid";
}

}  // namespace quorate

#endif  // QUORATE_ENV_OUTCOME_H_

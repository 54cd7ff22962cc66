// sim/checks/repeated_execution.h: names the operation that was executed twice,
// where that explains a history which is not linearizable.
//
// A log may have a command twice: its client sent it again, and the state
// machine must recognize it. The log alone does not show a mistake. A history
// that is linearizable only if the second one took effect, too, does.
#ifndef QUORATE_SIM_CHECKS_REPEATED_EXECUTION_H_
#define QUORATE_SIM_CHECKS_REPEATED_EXECUTION_H_

#include <cstdint>
#include <string>

#include "absl/types/span.h"
#include "lincheck/history.h"
#include "lincheck/model.h"

namespace quorate::sim {

// An operation whose command a log has twice.
struct Repeat {
  lincheck::Operation operation;
  std::string where;  // The two places, for people: "entries 12 and 31".
};

// "executed twice: ", with the operations of `repeats` without whose second
// execution the partition is not linearizable. Empty: they do not explain it,
// it is linearizable without them, or the search for that took too long. The
// operations are of the partition, and their strings outlive the call.
std::string ExecutedTwice(const lincheck::History& history, uint32_t partition,
                          const lincheck::Model& model,
                          absl::Span<const Repeat> repeats);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CHECKS_REPEATED_EXECUTION_H_

// sim/tools/choice_kind.h: the part that a choice of a tape has in its run, as
// a reader of the tape counts it.
#ifndef QUORATE_SIM_TOOLS_CHOICE_KIND_H_
#define QUORATE_SIM_TOOLS_CHOICE_KIND_H_

#include <cstddef>

#include "sim/choices/tape.h"

namespace quorate::sim {

enum class ChoiceKind {
  kOperation,  // A request of a client, or a deed of an operator.
  kFault,      // One fault of the world, or of a client.
  kDetail,     // How long a fault lasts, which node it hits, and so on.
  kSetting,    // Shape of the run, configuration of a node, habit of a client.
  kNoise,      // A small delay, an order or a split.
};

ChoiceKind KindOf(const TapeChoice& choice);

struct ChoiceCounts {
  size_t operations = 0;
  size_t faults = 0;
};
ChoiceCounts CountChoices(const Tape& tape);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_TOOLS_CHOICE_KIND_H_

// sim/tools/shrink.h: makes the tape of a failing run small.
//
// A line of a tape that is deleted is the default choice, at which nothing
// special happens. So a smaller tape is a gentler run with fewer faults. The
// shrinker tries smaller tapes, and goes on with those that still have the same
// violation (delta debugging, Zeller and Hildebrandt 2002). A reader counts
// faults and operations (sim/tools/choice_kind.h), so these go before settings.
//
//   1. all choices of noise, or all operations
//   2. a shorter run with fewer nodes, groups and clients
//   3. halves, quarters and so on of kinds of choices, of clients and fault
//      windows, and of single operations and faults
//   4. settings, details of faults, and values
//
// The early steps make the runs short, so the later ones may be many.
#ifndef QUORATE_SIM_TOOLS_SHRINK_H_
#define QUORATE_SIM_TOOLS_SHRINK_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/choices/tape.h"

namespace quorate::sim {

// The rule that a violation breaks, and where, without the numbers of the run:
// "linearizability", "liveness: every wish".
std::string KindOfViolation(std::string_view violation);

struct ShrinkOptions {
  // Values of parameters that are tried together.
  using Size = std::vector<std::pair<std::string, std::string>>;
  // Of these the first one that has the violation is taken.
  using Sizes = std::vector<Size>;

  // Tried one after the other at the beginning.
  std::vector<Sizes> first;
  // Parameters that the run has, with the values to try when the run is small
  // already, the smallest first.
  std::vector<std::pair<std::string, std::vector<std::string>>> parameters;
  // How many tapes are tried at a time.
  size_t jobs = 1;
};

// Runs the tapes. Returns the lines that the run of each one used, or nothing
// if it did not have the violation.
using TryTapes = std::function<std::vector<std::optional<Tape>>(
    const std::vector<Tape>& tapes)>;
// Whether there is time for more.
using HasTime = std::function<bool()>;
// Called when a smaller tape, which this pass made, has the violation.
using OnSmaller = std::function<void(const Tape&, std::string_view pass)>;

// The smallest tape that was found. Requires: `tape` has the violation.
Tape Shrink(const Tape& tape, const ShrinkOptions& options,
            const TryTapes& try_tapes, const HasTime& has_time,
            const OnSmaller& on_smaller);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_TOOLS_SHRINK_H_

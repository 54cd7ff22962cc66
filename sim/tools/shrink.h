// sim/tools/shrink.h: makes the tape of a failing run small.
//
// A line of a tape that is deleted is the default choice, at which nothing
// special happens. So a smaller tape is a gentler run with fewer faults. The
// shrinker tries smaller tapes, and goes on with those that still have the same
// violation (delta debugging, Zeller and Hildebrandt 2002). First come the
// length and the shape of the run, then whole kinds of choices and whole
// entities such as clients. Single lines and their values are the last.
#ifndef QUORATE_SIM_TOOLS_SHRINK_H_
#define QUORATE_SIM_TOOLS_SHRINK_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/choices/tape.h"

namespace quorate::sim {

// The rule that a violation breaks, and where, without the numbers of the run:
// "linearizability", "liveness: every wish".
std::string KindOfViolation(std::string_view violation);

struct ShrinkOptions {
  // Parameters that the run has, with the values to try, the smallest first.
  // The harness has `duration`.
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
// Called when a smaller tape has the violation.
using OnSmaller = std::function<void(const Tape&)>;

// The smallest tape that was found. Requires: `tape` has the violation.
Tape Shrink(const Tape& tape, const ShrinkOptions& options,
            const TryTapes& try_tapes, const HasTime& has_time,
            const OnSmaller& on_smaller);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_TOOLS_SHRINK_H_

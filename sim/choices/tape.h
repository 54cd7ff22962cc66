// sim/choices/tape.h: a run as text: a header and one line for each choice of the world
// that differs from the boring default.
//
//   quorate-tape 1
//   seed 42
//   nodes=5
//   ---
//   net.fault 4294967298 17 1
//
// A choice line is: site, entity, counter, value. The order of choice lines
// means nothing; deleting any line of a tape, of its header too, gives another
// valid tape: what is missing has its default. Lines that are empty or begin
// with '#' are skipped.
#ifndef QUORATE_SIM_CHOICES_TAPE_H_
#define QUORATE_SIM_CHOICES_TAPE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace quorate::sim {

inline constexpr int kTapeVersion = 1;

struct TapeChoice {
  std::string site;
  uint64_t entity = 0;
  uint64_t counter = 0;
  uint64_t value = 0;
  friend bool operator==(const TapeChoice&, const TapeChoice&) = default;
};

struct Tape {
  uint64_t seed = 0;
  // Of the scenario: key=value, in order, keys unique. Keys and values have no
  // line break, keys no '='.
  std::vector<std::pair<std::string, std::string>> parameters;
  std::vector<TapeChoice> choices;

  // The value of a parameter, or `otherwise`.
  std::string Parameter(std::string_view key, std::string_view otherwise) const;
  void SetParameter(std::string_view key, std::string_view value);
  friend bool operator==(const Tape&, const Tape&) = default;
};

std::string FormatTape(const Tape& tape);
// kInvalidArgument: "line 7: …, expected …".
absl::StatusOr<Tape> ParseTape(std::string_view text);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CHOICES_TAPE_H_

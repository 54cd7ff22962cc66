// sim/choices/tape.h: a run as text: a header, and one line for each choice of
// the world that is not a default choice.
//
//   quorate-tape 1
//   seed 42
//   nodes=5
//   ---
//   net.fault 4294967298 17 1
//
// A choice line has site, entity, counter and value. The order of choice lines
// has no meaning. Any line may be deleted, also of the header: a missing value
// has its default. Empty lines and lines that begin with '#' are skipped.
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
  // The parameters of the run, in order, with unique keys. Keys and values have
  // no line break, and keys have no '='.
  std::vector<std::pair<std::string, std::string>> parameters;
  std::vector<TapeChoice> choices;

  // The value of a parameter. Null if the tape has none with this key.
  const std::string* Parameter(std::string_view key) const;
  void SetParameter(std::string_view key, std::string_view value);
  friend bool operator==(const Tape&, const Tape&) = default;
};

std::string FormatTape(const Tape& tape);
// Parses a tape. kInvalidArgument has the line: "line 7: …, expected …".
absl::StatusOr<Tape> ParseTape(std::string_view text);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CHOICES_TAPE_H_

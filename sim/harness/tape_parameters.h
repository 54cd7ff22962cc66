// sim/harness/tape_parameters.h: the parameters at the head of a tape, for the
// subject that reads its own from it.
#ifndef QUORATE_SIM_HARNESS_TAPE_PARAMETERS_H_
#define QUORATE_SIM_HARNESS_TAPE_PARAMETERS_H_

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "sim/choices/tape.h"
#include "sim/schedule/schedule_options.h"

namespace quorate::sim {

// Reads the parameters of a tape one by one, and keeps the first error.
class TapeParameters {
 public:
  explicit TapeParameters(const Tape& tape) : tape_(tape) {}

  // The value of `key`, or `otherwise` if the tape has none.
  int64_t Number(std::string_view key, int64_t otherwise, int64_t least,
                 int64_t most);
  bool Has(std::string_view key) const {
    return tape_.Parameter(key) != nullptr;
  }
  std::vector<FaultFamily> Families(std::string_view key);
  // kInvalidArgument with the key of a value that cannot be read, or of a
  // parameter that was not asked for.
  absl::Status Finish();

 private:
  const Tape& tape_;
  std::set<std::string, std::less<>> known_;
  absl::Status status_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_HARNESS_TAPE_PARAMETERS_H_

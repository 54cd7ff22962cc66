#include "examples/counter/counter.h"

#include <string>

#include "absl/status/status.h"
#include "env/parse_integer.h"

namespace quorate::examples {

Buffer Counter::Apply(const raft::Entry& entry, bool wants_result) {
  int64_t delta = 0;
  int64_t sum = 0;
  std::string result;
  if (!ParseInteger(entry.payload.view(), &delta)) {
    result = "not a number";
  } else if (__builtin_add_overflow(sum_, delta, &sum)) {
    result = "the sum would not fit 64 bits";
  } else {
    sum_ = sum;
    result = std::to_string(sum_);
  }
  return wants_result ? Buffer::Copy(result) : Buffer();
}

Buffer Counter::Save() const { return Buffer::Copy(std::to_string(sum_)); }

absl::Status Counter::Restore(std::string_view state) {
  int64_t sum = 0;
  if (!ParseInteger(state, &sum)) return absl::DataLossError("not a number");
  sum_ = sum;
  return absl::OkStatus();
}

}  // namespace quorate::examples
